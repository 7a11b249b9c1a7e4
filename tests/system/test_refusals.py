"""Bad input on a real engine: a sentence with both facts, and nothing that stays."""

from collections.abc import Iterator

import pytest

from tests.lab import commands, images, world, zones

ELSEWHERE = ["-o", "fullhost.subnet=172.31.9.0/24", "-o", "fullhost.bridge=eth0"]


@pytest.fixture(autouse=True)
def _nothing_stays(lab: world.Lab, network: str) -> Iterator[None]:
    """See that a refusal leaves neither a row nor a veth."""
    assert network
    images.ensure(lab.engine, images.BUSYBOX)
    yield
    status = lab.driver.get("/v1/status")
    assert isinstance(status, dict)
    assert status["endpoints"] == []
    assert "fh" not in lab.host.ip("-br", "link")


def refusal(lab: world.Lab, *words: str) -> str:
    """Run a docker command that has to fail; return what it says."""
    with pytest.raises(commands.LabError) as caught:
        lab.engine.docker(*words)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nobody", "has no A record for nobody.local; add one to the zone local"),
        ("host", "DNS gives host.local 172.31.0.1, the gateway's own address"),
        ("a_b", "cannot name a machine 'a_b'"),
        ("a.b", "cannot name a machine 'a.b'"),
        ("x" * 64, "is 1 to 63 letters, digits and inner hyphens (RFC 1123)"),
        ("two", "DNS gives two.local 2 addresses of 172.31.0.0/24: 172.31.0.20, 172.31.0.21"),
        ("out", "its CNAME leads to www.example.org., out of local"),
    ],
)
def test_a_name_without_an_address_that_can_be_given(lab: world.Lab, name: str, why: str) -> None:
    bad = zones.LOCAL.replacing("two", "A 172.31.0.20", "A 172.31.0.21").replacing("out", "CNAME www.example.org.")
    lab.nameserver.publish(bad, zones.REVERSE)
    assert why in refusal(lab, "run", "--rm", "--name", name, "--network", "fullhost", images.BUSYBOX, "true")


def test_a_port_that_a_program_has_is_refused_by_its_number(lab: world.Lab) -> None:
    words = ["--rm", "--name", "database", "--network", "fullhost", "-p", "172.31.0.1:53:80", images.BUSYBOX, "true"]
    assert "cannot publish 172.31.0.1:53:80/tcp: the host cannot give port 53" in refusal(lab, "run", *words)


def test_an_option_of_an_endpoint_that_nobody_knows(lab: world.Lab) -> None:
    option = "name=fullhost,driver-opt=fullhost.nmae=database"
    said = refusal(lab, "run", "--rm", "--network", option, images.BUSYBOX, "true")
    assert "no such option is known; the options are fullhost.name=NAME and fullhost.antispoof=true|false" in said


def test_a_driver_that_does_not_run(lab: world.Lab) -> None:
    lab.driver.kill()
    try:
        words = ["--rm", "--name", "database", "--network", "fullhost", images.BUSYBOX, "true"]
        said = refusal(lab, "run", *words)
    finally:
        lab.driver.start()
    assert "fullhost.sock" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--ipam-driver", "null", "-o", "fullhost.brigde=br1"], "'fullhost.brigde': no such option is known; the"),
        (["--ipam-driver", "null", *ELSEWHERE], "an interface of that name is there, and is veth"),
        (["--ipam-driver", "null", "-o", "fullhost.mtu=many"], "fullhost.mtu='many': an MTU is 68 to 65535"),
        (["--ipam-driver", "null", "--internal"], "(--internal) is not served yet"),
        ([], "type: docker network create -d fullhost --ipam-driver null"),
        (["--subnet", "172.31.5.0/24", "--aux-address", "a=172.31.5.9"], "--aux-address"),
    ],
)
def test_a_network_that_cannot_be(lab: world.Lab, words: list[str], why: str) -> None:
    before = lab.host.run("nft", "list", "tables")
    assert why in refusal(lab, "network", "create", "-d", "fullhost", *words, "bad")
    assert lab.host.run("nft", "list", "tables") == before


def test_a_second_network_on_the_same_bridge(lab: world.Lab, network: str) -> None:
    said = refusal(lab, "network", "create", "-d", "fullhost", "--ipam-driver", "null", "second")
    assert f"the network {network[:12]} has the bridge br0; give other ones with -o fullhost.bridge" in said


def test_the_driver_listens_nowhere_but_on_a_socket_of_root(lab: world.Lab) -> None:
    assert lab.driver.socket.stat().st_mode & 0o777 == 0o600
    assert "gunicorn" not in lab.host.run("ss", "-Hltnup")
