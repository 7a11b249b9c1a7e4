"""Names that the zone lacks, leased an address in a world that fails on demand: given, refused, kept, given back."""

import dataclasses
import datetime
import ipaddress
import pathlib
import threading
import typing

import pytest

from netplugin import deadline, driver, inventory, model, naming, protocol, registration, settlement, store
from tests.netplugin import fakes
from tests.netplugin.conftest import ENDPOINT, NETWORK, Clock
from tests.netplugin.test_driver import CREATE, endpoint, ref

LEASING = dataclasses.replace(NETWORK, unlisted=model.Unlisted.DHCP)
UNLISTED = inventory.Record(name="scratch", addresses=())
FIRST, OTHER = "ab" * 32, "cd" * 32
LEASED, ELSEWHERE = ipaddress.IPv4Address("172.31.0.50"), ipaddress.IPv4Address("172.31.0.51")


@dataclasses.dataclass
class Updates:
    """What takes updates of the zone: all of them, or `refuses`, or is not there."""

    refuses: bool = False
    silent: bool = False
    sent: list[registration.Change] = dataclasses.field(default_factory=list)

    def send(self, change: registration.Change, server: model.Server) -> bool:
        assert server == LEASING.dns
        if self.silent:
            raise model.Cannot("update", why="no answer", hint="wait", reason=model.Reason.UNAVAILABLE)
        self.sent.append(change)
        return not self.refuses


@pytest.fixture
def world() -> fakes.World:
    world = fakes.World(zone={"web": ("172.31.0.2",)}, links={"br0": None})
    world.pool.offers = [str(LEASED)]
    return world


