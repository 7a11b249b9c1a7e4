"""The zone read as an inventory."""

import ipaddress

import hypothesis
import hypothesis.strategies as st
import pytest

from launcher import fleet, inventory, model

_SUBNET = ipaddress.IPv4Network("172.31.0.0/24")
_GATEWAY = ipaddress.IPv4Address("172.31.0.1")

_SEED = {
    "host": 1,
    "database": 2,
    "webserver": 3,
    "monitor": 4,
    "influxdb": 4,
    "grafana": 4,
    "docs": 5,
    "ubuntu": 6,
    "tester": 7,
    "workers": 8,
    "services": 9,
    "build": 10,
    "keyserver": 10,
    "repository": 10,
}


def _address(last: int) -> ipaddress.IPv4Address:
    return _SUBNET[last]


def _zone(names: dict[str, list[int]], pointers: dict[int, str] | None = None) -> inventory.Zone:
    return inventory.Zone(
        domain="local",
        gateway=_GATEWAY,
        subnet=_SUBNET,
        records=tuple(
            inventory.Record(name=name, addresses=tuple(map(_address, lasts))) for name, lasts in sorted(names.items())
        ),
        pointers={_address(last): name for last, name in (pointers or {}).items()},
    )


def _seed() -> fleet.Fleet:
    return fleet.decide(_zone({name: [last] for name, last in _SEED.items()}, {4: "monitor", 10: "build"}))


def test_the_zone_of_the_seed_is_nine_machines_with_nine_addresses() -> None:
    members = _seed().members
    assert {name: int(member.address or 0) & 255 for name, member in members.items()} == {
        "database": 2,
        "webserver": 3,
        "monitor": 4,
        "docs": 5,
        "ubuntu": 6,
        "tester": 7,
        "workers": 8,
        "services": 9,
        "build": 10,
    }
    assert members["monitor"].aliases == ("grafana", "influxdb")
    assert members["build"].aliases == ("keyserver", "repository")
    assert not _seed().refused


@pytest.mark.parametrize("text", ["database", "DATABASE", "database.local", "Database.Local."])
def test_a_name_may_be_written_with_the_domain(text: str) -> None:
    assert _seed().member(text).name == "database"


@pytest.mark.parametrize(
    ("text", "fact", "hint"),
    [
        ("grafana", "is an alias of the machine monitor (172.31.0.4)", "fhv start monitor"),
        ("host.local", "its address 172.31.0.1 is the gateway", "give host.local an address of its own"),
        ("nothere", "the zone local gives it no address in 172.31.0.0/24", "add 'nothere IN A ADDRESS'"),
        ("a_b", "it is no host name", "1 to 63 letters"),
        ("web.example.org", "it is no host name", "1 to 63 letters"),
        ("-web", "it is no host name", "neither begins nor ends"),
        ("a" * 64, "it is no host name", "1 to 63 letters"),
        ("", "it is no host name", "1 to 63 letters"),
    ],
)
def test_what_is_no_machine_is_refused_with_the_fact_and_what_to_do(text: str, fact: str, hint: str) -> None:
    with pytest.raises(model.Cannot) as caught:
        _seed().member(text)
    assert str(caught.value).startswith("cannot ")
    assert fact in str(caught.value)
    assert hint in caught.value.hint


def test_a_name_of_63_characters_is_one() -> None:
    assert fleet.label("a" * 63, domain="local") == "a" * 63


@pytest.mark.parametrize(
    ("pointers", "fact"), [({}, "it has no PTR record"), ({4: "else"}, "its PTR record says else")]
)
def test_several_names_that_no_pointer_decides_are_refused_and_the_others_are_not(
    pointers: dict[int, str], fact: str
) -> None:
    decided = fleet.decide(_zone({"a": [4], "b": [4], "other": [5]}, pointers))
    assert list(decided.members) == ["other"]
    with pytest.raises(model.Cannot) as caught:
        decided.member("b")
    assert "a and b is the machine: all have the address 172.31.0.4" in str(caught.value)
    assert fact in str(caught.value)
    assert caught.value.hint.startswith("add '4.0.31.172.in-addr.arpa. IN PTR a.local.'")


def test_a_name_of_several_addresses_is_refused_unless_they_are_all_those_of_machines() -> None:
    decided = fleet.decide(_zone({"aa": [4], "bb": [5], "group": [4, 5], "two": [6, 7]}))
    assert sorted(decided.members) == ["aa", "bb"]
    assert list(decided.refused) == [("two",)]
    with pytest.raises(model.Cannot, match=r"two has: the zone local gives it 172\.31\.0\.6 and 172\.31\.0\.7"):
        decided.member("two")
    with pytest.raises(model.Cannot, match="are those of other machines"):
        decided.member("group")


def test_a_machine_of_one_character_is_refused_since_docker_has_no_such_container() -> None:
    decided = fleet.decide(_zone({"a": [4], "1": [5], "web": [5], "ab": [6]}, {5: "web"}))
    assert sorted(decided.members) == ["ab", "web"]
    assert decided.member("web").aliases == ("1",)
    with pytest.raises(
        model.Cannot, match="cannot make a: Docker gives no container a name of one character"
    ) as caught:
        decided.member("a")
    assert caught.value.hint == "give 172.31.0.4 a longer name in the zone, and in its PTR record"


def test_records_that_are_no_host_names_are_no_machines() -> None:
    decided = fleet.decide(_zone({"*": [4], "_sip": [5], "outside": []}))
    assert not decided.members
    assert not decided.refused


_NAMES = st.sampled_from([f"n{number}" for number in range(8)])
_LASTS = st.integers(min_value=1, max_value=6)


@hypothesis.given(
    names=st.dictionaries(_NAMES, st.lists(_LASTS, max_size=3, unique=True)), pointers=st.dictionaries(_LASTS, _NAMES)
)
def test_nothing_is_guessed(names: dict[str, list[int]], pointers: dict[int, str]) -> None:
    decided = fleet.decide(_zone(names, pointers))
    addresses = [member.address for member in decided.members.values()]
    assert len(set(addresses)) == len(addresses)
    assert _GATEWAY not in addresses
    for member in decided.members.values():
        holders = {name for name, lasts in names.items() if lasts == [int(member.address or 0) & 255]}
        assert {member.name, *member.aliases} == holders
        assert len(holders) == 1 or pointers[int(member.address or 0) & 255] == member.name
    seen = [name for member in decided.members.values() for name in (member.name, *member.aliases)]
    seen += [name for group in decided.refused for name in group]
    assert len(set(seen)) == len(seen)
    for name, lasts in names.items():
        if lasts and 1 not in lasts and name not in seen:
            assert len(lasts) > 1  # only a name that points at a group is neither
