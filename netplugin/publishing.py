"""Use cases of ports that the world may see: those of `docker run -p`, and those that `fhv expose` gives a name."""

import contextlib
import dataclasses
import logging
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping

from netplugin import addressing, answers, deadline, exposure, model, naming, protocol, store

Json = Mapping[str, object]
_UNHELD = "cannot hold the port of"
_log = logging.getLogger("fullhost")


class Firewall(typing.Protocol):
    """What is done with rules for a network's ports (netplugin.firewall)."""

    def missing(self, network: model.Network, ways: tuple[exposure.Way, ...]) -> tuple[str, ...]: ...
    def ensure(self, network: model.Network, ways: tuple[exposure.Way, ...]) -> None: ...
    def translate(self, network: model.Network, ways: tuple[exposure.Way, ...]) -> None: ...
    def delete(self, network_id: str) -> None: ...


class Claims(typing.Protocol):
    """What is done with the host's own ports (netplugin.claims)."""

    def in_use(self, wanted: exposure.Exposure) -> str | None: ...
    def keep(self, wanted: Iterable[exposure.Exposure]) -> tuple[str, ...]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Publisher:
    """The use cases over their leaves. To the keeper it is the firewall, which it gives the ways that the store has.

    `told` has, among what else `fhv status` warns of, the ports that cannot be held on the host; each is logged once.
    """

    store: store.Store
    firewall: Firewall
    claims: Claims
    count: Callable[[str], None]
    told: dict[str, str] = dataclasses.field(default_factory=dict)

    def publish(self, request: protocol.Publish) -> answers.Answer:
        """Lead ports of the host to an endpoint (docker run -p, -P); asked again, what it had is replaced."""
        if not request.wishes:
            return answers.Answer()
        network, endpoint = self.store.network(request.network_id), self.store.endpoint(request.endpoint_id)
        if endpoint is None:
            raise addressing.unknown("publish ports of", request.endpoint_id)
        if endpoint.address is None:
            raise exposure.unserved(endpoint)

        def make(wish: exposure.Wish, number: int) -> exposure.Exposure:
            return _made(wish, number, network.id, endpoint=request.endpoint_id)

        had = self._published(request.endpoint_id)
        made = self._lead(network, request.wishes, make, had=had)
        self.count("published")
        return answers.Answer(note=f"name={endpoint.name} ports={','.join(map(str, made))}")

    def revoke(self, request: protocol.EndpointRef) -> answers.Answer:
        """Take back what was published for an endpoint; none is fine."""
        self._take(self._published(request.endpoint_id), request.network_id)
        return answers.Answer()

    @contextlib.contextmanager
    def following(self, endpoint: model.Endpoint | None) -> Iterator[None]:
        """Surround what changes of an endpoint, so that its ports follow; it does change whatever comes of that."""
        concerned = endpoint is not None and any(_is_of(exposed, endpoint) for exposed in self.store.exposures())
        yield
        if endpoint is None or not concerned:
            return
        try:
            self._refresh(endpoint.network_id)
        except model.Cannot as error:
            self.count("published.late")
            _log.warning("the ports of %s follow within seconds: %s", endpoint.name, error)

    def expose(self, network_id: str, body: Json) -> Json:
        """Lead ports of the host to a name, for good."""
        network = self.store.network(network_id)
        name, texts = _asked(body, network)
        if not texts:
            raise model.Cannot(f"expose {name}", why="no port is given", hint=f"fhv expose {name} 8080:80")
        wishes = tuple(wish for text in texts for wish in exposure.parse(text))
        for endpoint in self.store.endpoints():
            if (endpoint.network_id, endpoint.name, endpoint.address) == (network.id, name, None):
                raise exposure.unserved(endpoint)

        def make(wish: exposure.Wish, number: int) -> exposure.Exposure:
            return _made(wish, number, network.id, name=name)

        known = {(e.transport, e.host, e.port, e.host_port) for e in self._mine(network.id, name)}
        new = tuple(w for w in wishes if not any((w.transport, w.host, w.port, n) in known for n in w.among))
        made = self._lead(network, new, make) if new else ()
        return {"name": name, "exposed": [str(exposed) for exposed in made], "there": len(wishes) - len(new)}

    def unexpose(self, network_id: str, body: Json) -> Json:
        """Take ports from a name; without a port, all of them."""
        network = self.store.network(network_id)
        name, texts = _asked(body, network)
        gone = exposure.selected(texts, self._mine(network.id, name), name=name)
        self._take(gone, network.id)
        return {"name": name, "taken": [str(exposed) for exposed in gone]}

    def exposures(self) -> Json:
        """Return every exposure, and the address to which it leads now."""
        exposures, endpoints = self.store.exposures(), self.store.endpoints()
        names = {endpoint.id: endpoint.name for endpoint in endpoints}
        networks = {exposed.network_id for exposed in exposures}
        leads = {way.exposure: way.address for n in networks for way in exposure.ways(exposures, endpoints, n)}
        return {
            "exposures": [
                {
                    "network": exposed.network_id,
                    "name": exposed.name or names.get(exposed.endpoint_id or ""),
                    "endpoint": exposed.endpoint_id,
                    "host": str(exposed.host or ""),
                    "host_port": exposed.host_port,
                    "port": exposed.port,
                    "transport": exposed.transport,
                    "address": str(leads[exposed]) if exposed in leads else None,
                    "lasting": exposed.name is not None,
                }
                for exposed in exposures
            ]
        }

    # the firewall, as the keeper and the networks use it

    def missing(self, network: model.Network) -> tuple[str, ...]:
        """Return what is missing of a network's rules."""
        return self.firewall.missing(network, self._ways(network.id))

    def ensure(self, network: model.Network) -> None:
        """Put back what is missing of a network's rules, and hold the host's ports."""
        self.firewall.ensure(network, self._ways(network.id))
        self.hold()

    def delete(self, network_id: str) -> None:
        """Take a network's rules away."""
        self.firewall.delete(network_id)

    def hold(self) -> None:
        """Hold the host's ports of all exposures; one that somebody took meanwhile is told, and goes on to lead."""
        refused = {f"{_UNHELD} {text}; see ss -tulpn" for text in self.claims.keep(self.store.exposures())}
        before = {key for key in self.told if key.startswith(_UNHELD)}
        for gone in before - refused:
            del self.told[gone]
        for sentence in sorted(refused - before):
            self.told[sentence] = sentence
            self.count("published.unheld")
            _log.warning("%s", sentence)

    def _lead(
        self,
        network: model.Network,
        wishes: tuple[exposure.Wish, ...],
        make: Callable[[exposure.Wish, int], exposure.Exposure],
        had: tuple[exposure.Exposure, ...] = (),
    ) -> tuple[exposure.Exposure, ...]:
        """Write the rows and the rules, both or neither; `had` goes first. What fails gives the ports back."""
        _refuse_lan(network)
        with contextlib.ExitStack() as undo:
            undo.callback(deadline.undo, self._refresh, network.id)
            with self.store.transaction() as transaction:
                for exposed in had:
                    transaction.remove_exposure(exposed)
                standing = tuple(e for e in self.store.exposures() if e not in had)
                made = exposure.choose(wishes, standing, make=make, in_use=self.claims.in_use, owner=self._owner)
                for exposed in made:
                    transaction.add_exposure(exposed)
                self.firewall.translate(network, self._ways(network.id))
            undo.pop_all()
        self.hold()
        return made

    def _take(self, gone: tuple[exposure.Exposure, ...], network_id: str) -> None:
        """Take exposures back, and have the rules follow; where there is none nothing is written."""
        if not gone:
            return
        with self.store.transaction() as transaction:
            for exposed in gone:
                transaction.remove_exposure(exposed)
        self._refresh(network_id)

    def _refresh(self, network_id: str) -> None:
        """Make rules and held ports what the store says, under the lock; a network that is gone has none."""
        with self.store.transaction():
            for network in self.store.networks():
                if network.id == network_id:
                    self.firewall.translate(network, self._ways(network.id))
            self.hold()

    def _owner(self, exposed: exposure.Exposure) -> str:
        endpoint = None if exposed.endpoint_id is None else self.store.endpoint(exposed.endpoint_id)
        return exposed.name or (endpoint and endpoint.name) or f"the endpoint {str(exposed.endpoint_id)[:12]}"

    def _ways(self, network_id: str) -> tuple[exposure.Way, ...]:
        exposures = self.store.exposures()
        return exposure.ways(exposures, self.store.endpoints(), network_id) if exposures else ()

    def _published(self, endpoint_id: str) -> tuple[exposure.Exposure, ...]:
        return tuple(e for e in self.store.exposures() if e.endpoint_id == endpoint_id)

    def _mine(self, network_id: str, name: str) -> tuple[exposure.Exposure, ...]:
        return tuple(e for e in self.store.exposures() if (e.network_id, e.name) == (network_id, name))


