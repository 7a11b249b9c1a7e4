"""Links in the kernel, in a network namespace of the test's own."""

import dataclasses
import re
import subprocess

import pyroute2
import pytest

from netplugin import links, model, naming
from tests.netplugin.conftest import NETWORK

VETH = naming.veth("ab" * 32)
NOBODY = "0.0.0.0"  # noqa: S104 - a peer of which there is none


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.mark.usefixtures("namespace")
class TestBridge:
    """Bridges that are made, and bridges that are found."""

    def test_it_is_made_with_address_and_mac_and_up_twice(self) -> None:
        for _ in range(2):
            links.ensure_bridge(NETWORK)
        shown = ip("-d", "addr", "show", "br0")
        assert "inet 172.31.0.1/24" in shown
        assert "02:66:ac:1f:00:01" in shown
        assert "UP" in shown
        assert " bridge " in shown

    def test_one_of_ours_is_put_right(self) -> None:
        links.ensure_bridge(NETWORK)
        ip("addr", "flush", "dev", "br0")
        ip("link", "set", "br0", "down")
        links.ensure_bridge(NETWORK)
        assert "inet 172.31.0.1/24" in ip("addr", "show", "br0", "up")

    def test_one_that_stood_before_is_checked_and_left_alone(self) -> None:
        ip("link", "add", "br0", "type", "bridge")
        with pytest.raises(
            model.Cannot, match=r"it stood before and does not bear the gateway's address 172\.31\.0\.1"
        ):
            links.check_bridge(NETWORK)
        ip("addr", "add", "172.31.0.1/16", "dev", "br0")
        with pytest.raises(model.Cannot, match="it stood before and is down"):
            links.check_bridge(NETWORK)
        ip("link", "set", "br0", "up")
        before = ip("addr", "show", "br0")
        links.check_bridge(NETWORK)
        assert ip("addr", "show", "br0") == before

    def test_it_stands_when_it_is_up_and_bears_the_address(self) -> None:
        assert not links.stands(NETWORK)
        for spoil in (["link", "set", "br0", "down"], ["addr", "flush", "dev", "br0"], ["link", "del", "br0"]):
            links.ensure_bridge(NETWORK)
            assert links.stands(NETWORK)
            ip(*spoil)
            assert not links.stands(NETWORK)

    def test_an_address_of_another_interface_troubles_nobody_however_odd(self) -> None:
        ip("link", "add", "up0", "type", "ifb")
        ip("addr", "add", "10.0.0.1", "peer", NOBODY, "dev", "up0")  # of which the kernel tells no IFA_ADDRESS
        links.ensure_bridge(NETWORK)
        assert links.stands(NETWORK)
        assert links.overlapping(NETWORK) is None
        ip("addr", "add", "172.31.0.77", "peer", NOBODY, "dev", "up0")
        assert links.overlapping(NETWORK) == "up0 has 172.31.0.77/32"

    def test_a_subnet_of_another_interface_is_seen(self) -> None:
        links.ensure_bridge(NETWORK)
        assert links.overlapping(NETWORK) is None
        ip("link", "add", "up0", "type", "ifb")
        ip("addr", "add", "172.31.0.77/28", "dev", "up0")
        assert links.overlapping(NETWORK) == "up0 has 172.31.0.77/28"

    def test_an_interface_that_is_no_bridge_is_refused(self) -> None:
        with pytest.raises(model.Cannot, match="it is not there, and the driver did not make it"):
            links.check_bridge(NETWORK)
        ip("link", "add", "br0", "type", "ifb")
        for act in (links.check_bridge, links.ensure_bridge):
            with pytest.raises(model.Cannot, match="an interface of that name is there, and is ifb"):
                act(NETWORK)

    def test_it_is_deleted_twice(self) -> None:
        links.ensure_bridge(NETWORK)
        for _ in range(2):
            links.delete_link("br0")
            assert not links.exists("br0")


