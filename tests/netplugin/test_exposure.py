"""How ports are written, which of the host are given, and where they lead."""

import dataclasses
import ipaddress

import pytest

from netplugin import exposure, model, rules
from tests.netplugin.conftest import ENDPOINT, NETWORK

HOST = ipaddress.IPv4Address("192.0.2.1")
BASE = exposure.Exposure(
    network_id=NETWORK.id,
    name="web",
    endpoint_id=None,
    transport=exposure.Transport.TCP,
    host=None,
    host_port=8080,
    port=80,
)
SEATED = dataclasses.replace(ENDPOINT, sandbox="/run/netns/1")


def written(wish: exposure.Wish) -> str:
    outer = "*" if wish.among == exposure.CHOICE else f"{wish.among[0]}-{wish.among[-1]}"
    return f"{wish.host or ''}:{outer}:{wish.port}/{wish.transport}"


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("8080:80", [":8080-8080:80/tcp"]),
        ("8080:80/udp", [":8080-8080:80/udp"]),
        ("192.0.2.1:8080:80/TCP", ["192.0.2.1:8080-8080:80/tcp"]),
        ("0.0.0.0:8080:80", [":8080-8080:80/tcp"]),
        ("80", [":*:80/tcp"]),
        ("192.0.2.1::80", ["192.0.2.1:*:80/tcp"]),
        ("8000-8001:80-81", [":8000-8000:80/tcp", ":8001-8001:81/tcp"]),
        ("8000-8009:80", [":8000-8009:80/tcp"]),
        ("5:5/sctp", [":5-5:5/sctp"]),
    ],
)
def test_ports_are_written_as_docker_users_know_them(text: str, wishes: list[str]) -> None:
    assert [written(wish) for wish in exposure.parse(text)] == wishes


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "8080:", ":", "0:80", "80:0", "65536:80", "8080:80/icmp", "host:8080:80", "[::1]:8080:80", "1:2:3:4",
        "8001-8000:80", "8000-8002:80-81", "1-2000:80", "8080:80/", "-1:80", "8080:80\n", "²:80",
    ],
)  # fmt: skip
def test_what_is_no_port_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(model.Cannot, match=r"cannot publish .*; a port is published as \[HOSTIP:\]PORT:PORT\[/udp\]"):
        exposure.parse(text)


@pytest.mark.parametrize(
    ("number", "host", "first", "port"),
    [(1, "", 80, 80), (6, "::", 80, 80), (6, "", 80, 0), (6, "", 65536, 80), (6, "", -1, 80), (6, "", 80, 65536)],
)
def test_a_binding_that_no_host_of_ours_has_is_refused(number: int, host: str, first: int, port: int) -> None:
    with pytest.raises(model.Cannot, match="cannot publish"):
        exposure.of_engine(number=number, host=host, first=first, last=first, port=port)


@pytest.mark.parametrize(
    ("other", "clash"),
    [
        ({}, True),
        ({"host": HOST}, True),
        ({"transport": exposure.Transport.UDP}, False),
        ({"host_port": 8081}, False),
        ({"port": 81}, True),
    ],
)
def test_a_port_of_the_host_is_given_once(other: dict[str, object], clash: bool) -> None:
    changed = dataclasses.replace(BASE, **other)  # type: ignore[arg-type]
    assert exposure.clashes(BASE, changed) is clash
    assert exposure.clashes(changed, BASE) is clash


def test_two_addresses_of_the_host_have_ports_of_their_own() -> None:
    one, other = (dataclasses.replace(BASE, host=ipaddress.IPv4Address(a)) for a in ("192.0.2.1", "192.0.2.2"))
    assert not exposure.clashes(one, other)


