"""Names registered in a real BIND, by two drivers at once, and what of it is never touched."""

import concurrent.futures
import dataclasses
import ipaddress
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from netplugin import inventory, model, registrar, registration, store, tidying, update, zone
from tests.netplugin import fakes
from tests.netplugin.conftest import ENDPOINT, NETWORK, Clock

SECRET = "Zm9yIHRlc3RzIG9ubHksIGFuZCBub3Qgc2VjcmV0IQ=="  # noqa: S105 - of a name server of the test
CONFIGURATION = f"""
options {{
  directory "."; pid-file none; session-keyfile none; listen-on-v6 {{ none; }};
  listen-on port 53 {{ 127.0.0.1; }}; recursion no; dnssec-validation no; notify no; allow-transfer {{ 127.0.0.1; }};
}};
controls {{}};
logging {{ category default {{ default_stderr; }}; }};
key "drivers" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key "others" {{ algorithm hmac-sha512; secret "{SECRET}"; }};
zone "local" {{ type primary; file "local.zone"; update-policy {{ grant drivers zonesub ANY; }}; }};
zone "31.172.in-addr.arpa" {{ type primary; file "reverse.zone"; update-policy {{ grant drivers zonesub ANY; }}; }};
"""
HEAD = "$TTL 60\n@ SOA host.local. root.local. 7 3600 600 86400 60\n@ NS host.local.\n"
LOCAL = 'host A 172.31.0.1\nweb A 172.31.0.2\nmail MX 10 web\nnote TXT "a person wrote this"\n'
REVERSE = "1.0 PTR host.local.\n2.0 PTR web.local.\n"
REGISTERING = dataclasses.replace(NETWORK, unlisted=model.Unlisted.REGISTER)
WIDE = dataclasses.replace(
    REGISTERING, subnet=ipaddress.IPv4Network("172.31.0.0/16"), range=ipaddress.IPv4Network("172.31.1.0/24")
)
CONTAINER = registration.Container(id="c0" * 32, name="scratch", endpoints=frozenset({ENDPOINT.id}))


@dataclasses.dataclass
class Named:
    """A running named; `pid` to stop and to continue it."""

    pid: int


