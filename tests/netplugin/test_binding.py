"""What the client's script says, how long a lease holds, and on which networks names are leased an address."""

import dataclasses
import datetime
import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from netplugin import binding, model, naming
from tests.netplugin.conftest import NETWORK

ADDRESS, SERVER = ipaddress.IPv4Address("192.0.2.50"), ipaddress.IPv4Address("192.0.2.1")
LEASE = binding.Lease(address=ADDRESS, server=SERVER, seconds=120)
LEASING = dataclasses.replace(NETWORK, unlisted=model.Unlisted.DHCP)
BOUND = binding.bound(LEASE, network=LEASING, name="scratch", mac="02:68:00:00:00:01", now=NETWORK.created)


@pytest.mark.parametrize(
    ("line", "lease"),
    [
        ("bound 192.0.2.50 192.0.2.1 120", LEASE),
        ("bound 192.0.2.50 192.0.2.1 ", dataclasses.replace(LEASE, seconds=3600)),
        ("bound 192.0.2.50 192.0.2.1 4294967295", dataclasses.replace(LEASE, seconds=4294967295)),
        ("deconfig   ", None),
        ("nak  192.0.2.1 ", None),
        ("leasefail   ", None),
        ("", None),
    ],
)
def test_a_line_is_a_lease_or_nothing(line: str, lease: binding.Lease | None) -> None:
    assert binding.parse(line) == lease


@pytest.mark.parametrize(
    "line",
    [
        "bound",
        "bound 192.0.2.50",
        "bound 192.0.2.50  120",
        "bound 192.0.2.50 192.0.2.1 120 120",
        "bound 192.0.2.050 192.0.2.1 120",
        "bound 192.0.2.50/24 192.0.2.1 120",
        "bound $(id) 192.0.2.1 120",
        "bound 192.0.2.50 fd00::1 120",
        "bound 192.0.2.50 192.0.2.1 0",
        "bound 192.0.2.50 192.0.2.1 -1",
        "bound 192.0.2.50 192.0.2.1 4294967296",
        "bound 192.0.2.50 192.0.2.1 ١٢٠",
        "bound 192.0.2.50 192.0.2.1 1e9",
    ],
)
def test_what_is_no_lease_is_not_believed(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        binding.parse(line)


@given(some.text())
def test_whatever_is_said_is_numbers_or_refused(text: str) -> None:
    try:
        lease = binding.parse(f"bound {text}")
    except ValueError:
        return
    assert lease is not None
    assert 0 < lease.seconds < 1 << 32


@given(some.integers(min_value=1, max_value=(1 << 32) - 1))
def test_a_lease_is_renewed_at_half_of_its_time_and_asked_for_again_before_it_is_over(seconds: int) -> None:
    bound = dataclasses.replace(BOUND, expires=BOUND.obtained + datetime.timedelta(seconds=seconds))
    assert bound.renewal - bound.obtained == datetime.timedelta(seconds=seconds) / 2
    assert bound.renewal + 3 * bound.retry < bound.expires
    assert bound.retry <= binding.RETRY
    assert bound.holds(bound.renewal)
    assert not bound.holds(bound.expires)


@pytest.mark.parametrize("ipam", [kind for kind in model.Ipam if kind is not model.Ipam.NULL])
def test_where_something_else_gives_out_the_addresses_nothing_is_leased(ipam: model.Ipam) -> None:
    binding.refuse(LEASING)
    binding.refuse(dataclasses.replace(NETWORK, ipam=ipam))
    with pytest.raises(model.Cannot, match=r"unlisted=dhcp: .*; type: docker network create -d fullhost --ipam-driver"):
        binding.refuse(dataclasses.replace(LEASING, ipam=ipam))


def test_the_names_of_a_client_follow_from_whose_it_is() -> None:
    pair = naming.client(NETWORK.id, "scratch")
    assert [len(end) for end in (pair.host, pair.peer)] == [15, 15]
    assert (naming.is_client_port(pair.host), naming.is_client_port(pair.peer)) == (True, False)
    assert not naming.is_host_end(pair.host), "the keeper would collect it"
    for end in (pair.host, pair.peer):
        with pytest.raises(ValueError, match="an interface is"):
            naming.interface(end)
    assert naming.client(NETWORK.id, "other") != pair
    assert naming.client("2e" * 32, "scratch") != pair


def test_the_hardware_address_of_a_client_is_no_machines() -> None:
    mac = naming.client_mac("h1", NETWORK, "scratch")
    assert re.fullmatch(r"02:68(:[0-9a-f]{2}){4}", mac)
    assert naming.client_mac("h1", dataclasses.replace(NETWORK, id="2e" * 32, bridge="br8"), "scratch") == mac
    others = {
        naming.client_mac("h2", NETWORK, "scratch"),
        naming.client_mac("h1", NETWORK, "other"),
        naming.client_mac("h1", NETWORK, "scratch", attempt=1),
        naming.client_mac("h1", dataclasses.replace(NETWORK, subnet=ipaddress.IPv4Network("10.0.0.0/8")), "scratch"),
    }
    assert len(others | {mac}) == 5
