"""Rules: their golden text, and in the kernel of a namespace of the test's own."""

import dataclasses
import ipaddress
import pathlib
import subprocess

import pytest

from netplugin import deadline, firewall, model, naming, rules
from tests.netplugin.conftest import NETWORK

TABLE = "fullhost-1f1f1f1f1f1f"
MARK = "fullhost:1f1f1f1f1f1f"


def shown(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_ruleset_of_a_translated_network() -> None:
    assert rules.table(NETWORK) == (
        """\
add table ip fullhost-1f1f1f1f1f1f
delete table ip fullhost-1f1f1f1f1f1f
table ip fullhost-1f1f1f1f1f1f {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 172.31.0.0/24 ip daddr != 172.31.0.0/24 counter masquerade
  }
  chain inward {
    ct state established,related accept
    ct status dnat accept
    counter drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname "br0" iifname != "br0" goto inward
  }
}
"""
    )


def test_a_routed_network_is_neither_translated_nor_closed() -> None:
    routed = dataclasses.replace(NETWORK, snat=False)
    assert "chain" not in rules.table(routed)
    assert rules.passes(routed) == (
        tuple(f"-s 172.31.0.0/24 -i br0 -m comment --comment {MARK} -j ACCEPT".split()),
        tuple(f"-d 172.31.0.0/24 -o br0 -m comment --comment {MARK} -j ACCEPT".split()),
        tuple(f"-i br0 -o br0 -m comment --comment {MARK} -j ACCEPT".split()),
    )


def test_on_a_bridge_of_isolated_machines_nothing_stays_but_what_dhcp_needs() -> None:
    isolated = dataclasses.replace(NETWORK, isolate=True)
    assert rules.passes(isolated) == rules.passes(NETWORK)[:2]
    *plain, exchange = rules.passes(dataclasses.replace(isolated, unlisted=model.Unlisted.DHCP))
    assert tuple(plain) == rules.passes(isolated)
    assert " ".join(exchange).startswith("-i br0 -o br0 -p udp -m udp --sport 67:68 --dport 67:68 -m comment")
    unasked = 'iifname "br0" oifname "br0" ip daddr 172.31.0.0/24 ct state != { established, related } counter drop'
    assert unasked in rules.table(isolated)
    behind = dataclasses.replace(isolated, gateway=ipaddress.IPv4Address("172.31.0.254"), snat=False)
    assert unasked not in rules.table(behind), "where a router of the LAN leads, the world comes by the bridge, too"


def test_what_comes_back_or_was_translated_on_purpose_passes_into_a_translated_network() -> None:
    answers = "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT"
    rule = f"-d 172.31.0.0/24 -o br0 {answers} -m comment --comment {MARK} -j ACCEPT"
    assert rules.passes(NETWORK)[1] == tuple(rule.split())


def test_machines_may_ask_the_name_server_that_is_this_host_and_nothing_else() -> None:
    assert rules.admissions(NETWORK) == ()
    dns = model.Server(address=NETWORK.gateway, port=5353)
    assert rules.admissions(dataclasses.replace(NETWORK, dns=dns)) == tuple(
        tuple(f"-d 172.31.0.1 -i br0 -p {kind} -m {kind} --dport 5353 -m comment --comment {MARK} -j ACCEPT".split())
        for kind in ("udp", "tcp")
    )
    assert rules.admissions(dataclasses.replace(NETWORK, dns=dns, address=None, snat=False)) == ()


@pytest.mark.usefixtures("namespace")
class TestKernel:
    """Rules that are written, changed by others, put back, and deleted."""

    def test_each_variant_that_has_a_say_gets_them_and_a_silent_one_does_not(self) -> None:
        firewall.ensure(NETWORK)
        assert MARK not in shown("iptables-legacy", "-S"), "which loads its tables"
        shown("iptables-legacy", "-P", "FORWARD", "DROP")
        assert len(firewall.missing(NETWORK)) == 3
        firewall.ensure(NETWORK)
        for variant in ("iptables-nft", "iptables-legacy"):
            assert shown(variant, "-S", "FORWARD").count(MARK) == 3
        firewall.delete(NETWORK.id)
        for variant in ("iptables-nft", "iptables-legacy"):
            assert MARK not in shown(variant, "-S")

    def test_they_are_written_once(self) -> None:
        assert len(firewall.missing(NETWORK)) == 4
        firewall.ensure(NETWORK)
        assert firewall.missing(NETWORK) == ()
        assert "masquerade" in shown("nft", "list", "table", "ip", TABLE)
        assert shown("iptables", "-S", "FORWARD").count(MARK) == 3

    def test_dockers_chain_is_preferred_as_soon_as_it_is_there(self) -> None:
        firewall.ensure(NETWORK)
        shown("iptables", "-N", "DOCKER-USER")
        assert not firewall.missing(NETWORK), "nothing leads there yet, or no more after iptables -F"
        shown("iptables", "-A", "FORWARD", "-j", "DOCKER-USER")
        assert len(firewall.missing(NETWORK)) == 3
        firewall.ensure(NETWORK)
        assert shown("iptables", "-S", "DOCKER-USER").count(MARK) == 3
        assert MARK not in shown("iptables", "-S", "FORWARD")

    @pytest.mark.parametrize(
        "vandal",
        [
            ("iptables", "-F"),
            ("iptables", "-D", "FORWARD", "1"),
            ("nft", "flush", "ruleset"),
            ("nft", "delete", "table", "ip", TABLE),
            ("nft", "flush", "chain", "ip", TABLE, "postrouting"),
            ("nft", "add", "rule", "ip", TABLE, "forward", "accept"),
            ("nft", "add", "chain", "ip", TABLE, "sealed-0123456789abcdef"),
        ],
    )
    def test_what_others_changed_is_put_back(self, vandal: tuple[str, ...]) -> None:
        firewall.ensure(NETWORK)
        table, chain = shown("nft", "-s", "list", "table", "ip", TABLE), shown("iptables", "-S", "FORWARD")
        shown(*vandal)
        assert firewall.missing(NETWORK)
        firewall.ensure(NETWORK)
        assert shown("nft", "-s", "list", "table", "ip", TABLE) == table
        assert shown("iptables", "-S", "FORWARD") == chain
        assert firewall.missing(NETWORK) == ()

    def test_a_table_of_an_earlier_life_stands_if_nothing_else_was_wished(self) -> None:
        for network in (NETWORK, dataclasses.replace(NETWORK, id="2e" * 32, bridge="br1", snat=False)):
            firewall.ensure(network)
            assert firewall.missing(network) == ()
            wished = dataclasses.replace(network, snat=not network.snat)
            assert firewall.missing(wished)[0] == f"nft table {naming.table(network.id)}"

    def test_a_command_that_hangs_is_an_error_and_nothing_of_it_is_left(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        firewall.ensure(NETWORK)
        hanging = tmp_path / "nft"
        hanging.write_text(f"#!/bin/sh\nsleep 600 & echo $! >{tmp_path}/pid\nwait\n")
        hanging.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
        for act in (firewall.missing, firewall.ensure):
            with deadline.within(1), pytest.raises(model.Cannot, match=r"cannot run nft .*it did not end within \d"):
                act(NETWORK)
            child = pathlib.Path("/proc") / (tmp_path / "pid").read_text().strip() / "cmdline"
            assert not child.exists() or not child.read_text()

    def test_only_our_own_are_deleted_and_twice(self) -> None:
        shown("iptables", "-A", "FORWARD", "-i", "br0", "-j", "ACCEPT")
        before = shown("iptables", "-S")
        firewall.ensure(NETWORK)
        other = dataclasses.replace(NETWORK, id="2e" * 32, bridge="br1")
        firewall.ensure(other)
        firewall.delete(other.id)
        assert shown("iptables", "-S", "FORWARD").count(MARK) == 3
        for _ in range(2):
            firewall.delete(NETWORK.id)
            assert shown("iptables", "-S") == before
            assert "fullhost" not in shown("nft", "list", "tables")