def _is_of(exposed: exposure.Exposure, endpoint: model.Endpoint) -> bool:
    if exposed.endpoint_id is not None:
        return exposed.endpoint_id == endpoint.id
    return (exposed.network_id, exposed.name) == (endpoint.network_id, endpoint.name)


def _made(
    wish: exposure.Wish, number: int, network_id: str, *, name: str | None = None, endpoint: str | None = None
) -> exposure.Exposure:
    return exposure.Exposure(
        network_id=network_id,
        name=name,
        endpoint_id=endpoint,
        transport=wish.transport,
        host=wish.host,
        host_port=number,
        port=wish.port,
    )


def _asked(body: Json, network: model.Network) -> tuple[str, tuple[str, ...]]:
    """Return the name and the ports of an order."""
    ports = body.get("ports") or []
    if not isinstance(ports, list) or not all(isinstance(port, str) for port in ports):
        raise model.Cannot("read the order", why="ports is no list of texts", hint='send {"name": …, "ports": [...]}')
    return naming.label(protocol.text(body, "name"), domain=network.domain), tuple(ports)


def _refuse_lan(network: model.Network) -> None:
    """Refuse a network that leads to the LAN: its machines answer by the LAN's gateway, past the host."""
    if network.parent is not None or network.address is None:
        raise model.Cannot(
            f"publish ports on {network.bridge}",
            why="its machines are on the LAN, and answer by the LAN's own gateway",
            hint="reach the machine at its own address",
        )
