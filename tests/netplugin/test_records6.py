"""Names with IPv6 that people add to a real BIND's zone and remove from it, with their pointers in ip6.arpa."""

import dataclasses

import pytest

from netplugin import model, records, registrar, zone
from tests.netplugin import fakes
from tests.netplugin import test_registration as four
from tests.netplugin import test_registration6 as registrations
from tests.netplugin.conftest import ENDPOINT
from tests.netplugin.test_registration import dig
from tests.netplugin.test_registration6 import DUAL, PREFIX, found, serials, update

named, one = registrations.named, registrations.one


def _use(of: registrar.Registrar) -> records.Records:
    return records.Records(store=of.store, zone=zone, registrar=of, count=fakes.World().count)


def test_people_add_and_remove_names_of_either_version(one: registrar.Registrar) -> None:
    use = _use(one)
    assert use.add(DUAL.id, {"name": "wiki", "addresses": ["fd00:31::7"]}) == {
        "name": "wiki",
        "addresses": ["fd00:31::7"],
    }
    assert (found("wiki"), dig("-x", "fd00:31::7")) == (([], ["fd00:31::7"]), ["wiki.local."])
    both = ["172.31.0.8", "fd00:31::9"]
    assert use.add(DUAL.id, {"name": "docs", "addresses": both[::-1]})["addresses"] == both
    free = use.add(DUAL.id, {"name": "free"})
    assert free["addresses"] == ["172.31.0.3", "fd00:31::3"]
    entries = {str(entry["name"]): entry["addresses"] for entry in use.entries(DUAL.id)["entries"]}  # type: ignore[attr-defined]
    assert entries["wiki"] == [{"address": "fd00:31::7", "pointer": "wiki"}]
    assert entries["web"] == [
        {"address": "172.31.0.2", "pointer": "web"},
        {"address": "fd00:31::2", "pointer": "web"},
    ]
    for name, gone in {"wiki": ["fd00:31::7"], "docs": both, "free": free["addresses"]}.items():
        assert use.remove(DUAL.id, {"name": name}) == {"name": name, "addresses": gone, "left": []}
        assert (found(name), [dig("-x", address) for address in gone]) == (([], []), [[]] * len(gone))
    assert use.updates(DUAL.id) == {"wished": True, "refused": []}


def test_a_name_of_a_person_gets_an_address_of_the_version_that_it_lacks(one: registrar.Registrar) -> None:
    use = _use(one)
    update("update add four.local 60 A 172.31.0.4", "update add alias.local 60 CNAME four.local.")
    assert use.add(DUAL.id, {"name": "four", "addresses": ["fd00:31::4"]})["addresses"] == ["fd00:31::4"]
    assert (found("four"), dig("-x", "fd00:31::4")) == ((["172.31.0.4"], ["fd00:31::4"]), ["four.local."])
    four_alone = dataclasses.replace(DUAL, subnet6=None)
    registered = four.give(one, "scratch", network=four_alone)
    for name in ("four", "alias", "scratch", "mail"):
        with pytest.raises(model.Cannot, match=rf"cannot add {name}\.local: the zone has records of that name"):
            use.add(DUAL.id, {"name": name, "addresses": ["fd00:31::5"]})
    with pytest.raises(model.Cannot, match="the zone has records of that name"):
        use.add(DUAL.id, {"name": "six"})
    assert (found("scratch"), dig("-x", "fd00:31::5"), found("mail")) == (([str(registered)], []), [], ([], []))
    assert use.remove(DUAL.id, {"name": "four"})["addresses"] == ["172.31.0.4", "fd00:31::4"]


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        (["fd00:31::2"], "fd00:31::2 is another name's in DNS"),
        (["172.31.0.77", "fd00:31::2"], "172.31.0.77 and fd00:31::2 is another name's"),
        (["fd00:31::1"], "the gateway's own address"),
        (["fd00:99::1"], "no address of fd00:31::/64"),
        (["fd00:31::7", "fd00:31::8"], "two of them are of the same version"),
        (["fd00:31::z"], "does not appear to be an IPv4 or IPv6 address"),
    ],
)
def test_what_cannot_be_added_is_refused_and_changes_nothing(
    one: registrar.Registrar, addresses: list[str], why: str
) -> None:
    before = serials()
    with pytest.raises(model.Cannot, match=why):
        _use(one).add(DUAL.id, {"name": "wiki", "addresses": addresses})
    assert serials() == before


def test_a_name_that_is_there_or_in_use_is_refused_and_pointers_are_given_back(one: registrar.Registrar) -> None:
    use = _use(one)
    with pytest.raises(model.Cannot, match="the zone has records of that name"):
        use.add(DUAL.id, {"name": "six", "addresses": ["172.31.0.77", "fd00:31::77"]})
    assert (dig("-x", "172.31.0.77"), dig("-x", "fd00:31::77")) == ([], [])
    with one.store.transaction() as transaction:
        transaction.add_endpoint(dataclasses.replace(ENDPOINT, name="six", address=None, address6=PREFIX[6]))
    with pytest.raises(model.Cannot, match="of six has fd00:31::6; stop six first"):
        use.remove(DUAL.id, {"name": "six"})
    with pytest.raises(model.Cannot, match=r"the endpoint .* of six has it"):
        use.add(DUAL.id, {"name": "wiki", "addresses": ["fd00:31::6"]})
