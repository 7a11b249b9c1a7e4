"""Which address an endpoint gets."""

import dataclasses
import datetime
import ipaddress

import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import addressing, model
from tests.netplugin.conftest import ENDPOINT, NETWORK


def answers(*texts: str) -> tuple[ipaddress.IPv4Address, ...]:
    return tuple(ipaddress.IPv4Address(text) for text in texts)


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (("172.31.0.2",), "172.31.0.2"),
        (("172.31.0.254",), "172.31.0.254"),
        (("10.0.0.1", "172.31.0.2"), "172.31.0.2"),
        (("172.31.0.2", "172.31.0.1"), "172.31.0.2"),
    ],
)
def test_the_address_that_fits_is_chosen(given: tuple[str, ...], chosen: str) -> None:
    assert addressing.choose("web", answers(*given), NETWORK) == ipaddress.IPv4Address(chosen)


@pytest.mark.parametrize(
    ("given", "why", "reason"),
    [
        ((), "the DNS server 127.0.0.1 port 53 has no A record for web.local", model.Reason.MISSING),
        (("10.0.0.1",), "DNS gives web.local 10.0.0.1, no address of 172.31.0.0/24", model.Reason.INVALID),
        (("172.31.0.0",), "the network address of 172.31.0.0/24", model.Reason.INVALID),
        (("172.31.0.255",), "the broadcast address of 172.31.0.0/24", model.Reason.INVALID),
        (("172.31.0.1",), "DNS gives web.local 172.31.0.1, the gateway's own address", model.Reason.INVALID),
        (("172.31.0.3", "172.31.0.2"), "2 addresses of 172.31.0.0/24: 172.31.0.2, 172.31.0.3", model.Reason.INVALID),
    ],
)
def test_what_may_not_be_given_is_refused_with_both_facts(
    given: tuple[str, ...], why: str, reason: model.Reason
) -> None:
    with pytest.raises(model.Cannot, match=r"^cannot give web an address: ") as caught:
        addressing.choose("web", answers(*given), NETWORK)
    assert why in str(caught.value)
    assert caught.value.reason is reason


def test_the_bridges_own_address_on_a_lan_is_no_machines() -> None:
    lan = dataclasses.replace(NETWORK, address=ipaddress.IPv4Address("172.31.0.10"), snat=False)
    with pytest.raises(model.Cannot, match=r"DNS gives web\.local 172\.31\.0\.10, the bridge's own address"):
        addressing.choose("web", answers("172.31.0.10"), lan)


@hypothesis.given(st.lists(st.ip_addresses(v=4) | st.ip_addresses(network="172.31.0.0/24"), max_size=4, unique=True))
def test_a_dns_answer_cannot_escape_the_subnet(given: list[ipaddress.IPv4Address]) -> None:
    try:
        address = addressing.choose("web", tuple(given), NETWORK)
    except model.Cannot:
        return
    assert address in given
    assert address in set(NETWORK.subnet.hosts()) - {NETWORK.gateway}


HERE = model.Port(bridge="br0", peer=model.Whereabouts.HERE)
AWAY = model.Port(bridge="br0", peer=model.Whereabouts.AWAY)


@pytest.mark.parametrize(
    ("port", "age", "stale"),
    [(None, 0, True), (HERE, 119, False), (HERE, 120, True), (AWAY, 0, False), (AWAY, 10**6, False)],
)
def test_an_endpoint_is_stale_when_no_container_can_have_it(port: model.Port | None, age: int, stale: bool) -> None:
    now = ENDPOINT.created + datetime.timedelta(seconds=age)
    assert addressing.is_stale(ENDPOINT, port, now=now) is stale


@pytest.mark.parametrize(
    ("name", "port", "age", "gives_way"),
    [
        ("web", HERE, 1, True),
        ("web", AWAY, 1, False),
        ("web", None, 1, True),
        ("other", HERE, 1, False),
        ("other", HERE, 121, True),
        ("other", AWAY, 121, False),
        ("other", None, 1, True),
    ],
)
def test_a_newcomer_supersedes_what_is_dead_and_its_own_unfinished_start(
    name: str, port: model.Port | None, age: int, gives_way: bool
) -> None:
    created = ENDPOINT.created + datetime.timedelta(seconds=age)
    newcomer = dataclasses.replace(ENDPOINT, id="cd" * 32, name=name, created=created)
    assert addressing.supersedes(newcomer, ENDPOINT, port) is gives_way


def test_an_endpoint_that_came_back_from_its_sandbox_is_stale_at_once() -> None:
    left = dataclasses.replace(ENDPOINT, left=True)
    assert addressing.is_stale(left, HERE, now=ENDPOINT.created)
    assert not addressing.is_stale(left, AWAY, now=ENDPOINT.created), "it is on its way back"


def test_a_taken_address_is_refused_with_both_facts() -> None:
    refusal = addressing.taken("db", ENDPOINT)
    assert str(refusal) == (
        "cannot give db the address 172.31.0.2: the endpoint abababababab of web has it; "
        "stop web, or give db another address in the zone"
    )