@pytest.fixture
def named(namespace: str, tmp_path: pathlib.Path) -> Iterator[Named]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (tmp_path / "named.conf").write_text(CONFIGURATION)
    (tmp_path / "local.zone").write_text(HEAD + LOCAL)
    (tmp_path / "reverse.zone").write_text(HEAD + REVERSE)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["named", "-f", "-c", "named.conf"], cwd=tmp_path, stderr=log)
    try:
        end = time.monotonic() + 20
        while dig("web.local") != ["172.31.0.2"] or dig("-x", "172.31.0.2") != ["web.local."]:
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.02)
        yield Named(process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


def dig(*words: str) -> list[str]:
    ask = ["dig", "+short", "+time=2", "+tries=1", "@127.0.0.1", *words]
    return subprocess.run(ask, check=False, capture_output=True, text=True).stdout.split("\n")[:-1]


def updater(name: str = "drivers", algorithm: str = "hmac-sha256", secret: bytes | None = None) -> update.Updater:
    return update.Updater(
        update.Key(name=name, algorithm=algorithm, secret=secret or b"for tests only, and not secret!")
    )


def driver(tmp_path: pathlib.Path, name: str, network: model.Network = REGISTERING) -> registrar.Registrar:
    """Return what registers names in a driver of its own, with its own state."""
    state = store.Store(tmp_path / f"{name}.db")
    with state.transaction() as transaction:
        transaction.add_network(network)
    return registrar.Registrar(
        store=state, zone=zone, update=updater(), owner=name, now=Clock(), count=fakes.World().count
    )


def give(
    of: registrar.Registrar,
    name: str,
    *answers: ipaddress.IPv4Address,
    network: model.Network = REGISTERING,
    at: ipaddress.IPv4Address | None = None,
) -> ipaddress.IPv4Address:
    """Have a name that DNS gives the answers registered if it has to be, on a network without IPv6."""
    given = of.give(inventory.Record(name=name, addresses=answers), network, at=at)
    assert given.six is None
    assert given.four is not None
    return given.four


def rows(of: registrar.Registrar) -> list[tuple[str, str]]:
    return [(row.name, row.phase.value) for row in of.store.registrations()]


@pytest.fixture
def one(named: Named, tmp_path: pathlib.Path) -> registrar.Registrar:
    return driver(tmp_path, "one")


@pytest.fixture
def tidier(one: registrar.Registrar) -> tidying.Tidier:
    world = fakes.World()
    return tidying.Tidier(store=one.store, engine=world, registrar=one, now=Clock(), count=world.count)


def listed(tidier: tidying.Tidier, *containers: registration.Container) -> None:
    assert isinstance(tidier.engine, fakes.World)
    tidier.engine.listed = list(containers)


def pass_by(tidier: tidying.Tidier, seconds: float) -> None:
    assert isinstance(tidier.now, Clock)
    tidier.now.move(seconds)
    tidier.look()


def test_a_name_is_registered_with_its_pointer_and_a_mark(one: registrar.Registrar) -> None:
    address = give(one, "scratch")
    assert address in NETWORK.range
    assert dig("scratch.local") == [str(address)]
    assert dig("-x", str(address)) == ["scratch.local."]
    assert dig("scratch.local", "TXT") == [f'"v=fullhost1 host=one network={NETWORK.id[:12]}"']
    assert rows(one) == [("scratch", "held")]
    assert [record.name for record in zone.fleet(REGISTERING).records] == ["host", "web"], "nobody's machine to make"


def test_what_the_zone_lists_or_the_network_refuses_is_not_registered(one: registrar.Registrar) -> None:
    listed_address = ipaddress.IPv4Address("172.31.0.2")
    assert give(one, "web", listed_address) == listed_address
    with pytest.raises(model.Cannot, match=r"has no A record for scratch\.local"):
        give(one, "scratch", network=NETWORK)
    assert rows(one) == []


def test_an_address_that_an_endpoint_has_is_kept_if_it_is_free(one: registrar.Registrar) -> None:
    has = ipaddress.IPv4Address("172.31.0.201")
    assert give(one, "scratch", at=has) == has
    assert give(one, "other", at=has) != has


@pytest.mark.parametrize("name", ["mail", "note"])
def test_a_name_with_records_of_a_person_is_never_touched(one: registrar.Registrar, name: str) -> None:
    with pytest.raises(model.Cannot, match=rf"cannot register {name}\.local: the zone has records of that name"):
        give(one, name)
    assert dig(f"{name}.local") == []
    assert rows(one) == [], "and its pointer was given back"


def test_an_address_with_a_pointer_of_a_person_is_left_alone(named: Named, tmp_path: pathlib.Path) -> None:
    narrow = dataclasses.replace(REGISTERING, range=ipaddress.IPv4Network("172.31.0.2/32"))
    one = driver(tmp_path, "one", narrow)
    with pytest.raises(model.Cannot, match=r"the range 172\.31\.0\.2/32 has no free address"):
        give(one, "scratch", network=narrow)
    assert dig("-x", "172.31.0.2") == ["web.local."]


def test_two_drivers_register_two_hundred_names_at_once(named: Named, tmp_path: pathlib.Path) -> None:
    drivers = [driver(tmp_path, "one", WIDE), driver(tmp_path, "two", WIDE)]
    with concurrent.futures.ThreadPoolExecutor(40) as threads:
        given = list(threads.map(lambda n: give(drivers[n % 2], f"m{n}", network=WIDE), range(200)))
    assert len(set(given)) == 200
    records = {record.name: record.addresses for record in zone.records(WIDE)}
    assert {f"m{n}": (address,) for n, address in enumerate(given)}.items() <= records.items()


def test_one_name_is_of_one_host(one: registrar.Registrar, tmp_path: pathlib.Path) -> None:
    two = driver(tmp_path, "two")
    address = give(one, "scratch")
    with pytest.raises(model.Cannot, match="another host registered it meanwhile"):
        give(two, "scratch")
    with pytest.raises(model.Cannot, match="the driver one of another host has registered it"):
        give(two, "scratch", address)
    assert give(one, "scratch", address) == address
    assert dig("scratch.local") == [str(address)]
    assert rows(two) == []


def test_who_has_no_key_or_another_is_told_so(one: registrar.Registrar) -> None:
    cases = [
        (None, "the driver has no update key"),
        (updater(name="nobody"), "does not know the key nobody"),
        (updater(secret=b"another one"), "has another secret for the key drivers"),
        (updater(name="others", algorithm="hmac-sha512"), r"does not let the key others do it \(REFUSED\)"),
    ]
    for key, why in cases:
        with pytest.raises(model.Cannot, match=why):
            give(dataclasses.replace(one, update=key), "scratch")
    assert dig("scratch.local") == []


def test_without_a_reverse_zone_it_is_said(named: Named, tmp_path: pathlib.Path) -> None:
    away = dataclasses.replace(
        REGISTERING, subnet=ipaddress.IPv4Network("10.0.0.0/24"), range=ipaddress.IPv4Network("10.0.0.128/25")
    )
    with pytest.raises(model.Cannot, match=r"cannot find the reverse zone of .*\.0\.0\.10\.in-addr\.arpa"):
        give(driver(tmp_path, "one", away), "scratch", network=away)


def test_what_is_left_half_done_while_dns_hangs_goes_later(
    one: registrar.Registrar, tidier: tidying.Tidier, named: Named
) -> None:
    give(one, "first")  # it knows the reverse zone now
    listed(tidier, dataclasses.replace(CONTAINER, name="first"))
    os.kill(named.pid, signal.SIGSTOP)
    one.withdraw(one.store.registrations()[0])
    with pytest.raises(model.Cannot, match="did not answer in time"):
        one.release(one.store.registrations()[0])
    os.kill(named.pid, signal.SIGCONT)
    assert rows(one) == [("first", "leaving")]
    tidier.look()
    assert rows(one) == []
    assert dig("first.local") == []


def test_a_claim_of_a_driver_that_died_is_taken_back(one: registrar.Registrar, tidier: tidying.Tidier) -> None:
    address = give(one, "scratch")
    with one.store.transaction() as transaction:
        (row,) = one.store.registrations()
        transaction.register(dataclasses.replace(row, phase=registration.Phase.CLAIMING))
    tidier.look()
    assert rows(one) == [("scratch", "claiming")]
    pass_by(tidier, 11)
    assert (rows(one), dig("scratch.local"), dig("-x", str(address))) == ([], [], [])


def test_it_goes_when_its_container_is_removed_and_not_before(one: registrar.Registrar, tidier: tidying.Tidier) -> None:
    address = give(one, "scratch")
    endpoint = dataclasses.replace(ENDPOINT, name="scratch", address=address, rung=model.Rung.CANDIDATE)
    with one.store.transaction() as transaction:
        transaction.add_endpoint(endpoint)
    listed(tidier, CONTAINER)
    tidier.look()
    assert [(row.container, row.own) for row in one.store.registrations()] == [(CONTAINER.id, True)]
    with one.store.transaction() as transaction:
        transaction.remove_endpoint(endpoint.id)
    pass_by(tidier, 60)
    assert rows(one) == [("scratch", "held")], "it has stopped, and is there"
    listed(tidier)
    assert isinstance(tidier.engine, fakes.World)
    tidier.engine.silent = {"engine"}
    for _ in range(3):
        pass_by(tidier, 60)
    assert rows(one) == [("scratch", "held")], "the engine is silent"
    tidier.engine.silent = set()
    pass_by(tidier, 60)
    pass_by(tidier, 2)
    assert (rows(one), dig("scratch.local"), dig("-x", str(address))) == ([], [], [])


def test_it_follows_a_container_that_is_renamed(one: registrar.Registrar, tidier: tidying.Tidier) -> None:
    address = give(one, "scratch")
    endpoint = dataclasses.replace(ENDPOINT, name="scratch", address=address, rung=model.Rung.CANDIDATE)
    with one.store.transaction() as transaction:
        transaction.add_endpoint(endpoint)
    listed(tidier, CONTAINER)
    tidier.look()
    listed(tidier, dataclasses.replace(CONTAINER, name="renamed"))
    for _ in range(2):
        tidier.look()
    assert rows(one) == [("renamed", "held")]
    assert dig("scratch.local") == []
    assert dig("renamed.local") == [str(address)]
    assert dig("-x", str(address)) == ["renamed.local."]
    assert one.store.endpoints()[0].name == "renamed"
    listed(tidier, dataclasses.replace(CONTAINER, name="web"))
    tidier.look()
    assert rows(one) == [("renamed", "held")], "a person has given web an address"
    assert dig("web.local") == ["172.31.0.2"]


def test_what_a_person_changed_stays(one: registrar.Registrar) -> None:
    give(one, "scratch")
    change = "server 127.0.0.1\nupdate add scratch.local 60 TXT mine\nsend\n"
    words = ["nsupdate", "-y", f"hmac-sha256:drivers:{SECRET}"]
    subprocess.run(words, input=change, text=True, check=True)
    one.withdraw(one.store.registrations()[0])
    assert rows(one) == []
    assert dig("scratch.local") != []


def test_an_address_of_the_engines_choice_is_followed(named: Named, tmp_path: pathlib.Path) -> None:
    chosen = dataclasses.replace(REGISTERING, ipam=model.Ipam.CHOSEN)
    one = driver(tmp_path, "one", chosen)
    first, second = (ipaddress.IPv4Address(f"172.31.0.{n}") for n in (7, 8))
    assert give(one, "scratch", network=chosen, at=first) == first
    assert give(one, "scratch", first, network=chosen, at=second) == second
    assert dig("scratch.local") == [str(second)]
    assert dig("-x", str(first)) == []
    assert rows(one) == [("scratch", "held")]
    assert give(one, "web", ipaddress.IPv4Address("172.31.0.2"), network=chosen, at=first) != first
    assert give(one, "other", network=chosen, at=second) == second, "scratch does not run"
    assert dig("scratch.local") == []
    assert rows(one) == [("other", "held")]


@pytest.mark.parametrize(
    ("line", "mode", "why"),
    [
        (f"hmac-sha256:drivers:{SECRET}", 0o600, ""),
        (f"drivers:{SECRET}", 0o640, ""),
        (f"drivers:{SECRET}", 0o644, "others than root may read or write it"),
        (f"hmac-md5:drivers:{SECRET}", 0o600, "it is not one line of the form"),
        ("drivers", 0o600, "it is not one line of the form"),
        ("drivers:no base64", 0o600, "it is not one line of the form"),
        ("a..b:aaaa", 0o600, "it is not one line of the form"),
    ],
)
def test_the_key_is_one_line_and_roots_alone(tmp_path: pathlib.Path, line: str, mode: int, why: str) -> None:
    path = tmp_path / "key"
    path.write_text(line + "\n")
    path.chmod(mode)
    if not why:
        key = update.read_key(path)
        assert (key.name, key.algorithm) == ("drivers", "hmac-sha256")
        assert "only" not in repr(key)
        return
    with pytest.raises(model.Cannot, match=why):
        update.read_key(path)


def test_marks_are_read_back() -> None:
    assert registration.owner(registration.mark("h1-0a", NETWORK.id)) == "h1-0a"
    assert registration.owner("v=spf1 host=h1") is None