@pytest.fixture
def use(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> driver.Driver:
    return drive(world, clock, tmp_path, LEASING)


def drive(world: fakes.World, clock: Clock, folder: pathlib.Path, network: model.Network) -> driver.Driver:
    state = store.Store(folder / "driver.db")
    with state.transaction() as writes:
        writes.add_network(network)
    return fakes.drive(world, state, clock)


def start(use: driver.Driver, endpoint_id: str = FIRST, name: str | None = "scratch") -> model.Endpoint:
    use.create_endpoint(endpoint(endpoint_id, name))
    made = use.store.endpoint(endpoint_id)
    assert made is not None
    return made


def stop(use: driver.Driver, endpoint_id: str = FIRST) -> None:
    use.leave(ref(endpoint_id))
    use.delete_endpoint(ref(endpoint_id))


def join(use: driver.Driver, world: fakes.World, endpoint_id: str = FIRST) -> None:
    use.join(protocol.Join(network_id=NETWORK.id, endpoint_id=endpoint_id, sandbox="/run/docker/netns/1"))
    world.take(endpoint_id)


def test_a_name_that_the_zone_lacks_is_leased_an_address(use: driver.Driver, world: fakes.World) -> None:
    made = start(use)
    assert (made.address, made.source, made.settled) == (LEASED, model.Source.DHCP, True)
    assert made.mac == naming.mac(LEASED), "the machine's own follows from its address, as ever"
    (bound,) = use.store.bindings()
    assert (bound.name, bound.address, bound.expires - bound.obtained) == (
        "scratch",
        LEASED,
        datetime.timedelta(0, 120),
    )
    assert world.pool.asked == [("scratch", None)]
    assert world.pool.pairs == {}
    assert world.counts["address.dhcp"] == world.counts["dhcp.leased"] == 1
    assert use.store.leased(NETWORK.id, "scratch") is None, "it is nothing that DNS gave"


def test_a_name_that_the_zone_has_is_not_asked_for(use: driver.Driver, world: fakes.World) -> None:
    assert start(use, name="web").source is model.Source.DNS
    assert (world.pool.asked, use.store.bindings()) == ([], ())


def test_a_restart_asks_for_the_same_address_and_not_at_once(
    use: driver.Driver, world: fakes.World, clock: Clock
) -> None:
    start(use)
    stop(use)
    start(use)
    assert len(world.pool.asked) == 1, "it was leased a moment ago"
    stop(use)
    clock.move(500)
    assert start(use).address == LEASED
    assert world.pool.asked[1:] == [("scratch", LEASED)], "also when the lease is over"


def test_a_name_that_a_person_writes_into_the_zone_has_that_address(
    use: driver.Driver, world: fakes.World, clock: Clock
) -> None:
    start(use)
    stop(use)
    world.zone["scratch"] = (str(LEASED),)
    clock.move(30)
    assert start(use).source is model.Source.DHCP, "the DHCP server, or we, wrote what is leased"
    stop(use)
    world.zone["scratch"] = ("172.31.0.7",)
    made = start(use)
    assert (str(made.address), made.source) == ("172.31.0.7", model.Source.DNS)


def test_silence_is_refused_with_what_to_do_and_leaves_nothing(use: driver.Driver, world: fakes.World) -> None:
    world.pool.silent = True
    with pytest.raises(model.Cannot) as caught:
        start(use)
    assert str(caught.value) == (
        "cannot give scratch an address: scratch.local has no A record, and no DHCP server on br0 answered within 5 s; "
        "see that a server runs there and has a free address, or add scratch to the zone, and start it again"
    )
    assert caught.value.reason is model.Reason.UNAVAILABLE
    assert (use.store.endpoints(), use.store.bindings(), world.links) == ((), (), {"br0": None})
    assert (world.pool.pairs, world.counts["dhcp.silent"]) == ({}, 1)


@pytest.mark.parametrize("stale", model.Stale)
def test_while_all_servers_are_silent_a_lease_is_good_until_it_is_over(
    world: fakes.World, clock: Clock, tmp_path: pathlib.Path, stale: model.Stale
) -> None:
    use = drive(world, clock, tmp_path, dataclasses.replace(LEASING, stale=stale))
    start(use)
    stop(use)
    clock.move(20)
    world.pool.silent = True
    if stale is model.Stale.REFUSE:
        with pytest.raises(model.Cannot, match="no DHCP server on br0 answered"):
            start(use)
        return
    assert start(use).address == LEASED
    stop(use)
    assert start(use).address == LEASED
    assert len(world.pool.asked) == 2, "the second time nobody waits for them"
    stop(use)
    clock.move(120)
    with pytest.raises(model.Cannot, match="no DHCP server on br0 answered"):
        start(use)


def test_while_dns_is_silent_who_has_a_lease_has_that(use: driver.Driver, world: fakes.World) -> None:
    start(use)
    stop(use)
    world.silent.add("dns")
    assert start(use).source is model.Source.DHCP
    with pytest.raises(model.Cannot, match="dns is silent"):
        start(use, OTHER, "other")


@pytest.mark.parametrize(
    ("offered", "why"),
    [
        ("10.0.0.50", "the DHCP server 172.31.0.1 leased it, and it is no address of 172.31.0.0/24"),
        ("172.31.0.0", "the network address"),
        ("172.31.0.255", "the broadcast address"),
        ("172.31.0.1", "the gateway's own address"),
        ("172.31.0.2", "the address that the zone gives web"),
        ("172.31.0.60", "the endpoint efefefefefef of other has it"),
    ],
)
def test_what_cannot_be_given_is_refused_and_given_back(
    use: driver.Driver, world: fakes.World, offered: str, why: str
) -> None:
    with use.store.transaction() as writes:
        holder = dataclasses.replace(ENDPOINT, id="ef" * 32, name="other", address=ipaddress.IPv4Address("172.31.0.60"))
        writes.add_endpoint(holder)
    world.links[naming.veth(holder.id).host] = model.Port(bridge="br0", peer=model.Whereabouts.AWAY)
    world.pool.offers = [offered]
    with pytest.raises(model.Cannot, match=f"cannot give scratch the address {offered}: .*{why}"):
        start(use)
    assert (use.store.endpoints(), use.store.bindings()) == ((holder,), ())
    assert (world.pool.given, world.pool.pairs, world.counts["dhcp.refused"]) == ({}, {}, 1)


@pytest.mark.parametrize("unpointed", [False, True])
def test_a_zone_that_is_not_transferred_tells_by_its_pointers(
    use: driver.Driver, world: fakes.World, unpointed: bool
) -> None:
    world.silent.add("transfer")
    world.unpointed, world.pool.offers = unpointed, ["172.31.0.2"]
    if unpointed:
        assert str(start(use).address) == "172.31.0.2", "nobody can know"
        return
    with pytest.raises(model.Cannot, match="the address that the zone gives web"):
        start(use)


def test_the_bridges_own_address_is_refused(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> None:
    use = drive(world, clock, tmp_path, dataclasses.replace(LEASING, address=LEASED, snat=False))
    with pytest.raises(model.Cannot, match="the bridge's own address"):
        start(use)


def test_an_address_of_an_endpoint_that_is_gone_is_free(use: driver.Driver, world: fakes.World) -> None:
    start(use)
    del world.links[naming.veth(FIRST).host]
    world.pool.offers = [str(LEASED)]
    assert start(use, OTHER, "other").address == LEASED
    assert [e.name for e in use.store.endpoints()] == ["other"]


def test_with_an_update_key_the_address_is_registered(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> None:
    world.updates = updates = Updates()
    use = drive(world, clock, tmp_path, LEASING)
    start(use)
    (row,) = use.store.registrations()
    assert (row.name, row.address, row.phase) == ("scratch", LEASED, registration.Phase.HELD)
    world.zone["scratch"] = (str(LEASED),)
    sent = len(updates.sent)
    stop(use)
    start(use)
    assert len(updates.sent) == sent, "it is there already"
    stop(use)
    clock.move(30)
    world.pool.offers = [str(ELSEWHERE)]
    assert start(use).address == ELSEWHERE
    assert [(row.address, row.phase) for row in use.store.registrations()] == [(ELSEWHERE, registration.Phase.HELD)]


@pytest.mark.parametrize("updates", [Updates(refuses=True), Updates(silent=True)], ids=["refused", "silent"])
def test_what_cannot_be_registered_is_given_back(
    world: fakes.World, clock: Clock, tmp_path: pathlib.Path, updates: Updates
) -> None:
    world.updates = updates
    use = drive(world, clock, tmp_path, LEASING)
    with pytest.raises(model.Cannot, match="cannot "):
        start(use)
    assert (use.store.endpoints(), use.store.bindings(), world.pool.given) == ((), (), {})


def test_a_name_that_another_host_has_registered_is_refused(
    world: fakes.World, clock: Clock, tmp_path: pathlib.Path
) -> None:
    world.updates = Updates()
    use = drive(world, clock, tmp_path, LEASING)
    world.zone["there"] = ("172.31.0.70",)
    world.owners["there"] = "h2"
    with pytest.raises(model.Cannot, match="the driver h2 of another host has registered it"):
        start(use, name="there")


@pytest.mark.parametrize("failing", range(1, 12))
def test_each_act_that_fails_leaves_nothing_but_what_the_next_start_takes_up(
    use: driver.Driver, world: fakes.World, failing: int
) -> None:
    world.failing = failing
    try:
        start(use)
    except model.Cannot:
        assert use.store.endpoints() == ()
        assert world.links == {"br0": None}
        assert world.pool.pairs == {}
        world.failing = 0
        world.pool.offers = world.pool.offers or [str(LEASED)]
        assert start(use).address == LEASED
    assert len(use.store.bindings()) == 1


def test_the_only_candidate_is_verified(use: driver.Driver, world: fakes.World) -> None:
    world.waiting = ("scratch",)
    made = start(use, name=None)
    assert (made.rung, made.source, made.settled) == (model.Rung.CANDIDATE, model.Source.DHCP, False)
    world.attached = {FIRST: model.Attachment(container="c0", name="scratch")}
    join(use, world)
    settled = use.store.endpoint(FIRST)
    assert settled is not None
    assert settled.settled
    stop(use)
    start(use, OTHER, None)
    world.attached = {OTHER: model.Attachment(container="c1", name="somebody")}
    with pytest.raises(model.Cannot, match="cannot give somebody the address of scratch"):
        join(use, world, OTHER)


@pytest.fixture
def settler(use: driver.Driver, world: fakes.World, clock: Clock) -> settlement.Settler:
    world.waiting = ("several", "containers")
    provisional = start(use, name=None)
    assert provisional.source is model.Source.RANGE
    join(use, world)
    world.attached = {FIRST: model.Attachment(container="c0", name="scratch")}
    return fakes.settle(world, use.store, clock)


def test_who_has_a_provisional_address_is_moved_to_the_leased_one(
    use: driver.Driver, world: fakes.World, settler: settlement.Settler
) -> None:
    settler.settle()
    assert world.moved == [("c0", "scratch")]
    assert use.store.leased(NETWORK.id, "scratch") is None
    stop(use)
    assert start(use, OTHER).address == LEASED
    assert len(world.pool.asked) == 1, "what was leased for the move is what the move takes"


def test_silence_keeps_the_keeper_once(use: driver.Driver, world: fakes.World, settler: settlement.Settler) -> None:
    world.pool.silent = True
    for _ in range(3):
        settler.settle()
    assert "no DHCP server on br0 answered" in settler.told[FIRST]
    assert (len(world.pool.asked), world.moved) == (1, [])
    assert use.store.endpoints()[0].source is model.Source.RANGE


def test_a_renamed_container_keeps_its_lease_and_its_old_name_is_another_client(
    world: fakes.World, clock: Clock, tmp_path: pathlib.Path
) -> None:
    world.updates = Updates()
    use = drive(world, clock, tmp_path, LEASING)
    start(use)
    (row,), (before,) = use.store.registrations(), use.store.bindings()
    assert fakes.register(world, use.store, clock).rename(row, "renamed")
    assert use.store.bindings() == (dataclasses.replace(before, name="renamed"),)
    world.pool.offers = [str(ELSEWHERE)]
    start(use, OTHER)
    macs = [bound.mac for bound in use.store.bindings()]
    assert len(set(macs)) == 2


def test_two_do_not_ask_for_one_name_at_once(use: driver.Driver, world: fakes.World, clock: Clock) -> None:
    leaser = use.assigner.leaser
    with leaser.asker.turn("scratch", LEASING):
        with deadline.within(0.05), pytest.raises(model.Cannot, match="it is just being asked for; start it again"):
            leaser.give(UNLISTED, LEASING, patient=False)
        other = threading.Thread(target=lambda: leaser.give(UNLISTED, LEASING))
        other.start()
    other.join(10)
    assert [name for name, _ in world.pool.asked] == ["scratch"]
    assert leaser.asker.asking == set()


def test_an_address_that_is_leased_is_nobodys_provisional_one(use: driver.Driver, world: fakes.World) -> None:
    world.pool.offers = [str(NETWORK.range[0])]
    start(use)
    stop(use)
    world.waiting = ("several", "containers")
    assert start(use, OTHER, None).address == NETWORK.range[1]


def test_the_status_shows_the_lease_of_who_has_it(use: driver.Driver, world: fakes.World, clock: Clock) -> None:
    start(use)
    start(use, OTHER, "web")
    told = typing.cast("dict[str, list[dict[str, object]]]", fakes.uses(world, use.store, clock).control.status())
    scratch, web = told["endpoints"]
    mac = naming.client_mac("h1", LEASING, "scratch")
    (bound,) = use.store.bindings()
    ends = bound.obtained.isoformat(timespec="seconds"), bound.expires.isoformat(timespec="seconds")
    assert scratch["lease"] == {"server": "172.31.0.1", "mac": mac, "obtained": ends[0], "expires": ends[1]}
    assert (scratch["source"], web["lease"], told["networks"][0]["unlisted"]) == ("dhcp", None, "dhcp")


def test_a_network_without_a_client_is_refused(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> None:
    made = fakes.make(world, store.Store(tmp_path / "driver.db"), clock)
    world.pool.absent = True
    asked = dataclasses.replace(CREATE, options={"fullhost.unlisted": "dhcp", "fullhost.bridge": "br7"})
    with pytest.raises(model.Cannot, match="apt install udhcpc"):
        made.create(asked)
    world.pool.absent = False
    own = dataclasses.replace(asked, pools=("172.31.0.0/24",), spaces=frozenset({"fullhost"}))
    with pytest.raises(model.Cannot, match=r"--ipam-driver null -o fullhost\.unlisted=dhcp"):
        made.create(own)
    made.create(asked)
    assert made.store.networks()[0].unlisted is model.Unlisted.DHCP
