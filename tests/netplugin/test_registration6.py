"""Names registered with IPv6 in a real BIND that has an ip6.arpa zone: both addresses, all of it or nothing."""

import concurrent.futures
import dataclasses
import ipaddress
import os
import pathlib
import signal
import subprocess
import time
import typing
from collections.abc import Iterator

import pytest

from netplugin import inventory, model, pairs, records, registrar, registration, tidying, zone
from tests.netplugin import fakes
from tests.netplugin import test_registration as four
from tests.netplugin.conftest import ENDPOINT, Clock
from tests.netplugin.test_registration import CONTAINER, dig, listed, pass_by, rows

PREFIX = ipaddress.IPv6Network("fd00:31::/64")
ARPA = "0.0.0.0.0.0.0.0.1.3.0.0.0.0.d.f.ip6.arpa"
DUAL = dataclasses.replace(four.REGISTERING, subnet6=PREFIX, gateway6=PREFIX[1])
AWAY = dataclasses.replace(DUAL, subnet6=ipaddress.IPv6Network("fd00:99::/64"), gateway6=None)
CLOSED = dataclasses.replace(DUAL, subnet6=ipaddress.IPv6Network("fd00:88::/64"), gateway6=None)
CLOSED6 = ipaddress.IPv6Address("fd00:88::fa")
POLICY = "update-policy { grant drivers zonesub ANY; };"
SIX = f'zone "{ARPA}" {{ type primary; file "six.zone"; {POLICY} }};\n'
SIX += (
    f'zone "{ARPA.replace("1.3", "8.8")}" {{ type primary; file "closed.zone"; '
    "update-policy { grant others zonesub ANY; }; };\n"
)
LOCAL = "host AAAA fd00:31::1\nweb AAAA fd00:31::2\nsix AAAA fd00:31::6\n"


def _owner(last: str) -> str:
    """Return the name in the zone of the prefix of an address ::LAST."""
    return ".".join(reversed(last.rjust(16, "0")))


POINTERS = {"1": "host", "2": "web", "6": "six"}
REVERSE = "".join(f"{_owner(last)} PTR {name}.local.\n" for last, name in POINTERS.items())


