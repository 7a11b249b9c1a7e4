"""The options of a network."""

import ipaddress
from collections.abc import Mapping

import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import model, options
from tests.netplugin.conftest import NETWORK


def made(given: Mapping[str, str], **defaults: str) -> model.Network:
    return options.network(NETWORK.id, given, defaults=defaults, created=NETWORK.created)


def test_without_options_it_is_the_network_of_the_seed() -> None:
    network = made({})
    assert (network.bridge, str(network.subnet), network.domain) == ("br0", "172.31.0.0/24", "local")
    assert network.gateway == ipaddress.IPv4Address("172.31.0.1")
    assert network.dns == model.Server(address=network.gateway, port=53)
    assert network.snat
    assert network.mtu == 1500
    assert str(network.range) == "172.31.0.192/26"
    assert network.stale is model.Stale.SERVE
    assert not network.bridge_made


def test_an_option_goes_before_the_environment() -> None:
    network = made({"fullhost.subnet": "10.9.0.0/16"}, subnet="10.8.0.0/16", domain="lab.example", snat="no")
    assert str(network.subnet) == "10.9.0.0/16"
    assert str(network.gateway) == "10.9.0.1"
    assert network.domain == "lab.example"
    assert not network.snat


@pytest.mark.parametrize("wish", model.Unlisted)
def test_what_is_done_for_a_name_that_the_zone_lacks_is_one_of_three(wish: model.Unlisted) -> None:
    assert made({"fullhost.unlisted": wish.upper()}).unlisted is wish
    assert made({}, unlisted=wish.value).unlisted is wish


def test_the_default_gateway_is_of_the_default_subnet_alone() -> None:
    assert str(made({}, subnet="10.8.0.0/16", gateway="10.8.0.9").gateway) == "10.8.0.9"
    assert str(made({"fullhost.subnet": "10.9.0.0/16"}, gateway="10.8.0.9").gateway) == "10.9.0.1"
    given = {"fullhost.subnet": "10.9.0.0/16", "fullhost.gateway": "10.9.0.7"}
    assert str(made(given, gateway="10.8.0.9").gateway) == "10.9.0.7"


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [("10.0.0.1", "10.0.0.1", 53), ("10.0.0.1:5353", "10.0.0.1", 5353), ("::1", "::1", 53), ("[::1]:54", "::1", 54)],
)
def test_a_dns_server_has_an_address_and_perhaps_a_port(text: str, address: str, port: int) -> None:
    assert made({"fullhost.dns": text}).dns == model.Server(address=ipaddress.ip_address(address), port=port)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("bridge", "br/0"),
        ("bridge", "a-name-of-sixteen"),
        ("subnet", "172.31.0.1/24"),
        ("subnet", "172.31.0.0/30"),
        ("subnet", "fd00::/64"),
        ("subnet", ""),
        ("subnet", "127.1.0.0/16"),
        ("subnet", "224.0.0.0/24"),
        ("subnet", "169.254.0.0/24"),
        ("bridge", "all"),
        ("gateway", "172.31.1.1"),
        ("gateway", "172.31.0.0"),
        ("gateway", "172.31.0.255"),
        ("domain", "a b"),
        ("dns", "ns.example"),
        ("dns", "10.0.0.1:0"),
        ("dns", "10.0.0.1:65536"),
        ("dns", "10.0.0.1:x"),
        ("dns", "10.0.0.1:" + "5" * 40),
        ("dns", "224.0.0.1"),
        ("dns", "255.255.255.255"),
        ("snat", "maybe"),
        ("mtu", "67"),
        ("mtu", "65536"),
        ("mtu", "-1500"),
        ("mtu", "1e3"),
        ("range", "172.31.1.0/26"),
        ("range", "172.31.0.1/26"),
        ("stale", "perhaps"),
        ("parent", "eth/1"),
        ("vlan", "0"),
        ("vlan", "4095"),
        ("vlan", "20"),  # without a parent
        ("address", "172.31.1.1"),
        ("address", "172.31.0.255"),
    ],
)
def test_a_malformed_option_is_refused_by_its_name(key: str, text: str) -> None:
    with pytest.raises(model.Cannot, match=rf"^cannot make the network with fullhost\.{key}=.*FULLHOST_{key.upper()}"):
        made({f"fullhost.{key}": text})


@pytest.mark.parametrize("option", ["fullhost.brigde", "bridge", "", "com.docker.network.bridge.name", "parent"])
def test_an_unknown_option_is_refused_by_its_name(option: str) -> None:
    with pytest.raises(model.Cannot, match=r"no such option is known; the options are fullhost\.bridge, ") as caught:
        made({option: "x"})
    assert repr(option) in str(caught.value)


def test_options_that_the_engine_reads_pass() -> None:
    assert made({"com.docker.network.advertise_addr_nmsgs": "0"}) == made({})


@hypothesis.given(st.dictionaries(st.sampled_from([f"fullhost.{key}" for key in options.KEYS]), st.text(max_size=20)))
def test_any_text_gives_a_network_that_can_be_or_a_refusal(given: dict[str, str]) -> None:
    try:
        network = made(given)
    except model.Cannot:
        return
    assert network.gateway in network.subnet
    assert (network.interface is None) == (network.address is None)
    assert network.address is None or network.address in network.subnet


def test_on_a_lan_the_gateway_is_the_lans_and_the_bridge_one_of_its_own() -> None:
    network = made({"fullhost.parent": "eth1", "fullhost.vlan": "20"}, bridge="br0", snat="true")
    assert (network.parent, network.vlan, network.uplink) == ("eth1", 20, "eth1.20")
    assert (network.address, network.snat, network.routed_here) == (None, False, False)
    assert network.bridge == f"br-{NETWORK.id[:12]}"
    other = made({"fullhost.parent": "eth1", "fullhost.bridge": "lan", "fullhost.address": "172.31.0.10"})
    assert (other.bridge, str(other.interface), other.snat) == ("lan", "172.31.0.10/24", False)


def test_a_host_with_a_cable_to_a_lan_may_be_its_router() -> None:
    network = made({"fullhost.parent": "eth1", "fullhost.address": "172.31.0.1"})
    assert (network.routed_here, network.snat) == (True, True)


def test_a_host_that_is_not_the_gateway_translates_nothing() -> None:
    assert not made({"fullhost.address": "none"}).snat
    given = {"fullhost.address": "none", "fullhost.snat": "true"}
    with pytest.raises(model.Cannot, match=r"machines go out by 172\.31\.0\.1, which is not this host's"):
        made(given)


def test_networks_clash_on_the_interface_to_the_lan_and_not_on_its_vlans() -> None:
    first = made({"fullhost.parent": "eth1", "fullhost.bridge": "br1"})
    apart = {"fullhost.bridge": "br2", "fullhost.subnet": "10.0.0.0/24", "fullhost.parent": "eth1"}
    assert options.clash(made(apart), (first,)) == first
    assert "has the interface eth1 in its bridge br1" in str(options.clashes(made(apart), first))
    assert options.clash(made({**apart, "fullhost.vlan": "20"}), (first,)) is None


def test_networks_clash_on_the_bridge_or_on_addresses() -> None:
    network = made({})
    assert options.clash(made({"fullhost.subnet": "10.0.0.0/24"}), (network,)) == network
    assert options.clash(made({"fullhost.bridge": "br1", "fullhost.subnet": "172.31.0.128/25"}), (network,)) == network
    assert options.clash(made({"fullhost.bridge": "br1", "fullhost.subnet": "10.0.0.0/24"}), (network,)) is None