def chosen(text: str, *standing: exposure.Exposure, busy: tuple[int, ...] = ()) -> list[int]:
    def make(wish: exposure.Wish, number: int) -> exposure.Exposure:
        return dataclasses.replace(
            BASE, name="db", transport=wish.transport, host=wish.host, host_port=number, port=wish.port
        )

    def in_use(candidate: exposure.Exposure) -> str | None:
        return "somebody listens" if candidate.host_port in busy else None

    made = exposure.choose(
        exposure.parse(text), standing, make=make, in_use=in_use, owner=lambda exposed: str(exposed.name)
    )
    return [exposed.host_port for exposed in made]


def test_the_first_free_port_is_chosen() -> None:
    assert chosen("80") == [32768]
    assert chosen("80", busy=(32768,)) == [32769]
    assert chosen("8080-8090:80", BASE, busy=(8081,)) == [8082]


@pytest.mark.parametrize(
    ("text", "busy", "why"),
    [
        ("8080:80", (), "cannot publish 8080:80/tcp: web has it, as 8080:80/tcp; "),
        ("9000:80", (9000,), "cannot publish 9000:80/tcp: somebody listens; "),
        ("8080-8081:80", (8081,), "cannot publish 8080-8081:80/tcp: no port is free; "),
        ("192.0.2.1:8080:80", (), "cannot publish 192.0.2.1:8080:80/tcp: web has it, as 8080:80/tcp; "),
    ],
)
def test_a_port_that_is_taken_is_refused_with_who_has_it(text: str, busy: tuple[int, ...], why: str) -> None:
    with pytest.raises(model.Cannot) as refused:
        chosen(text, BASE, busy=busy)
    assert str(refused.value).startswith(why)
    assert refused.value.reason is model.Reason.CONFLICT


def test_a_name_s_ports_lead_to_whoever_has_the_name_now() -> None:
    assert exposure.ways([BASE], [], NETWORK.id) == ()
    assert exposure.ways([BASE], [ENDPOINT], NETWORK.id) == ()
    assert exposure.ways([BASE], [SEATED], "2e" * 32) == ()
    assert exposure.ways([BASE], [dataclasses.replace(SEATED, left=True)], NETWORK.id) == ()
    (way,) = exposure.ways([BASE], [SEATED], NETWORK.id)
    assert way.address == SEATED.address


def test_what_was_published_leads_to_its_endpoint_only() -> None:
    published = dataclasses.replace(BASE, name=None, endpoint_id="cd" * 32)
    assert exposure.ways([published], [SEATED], NETWORK.id) == ()
    assert exposure.ways([published], [dataclasses.replace(SEATED, id="cd" * 32, name=None)], NETWORK.id)


def test_what_to_take_away_is_named_or_all() -> None:
    udp = dataclasses.replace(BASE, transport=exposure.Transport.UDP, host_port=53, port=53)
    assert exposure.selected([], (BASE, udp), name="web") == (BASE, udp)
    assert exposure.selected(["53:53/udp"], (BASE, udp), name="web") == (udp,)
    with pytest.raises(model.Cannot, match="cannot take 1:1 from web: its exposures are: 8080:80/tcp, 53:53/udp"):
        exposure.selected(["1:1"], (BASE, udp), name="web")


def test_the_rules_are_one_map_for_each_kind() -> None:
    bound = dataclasses.replace(BASE, host=HOST, host_port=443, port=443)
    many = [BASE, bound, dataclasses.replace(BASE, host_port=8081, port=81)]
    many.append(dataclasses.replace(BASE, transport=exposure.Transport.UDP))
    lines = rules.table(NETWORK, exposure.ways(many, [SEATED], NETWORK.id)).splitlines()
    assert [line.strip() for line in lines if " map " in line] == [
        "dnat ip to ip daddr . tcp dport map { 192.0.2.1 . 443 : 172.31.0.2 . 443 }",
        "fib daddr type local dnat ip to tcp dport map { 8080 : 172.31.0.2 . 80, 8081 : 172.31.0.2 . 81 }",
        "fib daddr type local dnat ip to udp dport map { 8080 : 172.31.0.2 . 80 }",
    ]
    assert "loopback" not in rules.table(NETWORK)