@pytest.fixture
def named(namespace: str, tmp_path: pathlib.Path) -> Iterator[four.Named]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (tmp_path / "named.conf").write_text(four.CONFIGURATION + SIX)
    (tmp_path / "local.zone").write_text(four.HEAD + four.LOCAL + LOCAL)
    (tmp_path / "reverse.zone").write_text(four.HEAD + four.REVERSE)
    (tmp_path / "six.zone").write_text(four.HEAD + REVERSE)
    (tmp_path / "closed.zone").write_text(four.HEAD)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["named", "-f", "-c", "named.conf"], cwd=tmp_path, stderr=log)
    try:
        end = time.monotonic() + 20
        while dig("web.local") != ["172.31.0.2"] or dig("-x", "fd00:31::2") != ["web.local."]:
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.02)
        yield four.Named(process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


@pytest.fixture
def one(named: four.Named, tmp_path: pathlib.Path) -> registrar.Registrar:
    return four.driver(tmp_path, "one", DUAL)


@pytest.fixture
def tidier(one: registrar.Registrar) -> tidying.Tidier:
    world = fakes.World()
    return tidying.Tidier(store=one.store, engine=world, registrar=one, now=Clock(), count=world.count)


def give(of: registrar.Registrar, name: str, network: model.Network = DUAL, **at: ipaddress.IPv4Address) -> pairs.Pair:
    found = zone.addresses(name, network), zone.addresses6(name, network)
    return of.give(inventory.Record(name=name, addresses=found[0], addresses6=found[1]), network, **at)


def found(name: str) -> tuple[list[str], list[str]]:
    return dig(f"{name}.local"), dig(f"{name}.local", "AAAA")


def led(given: pairs.Pair) -> list[list[str]]:
    return [dig("-x", str(address)) for address in given]


def update(*lines: str) -> None:
    words = ["nsupdate", "-y", f"hmac-sha256:drivers:{four.SECRET}"]
    text = "".join(f"{line}\n" for line in ("server 127.0.0.1", *lines, "send"))
    subprocess.run(words, input=text, text=True, check=True)


def endpoint(given: pairs.Pair, name: str = "scratch") -> model.Endpoint:
    return dataclasses.replace(ENDPOINT, name=name, address=given.four, address6=given.six, rung=model.Rung.CANDIDATE)


def serials() -> list[list[str]]:
    return [dig(origin, "SOA") for origin in ("local", "31.172.in-addr.arpa", ARPA)]


def test_a_name_has_both_addresses_both_pointers_and_a_mark(one: registrar.Registrar) -> None:
    given = give(one, "scratch")
    assert given.four in DUAL.range
    assert given.six == PREFIX[int(str(given.four).rpartition(".")[2])], "the same number in its network"
    assert found("scratch") == ([str(given.four)], [str(given.six)])
    assert led(given) == [["scratch.local."], ["scratch.local."]]
    assert dig("scratch.local", "TXT") == [f'"v=fullhost1 host=one network={DUAL.id[:12]}"']
    assert give(one, "scratch") == given, "it has them again"
    assert [(row.addresses, row.phase.value) for row in one.store.registrations()] == [(given, "held")]
    assert one.store.held(DUAL.id) == set(given)


def test_what_the_zone_lists_is_not_registered(one: registrar.Registrar) -> None:
    assert give(one, "web") == pairs.Pair(four=ipaddress.IPv4Address("172.31.0.2"), six=PREFIX[2])
    assert give(one, "six") == pairs.Pair(six=PREFIX[6])
    update("update add four.local 60 A 172.31.0.4")
    assert give(one, "four") == pairs.Pair(four=ipaddress.IPv4Address("172.31.0.4"))
    assert rows(one) == []


def test_an_ipv6_address_that_a_person_has_lets_the_next_pair_be_taken(one: registrar.Registrar) -> None:
    first = give(one, "scratch")
    one.withdraw(one.store.registrations()[0])
    assert first.four is not None
    update(f"update add {ipaddress.ip_address(str(first.six)).reverse_pointer} 60 PTR person.local.")
    second = give(one, "scratch")
    assert second.four not in {None, first.four}
    assert led(first) == [[], ["person.local."]], "what was claimed of the first pair was given back"
    assert found("scratch") == ([str(second.four)], [str(second.six)])
    update(f"update add other.local 60 AAAA {PREFIX[201]}")
    one.heard.clear()
    third = give(one, "third", at=ipaddress.IPv4Address("172.31.0.201"))
    assert third.four != ipaddress.IPv4Address("172.31.0.201"), "an AAAA record without a pointer is seen, too"


def test_two_drivers_with_one_prefix_and_other_subnets_share_no_address(
    one: registrar.Registrar, tmp_path: pathlib.Path
) -> None:
    beside = dataclasses.replace(
        DUAL, subnet=ipaddress.IPv4Network("172.31.1.0/24"), range=ipaddress.IPv4Network("172.31.1.192/26")
    )
    two = four.driver(tmp_path, "two", beside)
    given = [give(one, "scratch"), *(give(two, f"m{n}", beside) for n in range(20)), give(one, "again")]
    assert len({address for pair in given for address in pair}) == 2 * len(given)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (
            AWAY,
            r"find the reverse zone.*serves none.*add a zone such as (0\.){8}9\.9\.0\.0\.0\.0\.d\.f\.ip6\.arpa",
        ),
        (CLOSED, r"does not let the key drivers do it \(REFUSED\).*grants drivers zonesub ANY"),
    ],
)
def test_without_a_reverse_zone_that_takes_updates_it_is_refused_and_nothing_is_left(
    one: registrar.Registrar, network: model.Network, why: str
) -> None:
    before = dig("local", "AXFR")
    with pytest.raises(model.Cannot, match=why):
        give(one, "scratch", network)
    assert rows(one) == [], "nobody has to take back what the server does not let anybody write"
    assert (found("scratch"), dig("local", "AXFR")) == (([], []), before)
    assert dig("31.172.in-addr.arpa", "AXFR").count("scratch.local.") == 0
    refused = records.Records(store=one.store, zone=zone, registrar=one, count=fakes.World().count)
    with one.store.transaction() as transaction:
        transaction.remove_network(DUAL.id)
        transaction.add_network(network)
    (told,) = typing.cast("list[str]", refused.updates(DUAL.id)["refused"])
    assert "ip6.arpa" in told


