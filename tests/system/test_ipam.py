"""Networks with the driver's own IPAM, on real engines: subnets and `--ip` as Docker users know them, DNS decides."""

import pytest

from tests.lab import commands, images, world

RUN = ["run", "--rm", "--network", "fullhost"]
SHOW = [images.BUSYBOX, "ip", "-o", "-4", "addr", "show", "eth0"]


def test_addresses_that_were_asked_for(lab: world.Lab) -> None:
    images.ensure(lab.engine, images.BUSYBOX)
    docker = lab.engine.docker
    create = ["network", "create", "-d", "fullhost", "--ipam-driver", "fullhost"]
    with pytest.raises(commands.LabError, match="no subnet was asked for; type: docker network create"):
        docker(*create, "fullhost")
    with pytest.raises(commands.LabError, match=r"give -o fullhost.range=172.31.0.128/25"):
        docker(*create, "--subnet", "172.31.0.0/24", "--ip-range", "172.31.0.128/25", "fullhost")
    docker(*create, "--subnet", "172.31.0.0/24", "--gateway", "172.31.0.1", "fullhost")
    assert '"Subnet":"172.31.0.0/24"' in docker("network", "inspect", "-f", "{{json .IPAM.Config}}", "fullhost")
    assert "inet 172.31.0.5/24" in docker(*RUN, "--ip", "172.31.0.5", *SHOW)
    named = ["run", "--rm", "--network", "name=fullhost,driver-opt=fullhost.name=docs"]
    with pytest.raises(commands.LabError, match=r"DNS gives docs.local 172.31.0.5; ask for it with --ip"):
        docker(*named, "--ip", "172.31.0.6", *SHOW)
    with pytest.raises(commands.LabError, match="has no PTR record for it in local"):
        docker(*RUN, "--ip", "172.31.0.77", *SHOW)
    with pytest.raises(commands.LabError, match="add --ip ADDRESS"):
        docker(*RUN, "--name", "docs", *SHOW)
    docker("network", "rm", "fullhost")


def test_an_address_is_kept_with_the_container(lab: world.Lab) -> None:
    images.ensure(lab.engine, images.BUSYBOX)
    docker = lab.engine.docker
    docker("network", "create", "-d", "fullhost", "--ipam-driver", "fullhost", "--subnet", "172.31.0.0/24", "fullhost")
    lab.driver.restart()
    docker("create", "--name", "kept", "--network", "fullhost", "--ip", "172.31.0.5", images.BUSYBOX, "sleep", "600")
    docker("start", "kept")
    docker("restart", "--time", "0", "kept")
    status = lab.driver.get("/v1/status")
    assert isinstance(status, dict)
    assert [(e["name"], e["rung"], e["settled"]) for e in status["endpoints"]] == [("docs", "address", True)]
    docker("rm", "--force", "kept")
    assert "fh" not in lab.host.ip("-br", "link")
    docker("network", "rm", "fullhost")
