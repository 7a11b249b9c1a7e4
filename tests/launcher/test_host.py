"""The files that set a host up: what they say, what named thinks of them, and that they are written once."""

import dataclasses
import datetime as dt
import ipaddress
import pathlib
import shutil
import subprocess
import tomllib

import hypothesis
import pytest
from hypothesis import strategies

from launcher import config, host, model

TEMPLATES = pathlib.Path(__file__).resolve().parents[2] / "plugin-config"
TODAY = dt.date(2026, 11, 24)


def site(directory: pathlib.Path, *, subnet: str = "172.31.0.0/24", gateway: str = "") -> host.Site:
    network = ipaddress.IPv4Network(subnet)
    return host.Site(
        subnet=network,
        gateway=ipaddress.IPv4Address(gateway) if gateway else network[1],
        domain="local",
        bridge="br0",
        names=("web", "db"),
        bridge_port=53,
        loopback_port=1053,
        directory=directory,
        templates=TEMPLATES,
        image="fullhost/debian:bookworm",
        network="fullhost",
    )


@pytest.fixture
def resolver(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "resolv.conf"
    path.write_text(
        "search example\nnameserver 192.0.2.53\nnameserver 172.31.0.1\nnameserver fe80::1%eth0\nnameserver\n"
    )
    return path


def configure(wanted: host.Site, resolver: pathlib.Path) -> tuple[pathlib.Path, ...]:
    return host.configure(wanted, today=TODAY, resolver=resolver)


def test_every_file_is_written(tmp_path: pathlib.Path, resolver: pathlib.Path) -> None:
    etc = tmp_path / "etc" / "fullhost"
    written = configure(site(etc), resolver)
    assert [path.name for path in written] == [
        "named.conf",
        "forwarders.conf",
        "local.zone",
        "172.31.0.zone",
        "driver.env",
        "fhv.toml",
    ]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in written)
    assert sorted(etc.iterdir()) == sorted(written)


def test_the_zone_has_the_names_from_the_second_address_on(tmp_path: pathlib.Path, resolver: pathlib.Path) -> None:
    configure(site(tmp_path), resolver)
    words = [line.split() for line in (tmp_path / "local.zone").read_text().splitlines()]
    assert ["$ORIGIN", "local."] in words
    assert [row for row in words if "A" in row[2:3]] == [
        ["host", "IN", "A", "172.31.0.1"],
        ["web", "IN", "A", "172.31.0.2"],
        ["db", "IN", "A", "172.31.0.3"],
    ]
    assert "2026112401  ; serial" in (tmp_path / "local.zone").read_text()


@pytest.mark.parametrize(
    ("subnet", "file", "origin", "pointers"),
    [
        ("172.31.0.0/24", "172.31.0.zone", "0.31.172.in-addr.arpa.", ["1", "2", "3"]),
        ("172.31.0.64/26", "172.31.0.zone", "0.31.172.in-addr.arpa.", ["65", "66", "67"]),
        ("172.31.4.0/22", "172.31.zone", "31.172.in-addr.arpa.", ["1.4", "2.4", "3.4"]),
    ],
)
def test_the_reverse_zone_ends_at_an_octet(
    tmp_path: pathlib.Path, resolver: pathlib.Path, subnet: str, file: str, origin: str, pointers: list[str]
) -> None:
    configure(site(tmp_path, subnet=subnet), resolver)
    words = [line.split() for line in (tmp_path / file).read_text().splitlines()]
    assert ["$ORIGIN", origin] in words
    assert [row[0] for row in words if "PTR" in row[2:3]] == pointers
    assert f'zone "{origin.rstrip(".")}"' in (tmp_path / "named.conf").read_text()


def test_a_gateway_in_the_middle_keeps_its_address(tmp_path: pathlib.Path, resolver: pathlib.Path) -> None:
    configure(site(tmp_path, gateway="172.31.0.2"), resolver)
    words = [line.split() for line in (tmp_path / "local.zone").read_text().splitlines()]
    assert [row[3] for row in words if "A" in row[2:3]] == ["172.31.0.2", "172.31.0.1", "172.31.0.3"]


def test_the_host_own_servers_are_asked_for_the_rest(tmp_path: pathlib.Path, resolver: pathlib.Path) -> None:
    configure(site(tmp_path), resolver)
    assert "forwarders { 192.0.2.53; };" in (tmp_path / "forwarders.conf").read_text()


def test_without_a_resolver_the_roots_are_asked(tmp_path: pathlib.Path) -> None:
    configure(site(tmp_path), tmp_path / "absent")
    assert "{" not in (tmp_path / "forwarders.conf").read_text()


