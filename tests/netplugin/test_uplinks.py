"""Interfaces that lead to the LAN, in the kernel of a namespace of the test's own; VLANs over a fake as well."""

import dataclasses
import errno
import json
import subprocess

import pytest
from pyroute2.netlink import exceptions

from netplugin import links, model, parents, uplinks
from tests.netplugin.conftest import NETWORK

LAN = dataclasses.replace(NETWORK, address=None, snat=False, parent="lan0")
VLAN = dataclasses.replace(LAN, vlan=20, uplink_made=True)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


def master(name: str) -> str | None:
    (link,) = json.loads(ip("-json", "link", "show", name))
    return str(link["master"]) if "master" in link else None


@pytest.mark.usefixtures("namespace")
class TestKernel:
    """Ports of real bridges."""

    def test_an_interface_is_seen_as_it_is(self) -> None:
        assert uplinks.interface("lan0") is None
        ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
        ip("address", "add", "192.0.2.7/24", "dev", "lan0")
        ip("address", "add", "2001:db8::7/64", "dev", "lan0")
        ip("link", "set", "lan0", "up", "mtu", "1400")
        assert uplinks.interface("lan0") == parents.Interface(
            name="lan0", kind="veth", loopback=False, mtu=1400, up=True, addresses=("192.0.2.7/24", "2001:db8::7/64")
        )
        found = uplinks.interface("lo")
        assert found is not None
        assert found.loopback

    def test_it_is_put_into_the_bridge_and_back_and_is_let_go_with_it(self) -> None:
        ip("link", "add", "lan0", "type", "ifb")
        links.ensure_bridge(LAN)
        for spoil in (["link", "set", "lan0", "nomaster"], ["link", "set", "lan0", "down"]):
            uplinks.ensure(LAN)
            assert uplinks.stands(LAN)
            assert master("lan0") == "br0"
            ip(*spoil)
            assert not uplinks.stands(LAN)
        uplinks.ensure(LAN)
        links.delete_link("br0")
        assert master("lan0") is None
        with pytest.raises(model.Cannot, match="the interface br0 is gone; the keeper puts it back"):
            uplinks.ensure(LAN)

    def test_a_bridge_without_an_address_has_a_hardware_address_of_its_own(self) -> None:
        links.ensure_bridge(LAN)
        assert "02:67:1f:1f:1f:1f" in ip("link", "show", "br0")
        assert "inet " not in ip("address", "show", "br0")
        assert links.stands(LAN)
        links.check_bridge(LAN)

    def test_one_that_is_gone_is_told(self) -> None:
        links.ensure_bridge(LAN)
        assert not uplinks.stands(LAN)
        with pytest.raises(model.Cannot, match="cannot put lan0 into the bridge br0: the interface lan0 is gone"):
            uplinks.ensure(LAN)

    def test_a_network_without_one_has_what_it_wishes(self) -> None:
        assert uplinks.stands(NETWORK)

    def test_a_vlan_is_made_or_refused_with_a_sentence(self) -> None:
        ip("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
        links.ensure_bridge(VLAN)
        tried = ["ip", "link", "add", "link", "lan0", "name", "lan0.21", "type", "vlan", "id", "21"]
        if subprocess.run(tried, check=False, capture_output=True).returncode:
            with pytest.raises(model.Cannot, match=r"cannot make the interface lan0\.20: this kernel has no VLANs"):
                uplinks.ensure(VLAN)
            assert master("lan0") is None
            return
        uplinks.ensure(VLAN)
        assert uplinks.stands(VLAN)
        found = uplinks.interface("lan0.20")
        assert found is not None
        assert (found.parent, found.vlan) == ("lan0", 20)


class Netlink:
    """A kernel with VLANs, or with none; a call that it does not know is an error."""

    def __init__(self, *, refusal: int = 0, known: tuple[str, ...] = ("lan0",)) -> None:
        self.known, self.refusal = list(known), refusal
        self.made: list[dict[str, object]] = []

    def link_lookup(self, *, ifname: str) -> list[int]:
        return [self.known.index(ifname) + 2] if ifname in self.known else []

    def link(self, command: str, **attributes: object) -> object:
        assert command == "add"
        if self.refusal:
            raise exceptions.NetlinkError(self.refusal, "no")
        self.made.append(attributes)
        self.known.append(str(attributes["ifname"]))
        return None


def test_a_vlan_is_made_once_over_its_parent() -> None:
    kernel = Netlink()
    for _ in range(2):
        uplinks.ensure_vlan(kernel, VLAN)
    assert kernel.made == [{"ifname": "lan0.20", "kind": "vlan", "link": 2, "vlan_id": 20}]


@pytest.mark.parametrize(
    ("kernel", "said"),
    [
        (Netlink(refusal=errno.EOPNOTSUPP), "this kernel has no VLANs"),
        (Netlink(refusal=errno.EPERM), "the kernel says"),
        (Netlink(known=()), "the interface lan0 is gone"),
    ],
    ids=["none", "forbidden", "no parent"],
)
def test_a_vlan_that_cannot_be_is_a_sentence(kernel: Netlink, said: str) -> None:
    with pytest.raises(model.Cannot, match=rf"^cannot make the interface lan0\.20: {said}"):
        uplinks.ensure_vlan(kernel, VLAN)
    assert kernel.made == []