def test_what_one_zone_refuses_keeps_nothing_of_others_in_theirs(
    one: registrar.Registrar, tidier: tidying.Tidier
) -> None:
    given = give(one, "scratch")
    (row,) = one.store.registrations()
    closed = dataclasses.replace(row, name="closed", address=ipaddress.IPv4Address("172.31.0.250"), address6=CLOSED6)
    with one.store.transaction() as transaction:
        for gone in (dataclasses.replace(closed, created=row.created.replace(year=2020)), row):
            transaction.register(dataclasses.replace(gone, phase=registration.Phase.LEAVING))
    tidier.look()
    assert (rows(one), found("scratch"), led(given)) == ([("closed", "leaving")], ([], []), [[], []])
    assert "REFUSED" in tidier.told["closed.local."]


def test_while_dns_hangs_nothing_is_lost_and_it_goes_later(
    one: registrar.Registrar, tidier: tidying.Tidier, named: four.Named
) -> None:
    given = give(one, "first")
    listed(tidier, dataclasses.replace(CONTAINER, name="first"))
    os.kill(named.pid, signal.SIGSTOP)
    one.withdraw(one.store.registrations()[0])
    os.kill(named.pid, signal.SIGCONT)
    assert rows(one) == [("first", "leaving")]
    tidier.look()
    assert (rows(one), found("first"), led(given)) == ([], ([], []), [[], []])


@pytest.mark.parametrize("claimed", [1, 2, 3])
def test_a_claim_of_a_driver_that_died_half_way_is_taken_back(
    one: registrar.Registrar, tidier: tidying.Tidier, claimed: int
) -> None:
    """Dead after so many of the three updates: IPv4's pointer, IPv6's, and the name with both."""
    wish = registration.Registration(
        network_id=DUAL.id,
        domain=DUAL.domain,
        server=DUAL.dns,
        name="scratch",
        address=ipaddress.IPv4Address("172.31.0.200"),
        address6=PREFIX[200],
        phase=registration.Phase.CLAIMING,
        created=tidier.now(),
    )
    text = registration.mark("one", DUAL.id)
    with one.store.transaction() as transaction:
        transaction.register(wish)
    changes = (*registration.claim_pointers(wish, text), registration.claim_name(wish, text))
    assert all(one.updater(DUAL, "scratch").send(change, DUAL.dns) for change in changes[:claimed])
    assert sum(map(len, (*found("scratch"), *led(wish.addresses)))) == (1, 2, 4)[claimed - 1]
    tidier.look()
    assert rows(one) == [("scratch", "claiming")], "it may be under way"
    pass_by(tidier, 11)
    assert (rows(one), found("scratch"), led(wish.addresses)) == ([], ([], []), [[], []])


def test_it_follows_its_container_and_goes_with_it(one: registrar.Registrar, tidier: tidying.Tidier) -> None:
    given = give(one, "scratch")
    with one.store.transaction() as transaction:
        transaction.add_endpoint(endpoint(given))
    listed(tidier, CONTAINER)
    tidier.look()
    listed(tidier, dataclasses.replace(CONTAINER, name="renamed"))
    for _ in range(2):
        tidier.look()
    assert (found("scratch"), found("renamed")) == (([], []), ([str(given.four)], [str(given.six)]))
    assert led(given) == [["renamed.local."], ["renamed.local."]]
    assert one.store.endpoints()[0].name == "renamed"
    with one.store.transaction() as transaction:
        transaction.remove_endpoint(ENDPOINT.id)
    listed(tidier)
    pass_by(tidier, 60)
    pass_by(tidier, 2)
    assert (rows(one), found("renamed"), led(given)) == ([], ([], []), [[], []])


