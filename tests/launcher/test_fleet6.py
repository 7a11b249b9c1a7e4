"""The zone read as an inventory where machines have IPv6: beside IPv4, or alone."""

import dataclasses
import datetime as dt
import ipaddress

import hypothesis
import hypothesis.strategies as st
import pytest

from launcher import differences, findings, fleet, inventory, keys, listed, model, pairs, plan, roster, words
from tests.launcher import fakes

PREFIX = ipaddress.IPv6Network("fd00:31::/64")
SUBNET = fakes.SUBNET


def zone(pointers: dict[str, str] | None = None, **names: str) -> inventory.Zone:
    """Give a zone of which each name has the addresses in a text, by their last parts: `2 ::2`."""
    return inventory.Zone(
        domain="local",
        gateway=fakes.GATEWAY,
        subnet=SUBNET,
        gateway6=PREFIX[1],
        subnet6=str(PREFIX),
        records=tuple(inventory.Record(name=name, addresses=_addresses(text)) for name, text in names.items()),
        pointers={_addresses(last)[0]: name for last, name in (pointers or {}).items()},
    )


def _addresses(text: str) -> tuple[pairs.Address, ...]:
    return tuple(PREFIX[int(word[2:])] if word.startswith("::") else SUBNET[int(word)] for word in text.split())


def _seen(of: fleet.Fleet) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {name: (str(member.addresses), member.aliases) for name, member in of.members.items()}


def test_a_name_with_an_ipv6_address_alone_is_a_machine() -> None:
    found = fleet.decide(zone(host="1 ::1", web="2 ::2", db="3", six="::6", gate="::1"))
    assert _seen(found) == {
        "web": ("172.31.0.2 fd00:31::2", ()),
        "db": ("172.31.0.3", ()),
        "six": ("fd00:31::6", ()),
    }
    assert found.refused == {}


def test_of_several_names_the_one_in_the_pointer_is_the_machine() -> None:
    found = fleet.decide(zone({"::6": "six", "2": "web"}, six="::6", alias="::6", web="2 ::2", www="2", old="2 ::2"))
    assert _seen(found) == {
        "six": ("fd00:31::6", ("alias",)),
        "web": ("172.31.0.2 fd00:31::2", ("old", "www")),
    }


def test_who_has_the_ipv6_address_of_a_name_with_both_is_its_alias() -> None:
    found = fleet.decide(zone({"::2": "www"}, web="2 ::2", www="::2"))
    assert _seen(found) == {"web": ("172.31.0.2 fd00:31::2", ("www",))}, "whatever the pointer says"
    with pytest.raises(model.Cannot, match=r"alias of the machine web \(172\.31\.0\.2 fd00:31::2\)"):
        found.member("www")


def test_what_dns_does_not_decide_is_refused() -> None:
    found = fleet.decide(zone(a="::6", b="::6", c="3 ::7", d="4 ::7", e="5 ::8 ::9", group="::6 ::7"))
    assert _seen(found) == {}
    said = {names: str(refusal) for names, refusal in found.refused.items()}
    assert said.keys() == {("a", "b"), ("c",), ("d",), ("e",)}
    assert "all have the address fd00:31::6, and it has no PTR record" in said["a", "b"]
    assert found.refused["a", "b"].hint.startswith("add '6.0.0.0.")
    assert said["c",] == "cannot tell whose fd00:31::7 is: c and d have it, and other IPv4 addresses each"
    assert "gives it 172.31.0.5, fd00:31::8 and fd00:31::9" in said["e",]


_GIVEN = st.tuples(st.integers(1, 4) | st.none(), st.integers(1, 4) | st.none())


@hypothesis.given(
    st.dictionaries(st.sampled_from("abcdefgh"), _GIVEN, max_size=8),
    st.dictionaries(st.sampled_from(["2", "3", "::2", "::3"]), st.sampled_from("abcdefgh")),
)
def test_whatever_the_zone_says_nobody_shares_an_address_and_nobody_is_lost(
    names: dict[str, tuple[int | None, int | None]], pointers: dict[str, str]
) -> None:
    texts = {name: f"{four or ''} {f'::{six}' if six else ''}" for name, (four, six) in names.items()}
    found = fleet.decide(zone(pointers, **texts))
    given = [address for member in found.members.values() for address in member.addresses]
    assert len(set(given)) == len(given)
    assert not set(given) & {found.zone.gateway}
    known = [*found.members, *(alias for member in found.members.values() for alias in member.aliases)]
    assert len(set(known)) == len(known)
    for name, (four, six) in names.items():
        ours = four == 1 or (four is None and six in {None, 1})
        assert ours or name in known or any(name in group for group in found.refused), (name, found)
    assert not set(known) & {name for group in found.refused for name in group}


@pytest.mark.parametrize(
    ("name", "why", "hint"),
    [
        ("gate", "its address fd00:31::1 is the gateway", "172.31.0.0/24 or fd00:31::/64"),
        ("nobody", "gives it no address in 172.31.0.0/24 or fd00:31::/64", "nobody IN A ADDRESS"),
    ],
)
def test_who_is_no_machine_is_told_why(name: str, why: str, hint: str) -> None:
    found = fleet.decide(zone(gate="::1", web="2"))
    with pytest.raises(model.Cannot, match=why) as caught:
        found.member(name)
    assert hint in caught.value.hint


