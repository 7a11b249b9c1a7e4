"""The SQLite file."""

import dataclasses
import ipaddress
import pathlib
import sqlite3
import threading

import pytest

from netplugin import model, pairs, registration, store
from tests.netplugin.conftest import ADDRESS, ENDPOINT, NETWORK
from tests.netplugin.test_binding import BOUND


@pytest.fixture
def state(tmp_path: pathlib.Path) -> store.Store:
    return store.Store(tmp_path / "state" / "driver.db")


def filled(state: store.Store) -> store.Store:
    with state.transaction() as transaction:
        transaction.add_network(NETWORK)
        transaction.add_endpoint(ENDPOINT)
    return state


def test_what_was_kept_is_found_by_another_driver(state: store.Store, tmp_path: pathlib.Path) -> None:
    filled(state)
    again = store.Store(tmp_path / "state" / "driver.db")
    assert again.networks() == (NETWORK,)
    assert again.network(NETWORK.id) == NETWORK
    assert again.endpoints() == (ENDPOINT,)
    assert again.endpoint(ENDPOINT.id) == ENDPOINT
    assert again.holder(NETWORK.id, ADDRESS) == ENDPOINT


def test_what_is_not_there_is_none_or_refused(state: store.Store) -> None:
    assert state.endpoint(ENDPOINT.id) is None
    assert state.holder(NETWORK.id, ADDRESS) is None
    with pytest.raises(model.Cannot, match="the driver has no record of it; make it again: docker network rm"):
        state.network(NETWORK.id)


def test_an_endpoint_is_found_by_its_name_on_its_network(state: store.Store) -> None:
    filled(state)
    assert state.named(NETWORK.id, "web") == ENDPOINT
    assert (state.named(NETWORK.id, "db"), state.named("cd" * 32, "web")) == (None, None)


def test_a_transaction_is_all_or_nothing(state: store.Store) -> None:
    def fail() -> None:
        with state.transaction() as transaction:
            transaction.add_network(NETWORK)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert state.networks() == ()


def test_an_address_is_given_once(state: store.Store) -> None:
    filled(state)
    with pytest.raises(model.Cannot, match="UNIQUE"), state.transaction() as transaction:
        transaction.add_endpoint(dataclasses.replace(ENDPOINT, id="cd" * 32))
    with state.transaction() as transaction:
        free = ipaddress.IPv4Address("172.31.0.9")
        transaction.add_endpoint(dataclasses.replace(ENDPOINT, id="cd" * 32, address=free))
    assert len(state.endpoints()) == 2


def test_an_endpoint_sits_in_a_sandbox_until_it_leaves(state: store.Store) -> None:
    filled(state)
    with state.transaction() as transaction:
        transaction.seat(ENDPOINT.id, "/run/docker/netns/1")
    assert state.endpoint(ENDPOINT.id) == dataclasses.replace(ENDPOINT, sandbox="/run/docker/netns/1")
    with state.transaction() as transaction:
        transaction.unseat(ENDPOINT.id)
    assert state.endpoint(ENDPOINT.id) == dataclasses.replace(ENDPOINT, left=True)


def test_a_network_goes_with_its_endpoints_and_twice(state: store.Store) -> None:
    filled(state)
    for _ in range(2):
        with state.transaction() as transaction:
            transaction.remove_endpoint("cd" * 32)
            transaction.remove_network(NETWORK.id)
        assert state.networks() == ()
        assert state.endpoints() == ()


def test_what_dns_gave_a_name_the_last_time_is_remembered(state: store.Store) -> None:
    filled(state)
    for text in ("172.31.0.2", "172.31.0.7"):
        with state.transaction() as transaction:
            transaction.lease(NETWORK.id, "web", pairs.Pair(four=ipaddress.IPv4Address(text)))
        assert state.leased(NETWORK.id, "web") == pairs.Pair(four=ipaddress.IPv4Address(text))
    assert state.leased(NETWORK.id, "db") is None
    with state.transaction() as transaction:
        transaction.remove_network(NETWORK.id)
    assert state.leased(NETWORK.id, "web") is None


