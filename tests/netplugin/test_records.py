"""Names that people add to a real BIND's zone and remove from it, beside those that drivers register."""

import dataclasses
import ipaddress
import pathlib
import typing

import pytest

from netplugin import model, records, registrar, registration, zone
from tests.netplugin import fakes
from tests.netplugin import test_registration as registrations
from tests.netplugin.conftest import ENDPOINT
from tests.netplugin.test_registration import REGISTERING, dig, driver, give

named, one = registrations.named, registrations.one
ID = REGISTERING.id


def _over(of: registrar.Registrar) -> records.Records:
    return records.Records(store=of.store, zone=zone, registrar=of, count=fakes.World().count)


@pytest.fixture
def use(one: registrar.Registrar) -> records.Records:
    return _over(one)


class _Address(typing.TypedDict):
    address: str
    pointer: str | None


class _Entry(typing.TypedDict):
    name: str
    addresses: list[_Address]
    registered_by: str | None
    here: bool


def _listed(use: records.Records) -> dict[str, tuple[dict[str, str | None], str | None, bool]]:
    return {
        entry["name"]: (
            {a["address"]: a["pointer"] for a in entry["addresses"]},
            entry["registered_by"],
            entry["here"],
        )
        for entry in typing.cast("list[_Entry]", use.entries(ID)["entries"])
    }


def test_names_are_listed_with_pointers_and_whose_they_are(use: records.Records, tmp_path: pathlib.Path) -> None:
    own = str(give(use.registrar, "scratch"))
    other = str(give(driver(tmp_path, "two"), "far"))
    assert _listed(use) == {
        "host": ({"172.31.0.1": "host"}, None, False),
        "web": ({"172.31.0.2": "web"}, None, False),
        "scratch": ({own: "scratch"}, "one", True),
        "far": ({other: "far"}, "two", False),
    }


def test_a_name_is_added_with_a_free_address_beyond_the_range_and_bears_no_mark(use: records.Records) -> None:
    assert use.add(ID, {"name": "Wiki.local"}) == {"name": "wiki", "addresses": ["172.31.0.3"]}
    assert (dig("wiki.local"), dig("-x", "172.31.0.3")) == (["172.31.0.3"], ["wiki.local."])
    assert dig("wiki.local", "TXT") == []
    assert use.add(ID, {"name": "docs"})["addresses"] == ["172.31.0.4"]


def test_a_name_is_added_with_the_address_that_is_asked_for(use: records.Records) -> None:
    assert use.add(ID, {"name": "wiki", "addresses": ["172.31.0.77"]})["addresses"] == ["172.31.0.77"]
    use.remove(ID, {"name": "wiki"})
    assert (dig("wiki.local"), dig("-x", "172.31.0.77")) == ([], [])
    assert use.add(ID, {"name": "docs", "addresses": ["172.31.0.77"]})["addresses"] == ["172.31.0.77"]


@pytest.mark.parametrize(
    ("name", "address", "why"),
    [
        ("web", None, "the zone has records of that name"),
        ("mail", None, "the zone has records of that name"),
        ("wiki", "172.31.0.2", "172.31.0.2 is another name's in DNS"),
        ("wiki", "172.31.0.1", "the gateway's own address"),
        ("wiki", "10.0.0.1", "no address of 172.31.0.0/24"),
        ("wiki", "nonsense", "'nonsense'"),
        ("wiki", "172.31.0.9", "the endpoint .* of db has it"),
        ("-x", None, "cannot"),
    ],
)
def test_what_cannot_be_added_is_refused_and_changes_nothing(
    use: records.Records, name: str, address: str | None, why: str
) -> None:
    busy = dataclasses.replace(ENDPOINT, name="db", address=ipaddress.IPv4Address("172.31.0.9"))
    with use.store.transaction() as transaction:
        transaction.add_endpoint(busy)
    before = dig("local", "AXFR"), dig("31.172.in-addr.arpa", "AXFR")
    with pytest.raises(model.Cannot, match=why):
        use.add(ID, {"name": name, "addresses": [address] if address else None})
    after = dig("local", "AXFR"), dig("31.172.in-addr.arpa", "AXFR")
    assert [_serialless(zone) for zone in after] == [_serialless(zone) for zone in before]


def _serialless(zone: list[str]) -> list[str]:
    return sorted(line for line in zone if "root.local." not in line)


def test_a_pointer_that_a_person_wrote_before_is_taken_for_the_name_s(use: records.Records) -> None:
    use.add(ID, {"name": "wiki", "addresses": ["172.31.0.77"]})
    struck = registration.strike("wiki.local.", (ipaddress.IPv4Address("172.31.0.77"),), "local")
    assert use.registrar.updater(REGISTERING, "wiki").send(struck, REGISTERING.dns)
    assert (dig("wiki.local"), dig("-x", "172.31.0.77")) == ([], ["wiki.local."])
    assert use.add(ID, {"name": "wiki", "addresses": ["172.31.0.77"]})["addresses"] == ["172.31.0.77"]


def test_a_name_of_a_person_and_one_of_ours_are_removed_with_their_pointers(use: records.Records) -> None:
    own = str(give(use.registrar, "scratch"))
    assert use.remove(ID, {"name": "scratch.local"}) == {"name": "scratch", "addresses": [own], "left": []}
    assert use.remove(ID, {"name": "web"}) == {"name": "web", "addresses": ["172.31.0.2"], "left": []}
    assert set(_listed(use)) == {"host"}
    assert (dig("-x", own), dig("-x", "172.31.0.2"), dig("scratch.local", "TXT")) == ([], [], [])
    assert use.store.registrations() == ()


def test_what_is_in_use_or_not_ours_is_not_removed(use: records.Records, tmp_path: pathlib.Path) -> None:
    far = str(give(driver(tmp_path, "two"), "far"))
    with use.store.transaction() as transaction:
        transaction.add_endpoint(dataclasses.replace(ENDPOINT, name="web"))
    for name, why in {
        "web": "the endpoint .* of web has",
        "host": "it is the gateway's",
        "far": "the driver two of another host has registered it",
        "nothere": "the zone has no A record of it",
    }.items():
        with pytest.raises(model.Cannot, match=why):
            use.remove(ID, {"name": name})
    assert (dig("web.local"), dig("host.local"), dig("far.local")) == (["172.31.0.2"], ["172.31.0.1"], [far])


def test_it_is_told_whether_the_zones_take_updates_and_nothing_is_changed(use: records.Records) -> None:
    before = dig("local", "AXFR"), dig("31.172.in-addr.arpa", "AXFR")
    assert use.updates(ID) == {"wished": True, "refused": []}
    assert (dig("local", "AXFR"), dig("31.172.in-addr.arpa", "AXFR")) == before
    stranger = dataclasses.replace(use.registrar, update=registrations.updater("nobody"))
    (told,) = typing.cast("list[str]", _over(stranger).updates(ID)["refused"])[:1]
    assert "does not know the key nobody" in told
    others = dataclasses.replace(use.registrar, update=registrations.updater("others", "hmac-sha512"))
    forward, reverse = typing.cast("list[str]", _over(others).updates(ID)["refused"])
    assert "does not let the key others do it (REFUSED)" in forward
    assert "the update-policy of the zone 31.172.in-addr.arpa grants others zonesub ANY" in reverse


def test_without_a_key_nothing_is_changed(one: registrar.Registrar) -> None:
    use = _over(dataclasses.replace(one, update=None))
    for act in (use.add, use.remove):
        with pytest.raises(model.Cannot, match="the driver has no update key"):
            act(ID, {"name": "web"})
    assert set(_listed(use)) == {"host", "web"}
