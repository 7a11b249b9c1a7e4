"""Which interface of the host may lead to the LAN."""

import dataclasses

import pytest

from netplugin import model, parents
from tests.netplugin.conftest import NETWORK

LAN = dataclasses.replace(NETWORK, address=None, snat=False, parent="eth1")
VLAN = dataclasses.replace(LAN, vlan=20)
ETH1 = parents.Interface(name="eth1", kind="", loopback=False, mtu=1500, up=True)
TAGGED = dataclasses.replace(ETH1, name="eth1.20", kind="vlan", parent="eth1", vlan=20)


@pytest.mark.parametrize(
    ("network", "found", "uplink"),
    [
        (NETWORK, None, None),
        (LAN, ETH1, ETH1),
        (LAN, dataclasses.replace(ETH1, master="br0"), dataclasses.replace(ETH1, master="br0")),
        (VLAN, ETH1, None),
        (VLAN, ETH1, TAGGED),
        # Untagged frames are the host's, or another bridge's: those of a VLAN go by before (__netif_receive_skb_core).
        (VLAN, dataclasses.replace(ETH1, addresses=("192.0.2.7/24",), master="br9"), None),
        (dataclasses.replace(LAN, mtu=1400), ETH1, ETH1),
        (dataclasses.replace(LAN, bridge_made=False), ETH1, dataclasses.replace(ETH1, master="br0")),
    ],
)
def test_what_may_be(network: model.Network, found: parents.Interface | None, uplink: parents.Interface | None) -> None:
    parents.check(network, found=found, uplink=uplink)


@pytest.mark.parametrize(
    ("network", "change", "said"),
    [
        (LAN, {"loopback": True}, "it is the loopback"),
        (LAN, {"kind": "bridge", "name": "br7"}, r"it is a bridge itself; use it as one: -o fullhost\.bridge=br7"),
        (LAN, {"kind": "wireguard"}, "it is no Ethernet"),
        (LAN, {"name": "fh0123456789abh"}, "it is no Ethernet that leads to a LAN"),
        (LAN, {"mtu": 1400}, "it carries 1400 octets, and the network is to carry 1500; ip link set eth1 mtu 1500"),
        (LAN, {"master": "bond0"}, r"eth1 is a port of bond0; -o fullhost\.bridge=bond0 uses it"),
        (
            LAN,
            {"addresses": ("192.0.2.7/24", "2001:db8::7/64")},
            r"2001:db8::7/64, which the host would lose.*ip addr del 192\.0\.2\.7/24 dev eth1, and -o fullhost",
        ),
        (dataclasses.replace(LAN, bridge_made=False), {}, "the bridge stood before, and is left alone"),
        (VLAN, {"name": "eth1.20"}, r"eth1\.20 is there, and is not VLAN 20 of eth1; ip link del eth1\.20"),
        (VLAN, {"parent": "eth1", "vlan": 21}, "is not VLAN 20 of eth1"),
        (VLAN, {"parent": "eth1", "vlan": 20, "name": "eth1.20", "master": "br9"}, r"eth1\.20 is a port of br9"),
        (dataclasses.replace(VLAN, parent="enx001122334455"), {}, "ip link add link enx001122334455 name vlan20"),
    ],
)
def test_what_may_not_be_is_refused(network: model.Network, change: dict[str, object], said: str) -> None:
    found = dataclasses.replace(ETH1, **change)  # type: ignore[arg-type]
    with pytest.raises(model.Cannot, match=rf"^cannot put \S+( \(VLAN 20\))? into the bridge br0: .*{said}"):
        parents.check(network, found=found if network.vlan is None else ETH1, uplink=found)


def test_one_that_is_not_there_is_refused() -> None:
    with pytest.raises(model.Cannot, match="there is no such interface; see ip link"):
        parents.check(LAN, found=None, uplink=None)
