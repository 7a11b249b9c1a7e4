"""Names of machines, interfaces and hardware."""

import ipaddress

import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import model, naming


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("web", "web"),
        ("WEB", "web"),
        ("web.local", "web"),
        ("a", "a"),
        ("9", "9"),
        ("a-b", "a-b"),
        ("x" * 63, "x" * 63),
    ],
)
def test_a_label_is_taken(text: str, name: str) -> None:
    assert naming.label(text, domain="local") == name


@pytest.mark.parametrize(
    "text",
    ["", "-a", "a-", "a_b", "a.b", "web.local.local", "x" * 64, "ä", "a b", "a;b", "../a", "a\n", "web.example", "*"],
)
def test_what_is_no_label_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(model.Cannot, match=r"^cannot name a machine .*; give the container such a --name"):
        naming.label(text, domain="local")


@pytest.mark.parametrize(("text", "name"), [("local", "local"), ("Lab.Example.", "lab.example")])
def test_a_domain_is_taken(text: str, name: str) -> None:
    assert naming.domain(text) == name


@pytest.mark.parametrize("text", ["", ".", "a..b", "a_b", "x" * 64, ".".join(["x" * 63] * 4)])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a domain is labels"):
        naming.domain(text)


@pytest.mark.parametrize("text", ["br0", "b", "docker_br.1-2", "x" * 15])
def test_an_interface_is_taken(text: str) -> None:
    assert naming.interface(text) == text


@pytest.mark.parametrize("text", ["", "x" * 16, "a/b", "a b", '"', "-i", "fh0123456789abh", "a;b", "{"])
def test_what_is_no_interface_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an interface is"):
        naming.interface(text)


@hypothesis.given(st.text("0123456789abcdef", min_size=64, max_size=64))
def test_a_veth_fits_the_kernel_and_is_known_again(endpoint_id: str) -> None:
    veth = naming.veth(endpoint_id)
    assert len(veth.host) == len(veth.peer) == 15
    assert naming.is_host_end(veth.host)
    assert not naming.is_host_end(veth.peer)


@hypothesis.given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_a_mac_follows_from_the_address_alone(one: ipaddress.IPv4Address, other: ipaddress.IPv4Address) -> None:
    octets = bytes.fromhex(naming.mac(one).replace(":", ""))
    assert len(octets) == 6
    assert octets[0] & 0b11 == 0b10, "locally administered, unicast"
    assert (naming.mac(one) == naming.mac(other)) == (one == other)