class TestVeth:
    """Pairs, from the bridge to the sandbox and back."""

    @pytest.fixture(autouse=True)
    def _bridge(self, namespace: str) -> None:
        links.ensure_bridge(NETWORK)

    def test_it_is_a_port_of_the_bridge_with_the_networks_mtu(self) -> None:
        links.create_veth(VETH, dataclasses.replace(NETWORK, mtu=1400))
        there = model.Port(bridge="br0", peer=model.Whereabouts.HERE)
        assert links.ports() == {VETH.host: there}
        assert links.port(VETH.host) == there
        for end in (VETH.host, VETH.peer):
            assert "mtu 1400" in ip("link", "show", end)
        assert "UP" in ip("link", "show", VETH.host)
        assert "state DOWN" in ip("link", "show", VETH.peer)

    def test_a_bridge_that_stood_before_keeps_its_hardware_address_as_machines_come_and_go(self) -> None:
        links.delete_link("br0")
        ip("link", "add", "br0", "type", "bridge")
        seen = set()
        for number in range(1, 9):
            links.create_veth(naming.veth(f"{number:x}" * 64), NETWORK)
            seen.add(re.findall(r"link/ether (\S+)", ip("link", "show", "br0"))[0])
        for number in range(1, 8):
            links.delete_link(naming.veth(f"{number:x}" * 64).host)
            seen.add(re.findall(r"link/ether (\S+)", ip("link", "show", "br0"))[0])
        assert seen == {"fe:66:ac:1f:00:01"}

    def test_it_is_seen_to_go_away_and_to_come_back(self, other_namespace: str) -> None:
        links.create_veth(VETH, NETWORK)
        ip("link", "set", VETH.peer, "netns", other_namespace)
        assert links.ports()[VETH.host].peer is model.Whereabouts.ASLEEP
        ip("-n", other_namespace, "link", "set", VETH.peer, "up")
        assert links.ports()[VETH.host].peer is model.Whereabouts.AWAY
        assert links.port(VETH.host) == links.ports()[VETH.host]
        ip("-n", other_namespace, "link", "del", VETH.peer)
        assert links.ports() == {}
        assert links.port(VETH.host) is None

    def test_it_is_deleted_by_either_end_and_twice(self) -> None:
        for end in (VETH.host, VETH.peer):
            links.create_veth(VETH, NETWORK)
            links.delete_link(end)
            links.delete_link(end)
            assert links.ports() == {}

    def test_a_failure_leaves_nothing(self) -> None:
        with pytest.raises(model.Cannot, match="the bridge is gone"):
            links.create_veth(VETH, dataclasses.replace(NETWORK, bridge="br9"))
        ip("link", "add", VETH.peer, "type", "ifb")
        with pytest.raises(model.Cannot, match="an interface of that name is there"):
            links.create_veth(VETH, NETWORK)
        assert links.ports() == {}

    def test_a_bridge_made_anew_gets_its_ports_back(self) -> None:
        links.create_veth(VETH, NETWORK)
        links.delete_link("br0")
        assert links.ports()[VETH.host].bridge is None
        assert links.port(VETH.host) == links.ports()[VETH.host]
        links.ensure_bridge(NETWORK)
        links.attach(VETH.host, bridge="br0")
        assert links.ports()[VETH.host].bridge == "br0"

    def test_other_interfaces_are_none_of_ours(self) -> None:
        ip("link", "add", "veth0", "type", "veth", "peer", "veth1")
        ip("link", "add", "fh-other", "type", "ifb")
        assert links.ports() == {}

    def test_a_bridge_without_a_free_port_is_a_clear_error(self) -> None:
        with pyroute2.IPRoute() as netlink:
            (index,) = netlink.link_lookup(ifname="br0")
            for number in range(1023):  # BR_MAX_PORTS is 1,024, and port 0 is none
                netlink.link("add", ifname=f"d{number}", kind="ifb", master=index)
        with pytest.raises(model.Cannot, match="the bridge br0 has its 1023 ports, all that the kernel allows"):
            links.create_veth(VETH, NETWORK)
        assert links.ports() == {}


@pytest.mark.usefixtures("namespace")
def test_forwarding_is_what_the_kernel_does_for_the_bridge() -> None:
    assert not links.forwarding("br0")
    links.ensure_bridge(NETWORK)
    assert not links.forwarding("br0")
    subprocess.run(["sysctl", "-qw", "net.ipv4.conf.br0.forwarding=1"], check=True)
    assert links.forwarding("br0")