@pytest.mark.parametrize("made", range(5))
def test_a_rename_that_a_dead_driver_left_half_done_is_completed(
    one: registrar.Registrar, tidier: tidying.Tidier, made: int
) -> None:
    """Dead after so many of the four updates: the new name with both, the two pointers, and the old name."""
    given, text = give(one, "scratch"), registration.mark("one", DUAL.id)
    with one.store.transaction() as transaction:
        transaction.add_endpoint(endpoint(given))
    listed(tidier, CONTAINER)
    tidier.look()
    (row,) = one.store.registrations()
    changes = (
        registration.claim_name(dataclasses.replace(row, name="renamed"), text),
        *registration.repoint(row, "renamed", text),
        registration.release_name(row, text),
    )
    assert all(one.updater(DUAL, "renamed").send(change, DUAL.dns) for change in changes[:made])
    listed(tidier, dataclasses.replace(CONTAINER, name="renamed"))
    tidier.look()
    assert (found("scratch"), found("renamed")) == (([], []), ([str(given.four)], [str(given.six)]))
    assert led(given) == [["renamed.local."], ["renamed.local."]]
    assert [(held.name, held.addresses, held.phase.value) for held in one.store.registrations()] == [
        ("renamed", given, "held")
    ]


def test_two_drivers_register_a_hundred_names_of_both_versions_at_once(
    named: four.Named, tmp_path: pathlib.Path
) -> None:
    wide = dataclasses.replace(DUAL, subnet=four.WIDE.subnet, range=four.WIDE.range)
    drivers = [four.driver(tmp_path, name, wide) for name in ("one", "two")]
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        given = list(threads.map(lambda n: give(drivers[n % 2], f"m{n}", wide), range(100)))
    assert len({address for pair in given for address in pair}) == 200
    records = {record.name: record.all for record in zone.records(wide)}
    assert {f"m{n}": tuple(pair) for n, pair in enumerate(given)}.items() <= records.items()


def test_what_was_registered_before_there_was_ipv6_stays_as_it_is(
    one: registrar.Registrar, tidier: tidying.Tidier
) -> None:
    """One without an IPv6 address, as an older driver has written it: it is kept, followed and taken back."""
    old = dataclasses.replace(DUAL, subnet6=None)
    given = four.give(one, "scratch", network=old)
    assert give(one, "scratch") == pairs.Pair(four=given)
    with one.store.transaction() as transaction:
        transaction.add_endpoint(endpoint(pairs.Pair(four=given)))
    listed(tidier, CONTAINER)
    tidier.look()
    listed(tidier, dataclasses.replace(CONTAINER, name="renamed"))
    tidier.look()
    assert found("renamed") == ([str(given)], [])
    one.withdraw(one.store.registrations()[0])
    assert (rows(one), found("renamed"), dig("-x", str(given))) == ([], ([], []), [])


def test_what_a_person_changed_stays(one: registrar.Registrar) -> None:
    given = give(one, "scratch")
    update("update delete scratch.local AAAA", "update add scratch.local 60 AAAA fd00:31::77")
    one.withdraw(one.store.registrations()[0])
    assert rows(one) == []
    assert found("scratch") == ([str(given.four)], ["fd00:31::77"])


def test_an_endpoint_that_has_the_pair_keeps_it(one: registrar.Registrar) -> None:
    has = pairs.Pair(four=ipaddress.IPv4Address("172.31.0.201"), six=PREFIX[201])
    with one.store.transaction() as transaction:
        transaction.add_endpoint(endpoint(has))
    assert give(one, "scratch", at=ipaddress.IPv4Address("172.31.0.201")) == has
    assert give(one, "other", at=ipaddress.IPv4Address("172.31.0.201")) != has
    taken = dataclasses.replace(endpoint(has), id="cd" * 32, address=None, address6=PREFIX[202])
    with one.store.transaction() as transaction:
        transaction.add_endpoint(taken)
    assert give(one, "third", at=ipaddress.IPv4Address("172.31.0.202")).six != PREFIX[202], "somebody here has it"


def test_the_fleet_has_both_versions_and_asks_who_is_meant(one: registrar.Registrar) -> None:
    update("update add alias.local 60 AAAA fd00:31::2")
    give(one, "scratch")
    fleet = zone.fleet(DUAL)
    assert {record.name: [str(address) for address in record.all] for record in fleet.records} == {
        "alias": ["fd00:31::2"],
        "host": ["172.31.0.1", "fd00:31::1"],
        "six": ["fd00:31::6"],
        "web": ["172.31.0.2", "fd00:31::2"],
    }, "scratch is nobody's machine to make"
    assert fleet.pointers == {PREFIX[2]: "web"}
    assert {record.name for record in zone.records(dataclasses.replace(DUAL, subnet6=None))} == {
        "host",
        "web",
        "scratch",
    }
