"""The driver put together: its leaves, and the use cases over them."""

import dataclasses
import datetime
import importlib.metadata
import os
import secrets
import socket
import threading
import typing
from collections.abc import Callable

from netplugin import (
    agreement,
    asking,
    assignment,
    claims,
    config,
    control,
    counting,
    dhcp,
    driver,
    engine,
    firewall,
    firewalld,
    guard,
    guarding,
    ipam,
    keeper,
    leasing,
    links,
    networks,
    publishing,
    records,
    registrar,
    renewal,
    segment,
    settlement,
    store,
    tidying,
    update,
    uplinks,
    zone,
)


class Links(driver.Links, leasing.Links, networks.Links, keeper.Links, control.Links, typing.Protocol):
    """What all use cases do with links."""


class Uplinks(networks.Uplinks, keeper.Uplinks, typing.Protocol):
    """What all use cases do with interfaces that lead to the LAN."""


class Firewall(publishing.Firewall, typing.Protocol):
    """What all use cases do with rules."""


class Firewalld(networks.Firewalld, keeper.Firewalld, typing.Protocol):
    """What all use cases do beside firewalld."""


class Zone(assignment.Zone, settlement.Zone, control.Zone, registrar.Zone, records.Zone, leasing.Zone, typing.Protocol):
    """What all use cases ask of DNS."""


class Engine(
    driver.Engine,
    networks.Engine,
    assignment.Engine,
    settlement.Engine,
    keeper.Engine,
    control.Engine,
    tidying.Engine,
    renewal.Engine,
    typing.Protocol,
):
    """What all use cases ask of the engine."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Leaves:
    """Everything that is outside of the driver, each behind its one door."""

    store: store.Store
    links: Links
    uplinks: Uplinks
    firewall: Firewall
    firewalld: Firewalld
    zone: Zone
    engine: Engine
    guard: guarding.Guard = guard
    segment: asking.Segment = segment
    client: asking.Client = dhcp
    claims: publishing.Claims = dataclasses.field(default_factory=claims.Claims)
    update: registrar.Update | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Uses:
    """The use cases; `woken` has the keeper look at once."""

    driver: driver.Driver
    networks: networks.Networks
    keeper: keeper.Keeper
    guardian: guarding.Guardian
    control: control.Control
    tidier: tidying.Tidier
    renewer: renewal.Renewer
    records: records.Records
    ipam: ipam.Ipam
    publisher: publishing.Publisher
    woken: threading.Event
    count: Callable[[str], None]


def leaves(settings: config.Settings) -> Leaves:
    """Return the real ones: the kernel, the DNS server, the engine, and the state file."""
    key_file = settings.update_key_file
    return Leaves(
        store=store.Store(settings.state),
        links=links,
        uplinks=uplinks,
        firewall=firewall,
        firewalld=firewalld,
        zone=zone,
        engine=engine.Engine(settings.docker),
        update=update.Updater(update.read_key(key_file)) if key_file else None,
    )


def assemble(settings: config.Settings, over: Leaves) -> Uses:
    """Return the use cases over leaves."""
    counters, told, woken = counting.Counters(), dict[str, str](), threading.Event()
    count = counters.add
    registers = registrar.Registrar(
        store=over.store,
        zone=over.zone,
        update=over.update,
        owner=over.store.owner(f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"),
        now=_now,
        count=count,
    )
    leaser = leasing.Leaser(
        store=over.store,
        links=over.links,
        asker=asking.Asker(segment=over.segment, client=over.client, count=count),
        zone=over.zone,
        registrar=registers,
        owner=registers.owner,
        now=_now,
        count=count,
    )
    assigner = assignment.Assigner(
        store=over.store, zone=over.zone, engine=over.engine, registrar=registers, leaser=leaser, now=_now, count=count
    )
    agreed = agreement.Agreement(store=over.store, assigner=assigner)
    publisher = publishing.Publisher(
        store=over.store, firewall=over.firewall, claims=over.claims, count=count, told=told
    )
    guardian = guarding.Guardian(store=over.store, guard=over.guard, count=count)
    use = driver.Driver(
        store=over.store,
        links=over.links,
        engine=over.engine,
        assigner=assigner,
        agreement=agreed,
        publisher=publisher,
        guardian=guardian,
        wake=woken.set,
        now=_now,
        count=count,
    )
    made = networks.Networks(
        store=over.store,
        links=over.links,
        uplinks=over.uplinks,
        firewall=publisher,
        firewalld=over.firewalld,
        engine=over.engine,
        registrar=registers,
        leaser=leaser,
        guardian=guardian,
        defaults=settings.network_defaults,
        now=_now,
        count=count,
    )
    keep = keeper.Keeper(
        store=over.store,
        links=over.links,
        uplinks=over.uplinks,
        firewall=publisher,
        firewalld=over.firewalld,
        engine=over.engine,
        settler=settlement.Settler(store=over.store, zone=over.zone, engine=over.engine, leaser=leaser, count=count),
        dismantle=made.dismantle,
        now=_now,
        count=count,
        told=told,
    )
    asked = control.Control(
        store=over.store,
        links=over.links,
        zone=over.zone,
        engine=over.engine,
        counters=counters.read,
        stopped=guardian.stopped,
        told=told,
        version=importlib.metadata.version("fullhost"),
        pid=os.getpid(),
        started=_now(),
    )
    return Uses(
        driver=use,
        networks=made,
        keeper=keep,
        guardian=guardian,
        control=asked,
        tidier=tidying.Tidier(
            store=over.store, engine=over.engine, registrar=registers, now=_now, count=count, told=told
        ),
        renewer=renewal.Renewer(
            store=over.store,
            engine=over.engine,
            leaser=leaser,
            now=_now,
            count=count,
            wake=woken.set,
            told=told,
        ),
        records=records.Records(store=over.store, zone=over.zone, registrar=registers, count=count),
        ipam=ipam.Ipam(store=over.store, agreement=agreed),
        publisher=publisher,
        woken=woken,
        count=count,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