def _machine(address: str | None, address6: str | None, **rest: object) -> model.Machine:
    given = pairs.pair(address, address6)
    return dataclasses.replace(fakes.machine("web"), address=given.four, address6=given.six, **rest)  # type: ignore[arg-type]


WEB = pairs.pair("172.31.0.2", "fd00:31::2")
MEMBER = model.Member(name="web", address=WEB.four, address6=WEB.six)


@pytest.mark.parametrize(
    ("had", "drift"),
    [
        (("172.31.0.2", "fd00:31::2"), ""),
        ((None, None), ""),
        (("172.31.0.2", None), "172.31.0.2 -> 172.31.0.2 fd00:31::2"),
        ((None, "fd00:31::2"), "fd00:31::2 -> 172.31.0.2 fd00:31::2"),
        (("172.31.0.2", "fd00:31::9"), "172.31.0.2 fd00:31::9 -> 172.31.0.2 fd00:31::2"),
    ],
)
def test_the_plan_compares_both_versions(had: tuple[str | None, str | None], drift: str) -> None:
    machine = _machine(*had)
    known = roster.of(fleet.decide(zone(web="2 ::2")), fakes.SETTINGS)
    wish = differences.Wish(named=frozenset(), needed=("web",), up=frozenset({"web"}), prune=False)
    outlook = differences.decide(known, {"web": machine}, wish, able=())
    found = [change.why for change in outlook.changes if change.step is differences.Step.RESTART]
    assert found == ([f"address {drift}"] if drift else [])
    old, _, new = drift.partition(" -> ")
    assert plan.drift(machine, MEMBER) == (
        f"it has {old}, and DNS gives it {new} now: fhv restart web" if drift else ""
    )


def test_what_is_to_be_made_is_told_with_both() -> None:
    known = roster.of(fleet.decide(zone(web="2 ::2", six="::6")), fakes.SETTINGS)
    wish = differences.Wish(named=frozenset(), needed=("web", "six"), up=frozenset({"web", "six"}), prune=False)
    whys = [change.why for change in differences.decide(known, {}, wish, able=()).changes]
    assert whys[0].endswith(", 172.31.0.2 fd00:31::2")
    assert whys[1].endswith(", fd00:31::6")


def test_ssh_reaches_a_machine_at_its_ipv6_address() -> None:
    key = "ssh-ed25519 AAAA"
    guest = keys.guest(_machine(None, "fd00:31::2", domain="local"), [key])
    assert guest is not None
    text = keys.known_hosts([guest])
    assert text.endswith("web.local ssh-ed25519 AAAA fd00:31::2\n")
    assert keys.known(text) == (guest,)
    assert "    HostName fd00:31::2\n" in keys.config([guest], folder="/root/.ssh")
    both = keys.guest(_machine("172.31.0.2", "fd00:31::2", domain="local"), [key])
    assert both is not None
    assert str(both.address) == "172.31.0.2", "which every client has"


def test_pointers_of_ipv6_are_missed_only_where_they_lead_astray() -> None:
    def entry(name: str, **pointers: str | None) -> listed.Entry:
        given = tuple(listed.Pointed(address=f"fd00:31::{at[1:]}", pointer=to) for at, to in pointers.items())
        return listed.Entry(name=name, addresses=given, registered_by=None, here=False)

    assert list(findings.of_pointers((entry("web", _2=None), entry("six", _6="six")), "local")) == []
    (found,) = findings.of_pointers((entry("web", _2="other"),), "local")
    assert found.found == "web.local is fd00:31::2, whose PTR record leads to other.local"
    assert found.mend.startswith(f"write '{PREFIX[2].reverse_pointer}. IN PTR web.local.'")


def test_tables_have_both_and_one_alone() -> None:
    now = dt.datetime(2026, 11, 24, 12, 0, 0, tzinfo=dt.UTC)
    lines = words.listing([_machine("172.31.0.2", "fd00:31::2"), _machine(None, "fd00:31::6")], now=now).splitlines()
    assert "   172.31.0.2 fd00:31::2   " in lines[1]
    assert "   fd00:31::6   " in lines[2]
    endpoint = model.Endpoint(
        id="e" * 64,
        network=fakes.NETWORK,
        name="six",
        address=None,
        address6=PREFIX[6],
        mac="06:b4:4e:f3:ab:7c",
        veth="fh0123456789abh",
        rung="option",
        source="dns",
        settled=True,
        joined=True,
        created="2026-11-24T10:00:00+00:00",
    )
    driver = fakes.Driver({})
    driver.endpoints = (dataclasses.replace(endpoint, name="web", address=WEB.four, address6=WEB.six), endpoint)
    shown = words.driver(driver.status()).splitlines()
    assert [[*filter(None, line.split("  "))][:2] for line in shown if "fd00" in line] == [
        ["web", "172.31.0.2 fd00:31::2"],
        ["six", "fd00:31::6"],
    ]
