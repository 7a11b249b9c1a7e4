"""What is left over: endpoints that no live container has, and host ends that no endpoint has."""

import datetime
from collections.abc import Mapping

from netplugin import addressing, model, naming


def is_doubtful(port: model.Port | None) -> bool:
    """Tell whether the peer of a host end is in no sandbox, or down in one: the engine knows whether it is of anybody.

    One that died as it set a sandbox up leaves the peer in there, and forgets the endpoint.
    """
    return port is not None and port.peer is not model.Whereabouts.AWAY


def leftovers(
    ports: Mapping[str, model.Port],
    endpoints: tuple[model.Endpoint, ...],
    *,
    now: datetime.datetime,
    grace: datetime.timedelta,
    gone: frozenset[str],
) -> tuple[list[model.Endpoint], list[str]]:
    """Return the endpoints that are stale, and the host ends that are of no other endpoint."""
    stale, live = [], set()
    for endpoint in endpoints:
        port = ports.get(host_end := naming.veth(endpoint.id).host)
        lost = endpoint.id in gone and is_doubtful(port)
        if lost or addressing.is_stale(endpoint, port, now=now, grace=grace):
            stale.append(endpoint)
        else:
            live.add(host_end)
    return stale, sorted(ports.keys() - live)
