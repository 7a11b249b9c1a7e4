"""The network driver on a real engine, with real names and a real kernel."""

import functools
import subprocess
import time

import pytest

from tests.lab import commands, host, images, world, zones

LOCAL, REVERSE = zones.SEED
SOON = 8  # seconds: how long the driver may take to say no


@pytest.fixture
def image(lab: world.Lab) -> str:
    """Give the name of an image that starts in milliseconds."""
    return images.ensure(lab.engine, images.BUSYBOX)


def _start(lab: world.Lab, name: str, *options: str, known: bool = False) -> None:
    """Start a container that stays; `known` has the driver told its name, as fhv does, for a host that boots."""
    network = f"name={world.NETWORK},driver-opt=fullhost.name={name}" if known else world.NETWORK
    words = ["--detach", "--network", network, "--name", name, "--stop-signal=KILL", *options]
    lab.engine.docker("run", *words, images.BUSYBOX, "sleep", "100000")


def _refusal(lab: world.Lab, name: str) -> str:
    """Return what the engine says as it refuses to start a container called `name`."""
    began = time.monotonic()
    with pytest.raises(commands.LabError) as refused:
        lab.engine.docker("run", "--rm", "--network", world.NETWORK, "--name", name, images.BUSYBOX, "true")
    assert time.monotonic() - began < SOON
    assert _veths(lab) == []
    return str(refused.value)


def _veths(lab: world.Lab) -> list[str]:
    """Return the machines' veths that are in the host's namespace."""
    lines = lab.host.ip("-br", "link", "show", "type", "veth").splitlines()
    return [line.split("@")[0] for line in lines if line.startswith("fh")]


def test_a_name_gets_its_address_route_and_mac(lab: world.Lab, network: str, image: str) -> None:
    _start(lab, "database")
    inside = lab.engine.docker(
        "exec", "database", "sh", "-c", "ip -o -4 address show eth0; ip route; ip link show eth0"
    )
    assert "inet 172.31.0.2/24" in inside
    assert "default via 172.31.0.1 dev eth0" in inside
    assert "02:66:ac:1f:00:02" in inside
    form = "{{.NetworkSettings.Networks.fullhost.IPAddress}}"
    assert lab.engine.docker("inspect", "--format", form, "database") == "172.31.0.2\n"


def test_machines_and_host_reach_each_other_by_name(lab: world.Lab, network: str, image: str) -> None:
    for name in ("database", "webserver"):
        _start(lab, name)
    lab.engine.docker("exec", "database", "ping", "-c", "1", "-W", "2", "webserver")
    lab.engine.docker("exec", "webserver", "ping", "-c", "1", "-W", "2", "database.local")
    lab.run("ping", "-c", "1", "-W", "2", "database")


def test_the_world_sees_the_host_and_cannot_come_in(lab: world.Lab, network: str, image: str) -> None:
    assert "-P FORWARD DROP" in lab.host.run("iptables", "-S", "FORWARD")
    _start(lab, "database")
    seen = lab.engine.docker("exec", "database", "nc", host.OUTSIDE_ADDRESS, str(host.MIRROR_PORT))
    assert seen == f"{host.HOST_ADDRESS}\n"
    lab.engine.docker("exec", "database", "ping", "-c", "1", "-W", "2", host.OUTSIDE_ADDRESS)
    lab.outside.ip("route", "add", host.SUBNET, "via", host.HOST_ADDRESS)
    try:
        assert not lab.outside.pings("172.31.0.2")
    finally:
        lab.outside.ip("route", "delete", host.SUBNET)


def test_without_snat_the_packet_keeps_its_address(lab: world.Lab, image: str) -> None:
    lab.create_network("--opt", "fullhost.snat=false")
    _start(lab, "database")
    lab.outside.ip("route", "add", host.SUBNET, "via", host.HOST_ADDRESS)
    try:
        seen = lab.engine.docker("exec", "database", "nc", host.OUTSIDE_ADDRESS, str(host.MIRROR_PORT))
    finally:
        lab.outside.ip("route", "delete", host.SUBNET)
    assert seen == "172.31.0.2\n"


def test_an_alias_inside_the_zone_is_followed(lab: world.Lab, network: str, image: str) -> None:
    lab.nameserver.publish(LOCAL.replacing("store", "CNAME database"), REVERSE)
    _start(lab, "store")
    assert lab.host.pings("172.31.0.2")


def test_of_two_addresses_the_one_that_fits_is_taken(lab: world.Lab, network: str, image: str) -> None:
    lab.nameserver.publish(LOCAL.replacing("database", "A 10.9.9.9", "A 172.31.0.2"), REVERSE)
    _start(lab, "database")
    assert lab.host.pings("172.31.0.2")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("stranger", (), "stranger"),
        ("stranger", ("A 10.9.9.9",), "10.9.9.9"),
        ("stranger", ("A 172.31.0.1",), "172.31.0.1"),
        ("stranger", ("A 172.31.0.0",), "172.31.0.0"),
        ("stranger", ("A 172.31.0.255",), "172.31.0.255"),
        ("stranger", ("CNAME elsewhere.example.",), "stranger"),
        ("stranger", ("AAAA fd00::1",), "stranger"),
        ("with.dot", (), "with.dot"),
        ("with_underscore", (), "with_underscore"),
        ("n" * 64, (), "n" * 64),
        ("n" * 200, (), "n" * 20),
    ],
    ids=lambda value: str(value)[:24] or None,
)
def test_what_is_no_address_of_a_machine_is_refused(
    lab: world.Lab, network: str, image: str, name: str, data: tuple[str, ...], said: str
) -> None:
    if data:
        lab.nameserver.publish(LOCAL.replacing(name, *data), REVERSE)
    refusal = _refusal(lab, name)
    assert "cannot" in refusal
    assert said in refusal