def test_an_endpoint_settles(state: store.Store) -> None:
    filled(state)
    unsettled = dataclasses.replace(
        ENDPOINT,
        id="cd" * 32,
        address=ipaddress.IPv4Address("172.31.0.200"),
        name=None,
        rung=model.Rung.PROVISIONAL,
        source=model.Source.RANGE,
        settled=False,
    )
    with state.transaction() as transaction:
        transaction.add_endpoint(unsettled)
    assert state.endpoint(unsettled.id) == unsettled
    with state.transaction() as transaction:
        transaction.settle(unsettled.id)
    assert state.endpoint(unsettled.id) == dataclasses.replace(unsettled, settled=True)


def test_threads_take_turns(state: store.Store) -> None:
    filled(state)

    def add(host: int) -> None:
        address = ipaddress.IPv4Address("172.31.0.10") + host
        with state.transaction() as transaction:
            transaction.add_endpoint(dataclasses.replace(ENDPOINT, id=f"{host:064x}", address=address))

    threads = [threading.Thread(target=add, args=(host,)) for host in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(state.endpoints()) == 17


def test_a_locked_file_is_a_clear_error_in_bounded_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)
    state = store.Store(tmp_path / "driver.db")
    other = sqlite3.connect(tmp_path / "driver.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(model.Cannot, match="database is locked; see that the disk has room"), state.transaction():
        pytest.fail("two transactions at once")
    other.close()


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to have a header of one" * 20)
    with pytest.raises(model.Cannot, match="file is not a database"):
        store.Store(tmp_path / "text")
    newer = sqlite3.connect(tmp_path / "newer")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(model.Cannot, match="of a newer driver"):
        store.Store(tmp_path / "newer")


def test_threads_that_write_take_turns_and_do_not_wait_for_ever(
    state: store.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.05)
    refused = []

    def write() -> None:
        try:
            with state.transaction() as transaction:
                transaction.add_network(NETWORK)
        except model.Cannot as error:
            refused.append(str(error))

    with state.transaction():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert refused
    assert "database is locked" in refused[0]
    write()
    assert state.networks() == (NETWORK,)


def test_what_has_to_outlive_a_power_cut_is_in_the_file_itself(state: store.Store, tmp_path: pathlib.Path) -> None:
    filled(state)
    alone = tmp_path / "alone.db"  # without the log beside it, which nobody has written to the disk yet
    alone.write_bytes((tmp_path / "state" / "driver.db").read_bytes())
    assert store.Store(alone).networks() == (NETWORK,)


def test_a_file_of_the_first_version_goes_on_working(tmp_path: pathlib.Path) -> None:
    """What a driver of version 1 wrote, by the schema that it had."""
    old = sqlite3.connect(tmp_path / "driver.db")
    old.executescript(FIRST_VERSION)
    old.close()
    for _ in range(2):
        state = store.Store(tmp_path / "driver.db")
        assert state.networks() == (NETWORK,)
        assert state.endpoints() == (ENDPOINT,)
        (move,) = state.moves()
        assert (move.name, move.address) == ("web", None)
    moved = dataclasses.replace(move, address=ENDPOINT.address)
    other = dataclasses.replace(NETWORK, id="2e" * 32, bridge="br8", ipam=model.Ipam.OWN)
    with state.transaction() as transaction:
        transaction.begin(moved)
        transaction.add_network(dataclasses.replace(other, created=NETWORK.created.replace(hour=11)))
    assert state.moves() == (moved,)
    assert state.networks()[1].ipam is model.Ipam.OWN


def test_a_file_of_the_third_version_goes_on_working(tmp_path: pathlib.Path) -> None:
    """What a driver wrote before a machine could do without IPv4: all of it is there, and such a machine has room."""
    old = sqlite3.connect(tmp_path / "driver.db")
    old.executescript(THIRD_VERSION)
    old.close()
    given = pairs.Pair(four=ADDRESS, six=ipaddress.IPv6Address("fd00:31::2"))
    for _ in range(2):
        state = store.Store(tmp_path / "driver.db")
        (network,) = state.networks()
        (endpoint,) = state.endpoints()
        assert endpoint == dataclasses.replace(ENDPOINT, address6=given.six, sandbox="/run/netns/x", antispoof=False)
        assert state.leased(network.id, "web") == given
        assert state.leased(network.id, "db") == pairs.Pair(four=ADDRESS + 1)
        (registered,) = state.registrations()
        assert (registered.name, registered.addresses) == ("scratch", pairs.Pair(four=ADDRESS + 200))
        assert (registered.phase, registered.own) == (registration.Phase.HELD, True)
        (exposed,) = state.exposures()
        assert str(exposed) == "8080:80/tcp"
        assert state.owner("somebody else") == "h1-0a"


def test_endpoints_without_ipv4_have_room_in_a_file_of_the_third_version(tmp_path: pathlib.Path) -> None:
    old = sqlite3.connect(tmp_path / "driver.db")
    old.executescript(THIRD_VERSION)
    old.close()
    state, six = store.Store(tmp_path / "driver.db"), ipaddress.IPv6Address("fd00:31::6")
    ((network,), (endpoint,), (registered,)) = (state.networks(), state.endpoints(), state.registrations())
    alone = dataclasses.replace(ENDPOINT, id="cd" * 32, name="six", address=None, address6=six)
    other = dataclasses.replace(alone, id="ef" * 32, name="seven", address6=six + 1)
    with state.transaction() as transaction:
        transaction.add_endpoint(alone)
        transaction.add_endpoint(other)
        transaction.lease(network.id, "six", alone.addresses)
        transaction.register(dataclasses.replace(registered, address6=six + 200))
    assert set(state.endpoints()) == {endpoint, alone, other}
    assert state.leased(network.id, "six") == alone.addresses
    for twice in (alone, endpoint):
        with pytest.raises(model.Cannot, match="UNIQUE"), state.transaction() as transaction:
            transaction.add_endpoint(dataclasses.replace(twice, id="12" * 32))


def test_a_file_from_before_there_were_leases_goes_on_working(state: store.Store, tmp_path: pathlib.Path) -> None:
    filled(state)
    old = sqlite3.connect(tmp_path / "state" / "driver.db")
    old.executescript("DROP TABLE binding; PRAGMA user_version = 4;")
    old.close()
    for _ in range(2):
        assert store.Store(tmp_path / "state" / "driver.db").bindings() == ()
    assert state.networks() == (NETWORK,)


def test_what_is_leased_to_a_name_is_kept_until_it_is_forgotten(state: store.Store, tmp_path: pathlib.Path) -> None:
    filled(state)
    for renewed in (BOUND, dataclasses.replace(BOUND, expires=BOUND.expires.replace(hour=12))):
        with state.transaction() as transaction:
            transaction.bind(renewed)
        assert store.Store(tmp_path / "state" / "driver.db").bindings() == (renewed,)
    with state.transaction() as transaction:
        transaction.own(renewed, "c0")
        transaction.rebind(NETWORK.id, "scratch", "renamed")
    known = dataclasses.replace(renewed, name="renamed", container="c0")
    assert (state.binding(NETWORK.id, "renamed"), state.binding(NETWORK.id, "scratch")) == (known, None)
    for _ in range(2):
        with state.transaction() as transaction:
            transaction.unbind(known)
        assert state.bindings() == ()
    with state.transaction() as transaction:
        transaction.bind(BOUND)
        transaction.remove_network(NETWORK.id)
    assert state.bindings() == ()


FIRST_VERSION = f"""
CREATE TABLE network (
    id TEXT PRIMARY KEY, bridge TEXT NOT NULL UNIQUE, bridge_made INTEGER NOT NULL, subnet TEXT NOT NULL,
    gateway TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    snat INTEGER NOT NULL, mtu INTEGER NOT NULL, range TEXT NOT NULL, stale TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), name TEXT,
    address TEXT NOT NULL, mac TEXT NOT NULL, rung TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    settled INTEGER NOT NULL, sandbox TEXT, left INTEGER NOT NULL, UNIQUE (network_id, address)
) STRICT;
CREATE TABLE move (
    container TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), endpoint_id TEXT NOT NULL,
    name TEXT NOT NULL, aliases TEXT NOT NULL, options TEXT NOT NULL
) STRICT;
CREATE TABLE lease (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT NOT NULL,
    PRIMARY KEY (network_id, name)
) STRICT;
INSERT INTO network VALUES ('{NETWORK.id}', 'br0', 1, '172.31.0.0/24', '172.31.0.1', 'local', '127.0.0.1', 53,
    1, 1500, '172.31.0.192/26', 'serve', '{NETWORK.created.isoformat()}');
INSERT INTO endpoint VALUES ('{ENDPOINT.id}', '{NETWORK.id}', 'web', '172.31.0.2', '02:66:ac:1f:00:02', 'option',
    'dns', '{ENDPOINT.created.isoformat()}', 1, NULL, 0);
INSERT INTO move VALUES ('c0', '{NETWORK.id}', '{ENDPOINT.id}', 'web', '[]', '{{}}');
PRAGMA user_version = 1;
"""  # noqa: S608 - constants of the tests
THIRD_VERSION = f"""
CREATE TABLE network (
    id TEXT PRIMARY KEY, bridge TEXT NOT NULL UNIQUE, bridge_made INTEGER NOT NULL, subnet TEXT NOT NULL,
    gateway TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    snat INTEGER NOT NULL, mtu INTEGER NOT NULL, range TEXT NOT NULL, stale TEXT NOT NULL, created TEXT NOT NULL,
    ipam TEXT NOT NULL, address TEXT, parent TEXT, vlan INTEGER, uplink_made INTEGER NOT NULL, unlisted TEXT NOT NULL,
    subnet6 TEXT, gateway6 TEXT, snat6 INTEGER NOT NULL, antispoof INTEGER NOT NULL, isolate INTEGER NOT NULL
) STRICT;
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), name TEXT,
    address TEXT NOT NULL, mac TEXT NOT NULL, rung TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    settled INTEGER NOT NULL, sandbox TEXT, left INTEGER NOT NULL, address6 TEXT, antispoof INTEGER NOT NULL,
    UNIQUE (network_id, address)
) STRICT;
CREATE TABLE move (
    container TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), endpoint_id TEXT NOT NULL,
    name TEXT NOT NULL, aliases TEXT NOT NULL, options TEXT NOT NULL, address TEXT
) STRICT;
CREATE TABLE lease (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT NOT NULL, address6 TEXT,
    PRIMARY KEY (network_id, name)
) STRICT;
CREATE TABLE exposure (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT, endpoint_id TEXT, transport TEXT NOT NULL,
    host TEXT NOT NULL, host_port INTEGER NOT NULL, port INTEGER NOT NULL, PRIMARY KEY (transport, host, host_port)
) STRICT;
CREATE TABLE registration (
    network_id TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    name TEXT NOT NULL, address TEXT NOT NULL, phase TEXT NOT NULL, created TEXT NOT NULL, container TEXT,
    own INTEGER NOT NULL, PRIMARY KEY (network_id, address)
) STRICT;
CREATE TABLE identity (owner TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX endpoint_address6 ON endpoint (network_id, address6);
INSERT INTO network VALUES ('{NETWORK.id}', 'br0', 1, '172.31.0.0/24', '172.31.0.1', 'local', '127.0.0.1', 53, 1, 1500,
    '172.31.0.192/26', 'serve', '{NETWORK.created.isoformat()}', 'null', '172.31.0.1', NULL, NULL, 0, 'register',
    'fd00:31::/64', 'fd00:31::1', 1, 1, 0);
INSERT INTO endpoint VALUES ('{ENDPOINT.id}', '{NETWORK.id}', 'web', '172.31.0.2', '02:66:ac:1f:00:02', 'option',
    'dns', '{ENDPOINT.created.isoformat()}', 1, '/run/netns/x', 0, 'fd00:31::2', 0);
INSERT INTO lease VALUES ('{NETWORK.id}', 'web', '172.31.0.2', 'fd00:31::2');
INSERT INTO lease VALUES ('{NETWORK.id}', 'db', '172.31.0.3', NULL);
INSERT INTO exposure VALUES ('{NETWORK.id}', 'web', NULL, 'tcp', '', 8080, 80);
INSERT INTO registration VALUES ('{NETWORK.id}', 'local', '127.0.0.1', 53, 'scratch', '172.31.0.202', 'held',
    '{ENDPOINT.created.isoformat()}', 'c0', 1);
INSERT INTO identity VALUES ('h1-0a');
PRAGMA user_version = 3;
"""  # noqa: S608 - constants of the tests