@pytest.mark.parametrize("subnet", ["172.31.0.0/24", "10.20.0.0/16", "192.168.7.8/29"])
def test_named_takes_it(tmp_path: pathlib.Path, resolver: pathlib.Path, subnet: str) -> None:
    if not shutil.which("named-checkconf"):
        pytest.fail("named-checkconf is missing: apt install bind9")
    configure(site(tmp_path, subnet=subnet), resolver)
    conf = tmp_path / "named.conf"
    conf.write_text(conf.read_text().replace("/var/lib/fullhost/named", str(tmp_path)))
    done = subprocess.run(["named-checkconf", "-z", str(conf)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("loaded serial 2026112401") == 2


def test_the_settings_are_what_the_two_programs_read(tmp_path: pathlib.Path, resolver: pathlib.Path) -> None:
    configure(site(tmp_path), resolver)
    lines = (tmp_path / "driver.env").read_text().splitlines()
    assert dict(line.split("=", 1) for line in lines if not line.startswith("#")) == {
        "FULLHOST_BRIDGE": "br0",
        "FULLHOST_SUBNET": "172.31.0.0/24",
        "FULLHOST_GATEWAY": "172.31.0.1",
        "FULLHOST_DOMAIN": "local",
        "FULLHOST_DNS": "172.31.0.1:53",
    }
    text = (tmp_path / "fhv.toml").read_text()
    assert config.parse(text).common.image == "fullhost/debian:bookworm"
    example = text.replace("# [", "[").replace("# image", "image").replace("# memory", "memory")
    assert tomllib.loads(example)["machine"]["web"]["memory"] == "2g"


def test_what_the_user_edited_stays(tmp_path: pathlib.Path, resolver: pathlib.Path) -> None:
    configure(site(tmp_path), resolver)
    zone = tmp_path / "local.zone"
    zone.write_text("edited")
    (tmp_path / "fhv.toml").unlink()
    assert configure(site(tmp_path), resolver) == (tmp_path / "fhv.toml",)
    assert zone.read_text() == "edited"


def test_ports_that_are_left_open_stay_as_an_earlier_run_chose_them(
    tmp_path: pathlib.Path, resolver: pathlib.Path
) -> None:
    configure(dataclasses.replace(site(tmp_path), bridge_port=1077), resolver)
    (tmp_path / "driver.env").unlink()
    configure(dataclasses.replace(site(tmp_path), bridge_port=0, loopback_port=0), resolver)
    assert "FULLHOST_DNS=172.31.0.1:1077" in (tmp_path / "driver.env").read_text()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"subnet": ipaddress.IPv4Network("10.0.0.0/8")}, "cannot use the subnet 10.0.0.0/8"),
        ({"subnet": ipaddress.IPv4Network("172.31.0.0/30")}, "cannot use the subnet 172.31.0.0/30"),
        ({"gateway": ipaddress.IPv4Address("172.31.1.1")}, "cannot use the gateway 172.31.1.1"),
        ({"gateway": ipaddress.IPv4Address("172.31.0.255")}, "cannot use the gateway 172.31.0.255"),
        ({"bridge": "a-name-too-long-"}, "cannot use the bridge name"),
        ({"bridge": "br 0"}, "cannot use the bridge name"),
        ({"image": 'x"\ny'}, "cannot use the image name"),
        ({"network": "-x"}, "cannot use the network name"),
        ({"domain": "lo_cal"}, "cannot use the domain 'lo_cal'"),
        ({"domain": ""}, "cannot use the domain ''"),
        ({"domain": ".".join(["a" * 63] * 3)}, "cannot use the domain"),
        ({"names": ("web", "Web")}, "cannot use the name 'Web'"),
        ({"names": ("a" * 64,)}, "cannot use the name 'aaa"),
        ({"names": ("web", "web")}, "cannot make the zone: web is there twice"),
        ({"names": ("host",)}, "cannot make the zone: host is there twice"),
        ({"names": tuple(f"n{i}" for i in range(254))}, "cannot give 255 names an address"),
        ({"directory": pathlib.Path("/proc/fullhost")}, "cannot write the configuration in /proc/fullhost"),
        ({"templates": pathlib.Path("/nowhere")}, "cannot write the configuration"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    tmp_path: pathlib.Path, resolver: pathlib.Path, changes: dict[str, object], sentence: str
) -> None:
    etc = tmp_path / "etc"
    with pytest.raises(model.Cannot) as refused:
        configure(_changed(site(etc), changes), resolver)
    assert str(refused.value).startswith(sentence)
    assert not list(etc.glob("*"))


def _changed(wanted: host.Site, changes: dict[str, object]) -> host.Site:
    fields = {field.name: getattr(wanted, field.name) for field in dataclasses.fields(wanted)}
    return host.Site(**{**fields, **changes})


labels = strategies.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name != "host"
)


@hypothesis.given(
    names=strategies.lists(labels, min_size=1, max_size=12, unique=True), prefix=strategies.integers(16, 28)
)
def test_each_name_has_one_address_and_each_address_its_name(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], prefix: int
) -> None:
    etc = tmp_path_factory.mktemp("etc")
    wanted = dataclasses.replace(site(etc, subnet=f"10.9.0.0/{prefix}"), names=tuple(names))
    written = configure(wanted, etc / "absent")
    forward = {r[0]: r[3] for r in map(str.split, written[2].read_text().splitlines()) if "A" in r[2:3]}
    reverse = {r[0]: r[3] for r in map(str.split, written[3].read_text().splitlines()) if "PTR" in r[2:3]}
    kept = prefix // 8
    assert list(forward) == ["host", *names]
    assert all(ipaddress.IPv4Address(address) in wanted.subnet for address in forward.values())
    assert {name: ".".join(reversed(address.split(".")[kept:])) for name, address in forward.items()} == {
        target.removesuffix(".local."): owner for owner, target in reverse.items()
    }