def test_an_address_in_use_is_refused_with_both_names(lab: world.Lab, network: str, image: str) -> None:
    _start(lab, "monitor")
    with pytest.raises(commands.LabError, match=r"grafana.*172\.31\.0\.4.*monitor"):
        _start(lab, "grafana")


@pytest.mark.parametrize("way", ["stopped", "hanging"])
def test_a_name_server_that_does_not_answer_is_a_sentence(lab: world.Lab, network: str, image: str, way: str) -> None:
    if way == "stopped":
        lab.nameserver.stop()
    else:
        lab.nameserver.hang()
    assert "172.31.0.1" in _refusal(lab, "database")


@pytest.mark.parametrize(
    "option",
    ["fullhost.bridg=br0", "fullhost.subnet=lots", "fullhost.mtu=big", "fullhost.snat=perhaps", "fullhost.bridge=a/b"],
)
def test_a_wrong_option_is_refused_by_its_name(lab: world.Lab, option: str) -> None:
    with pytest.raises(commands.LabError, match=option.partition("=")[0]):
        lab.create_network("--opt", option)
    lab.create_network()


def test_a_bridge_that_is_missing_is_made_and_goes_with_its_network(lab: world.Lab, image: str) -> None:
    options = ("fullhost.bridge=br7", "fullhost.subnet=172.31.7.0/24", "fullhost.dns=127.0.0.1")
    words = [word for option in options for word in ("--opt", option)]
    lab.create_network(*words)
    lab.nameserver.publish(LOCAL.replacing("database", "A 172.31.7.2"), REVERSE)
    _start(lab, "database")
    assert lab.host.pings("172.31.7.2")
    lab.engine.clean()
    assert not lab.host.works("ip", "link", "show", "br7")
    assert lab.host.works("ip", "link", "show", host.BRIDGE)


def test_nothing_is_left_of_a_network_that_is_removed(lab: world.Lab, network: str, image: str) -> None:
    _start(lab, "database")
    lab.engine.clean()
    assert _veths(lab) == []
    assert "fullhost" not in lab.host.run("nft", "list", "ruleset")
    assert "fullhost" not in lab.host.run("iptables-save")
    status = lab.driver.get("/v1/status")
    assert isinstance(status, dict)
    assert (status["networks"], status["endpoints"]) == ([], [])


def test_a_driver_killed_between_start_and_stop_leaves_no_veth(lab: world.Lab, network: str, image: str) -> None:
    _start(lab, "database")
    assert len(_veths(lab)) == 1
    lab.driver.kill()
    lab.driver.start()
    assert lab.host.pings("172.31.0.2")
    lab.engine.docker("rm", "--force", "database")
    assert _veths(lab) == []


def test_a_driver_that_is_down_while_a_machine_is_removed_finds_its_way(
    lab: world.Lab, network: str, image: str
) -> None:
    _start(lab, "database")
    lab.driver.kill()
    remove = [*lab.engine.enter, "docker", "rm", "--force", "database"]
    with subprocess.Popen(remove, stdout=subprocess.DEVNULL) as removal:
        time.sleep(1.5)  # the engine asks again after 1, 3, 7 and 15 s
        lab.driver.start()
        assert removal.wait(timeout=60) == 0
    commands.wait("the veth to go", lambda: _veths(lab) == [], seconds=20)
    _start(lab, "database")
    assert lab.host.pings("172.31.0.2")


@pytest.mark.parametrize("made_by", ["administrator", "driver"])
def test_a_host_that_lost_its_power_comes_back(lab: world.Lab, image: str, made_by: str) -> None:
    if made_by == "driver":
        lab.host.ip("link", "delete", host.BRIDGE)
    lab.create_network()
    _start(lab, "database", "--restart=unless-stopped", known=True)
    _start(lab, "webserver", "--restart=unless-stopped", known=True)
    lab.reboot(bridge=made_by == "administrator")
    for address in ("172.31.0.2", "172.31.0.3"):
        commands.wait(f"{address} to answer", functools.partial(lab.host.pings, address), seconds=20)
    seen = lab.engine.docker("exec", "database", "nc", host.OUTSIDE_ADDRESS, str(host.MIRROR_PORT))
    assert seen == f"{host.HOST_ADDRESS}\n"
    commands.wait("the old veths to go", lambda: len(_veths(lab)) == 2)


def test_an_engine_that_was_killed_finds_its_machines_again(lab: world.Lab, network: str, image: str) -> None:
    # `always`: to an engine that was killed, `unless-stopped` means that it has stopped the container itself.
    _start(lab, "database", "--restart=always", known=True)
    lab.engine.kill()
    lab.engine.start()
    commands.wait("database to answer", lambda: lab.host.pings("172.31.0.2"), seconds=20)
    commands.wait("the old veth to go", lambda: len(_veths(lab)) == 1, seconds=20)


def test_rules_that_someone_flushed_are_put_back(lab: world.Lab, network: str, image: str) -> None:
    _start(lab, "database")
    lab.host.run("iptables", "-F", "DOCKER-USER")
    lab.host.run("nft", "delete", "table", "ip", f"fullhost-{network[:12]}")
    reach = ["docker", "exec", "database", "ping", "-c", "1", "-W", "1", host.OUTSIDE_ADDRESS]
    commands.wait("the way out", lambda: commands.works([*lab.engine.enter, *reach]), seconds=20)
