"""The driver with every call and step timed: gunicorn serves `tests.bench.traced:create_app()` instead of netplugin's.

Each leaf is wrapped, and nothing of the product is changed for it. A line of the log is what began and ended when
(CLOCK_MONOTONIC, which all processes of the machine share), and in which thread: the steps of a call lie within it.
"""

import contextlib
import dataclasses
import json
import sys
import threading
import time
import typing
from collections.abc import Iterator, Mapping

import flask

from netplugin import app, assembly, config, store, transaction

MARK = "trace "
T = typing.TypeVar("T")


def create_app() -> flask.Flask:
    """Return the application, traced."""
    served = app.create_app(leaves=leaves)

    def begin() -> None:
        flask.g.began = time.monotonic()

    def end(response: flask.Response) -> flask.Response:
        tell(flask.request.path.removeprefix("/"), flask.g.began)
        return response

    served.before_request(begin)
    served.after_request(end)
    return served


def leaves(settings: config.Settings) -> assembly.Leaves:
    """Return the real leaves, each in a wrapping that times it."""
    real = assembly.leaves(settings)
    return dataclasses.replace(
        real,
        store=Store(settings.state),
        links=wrapped(real.links, "links"),
        firewall=wrapped(real.firewall, "firewall"),
        zone=wrapped(real.zone, "zone"),
        engine=wrapped(real.engine, "engine"),
    )


class Store(store.Store):
    """The store, in which a transaction is timed as what it waits for: the lock, and the disk."""

    @contextlib.contextmanager
    def transaction(self) -> Iterator[transaction.Transaction]:
        """Time BEGIN, and COMMIT."""
        began = time.monotonic()
        ended = began
        with super().transaction() as writes:
            tell("store.begin", began)
            yield writes
            ended = time.monotonic()
        tell("store.commit", ended)


class Wrapped:
    """A leaf of which each call is timed."""

    def __init__(self, leaf: object, name: str) -> None:
        self._leaf, self._name = leaf, name

    def __getattr__(self, step: str) -> object:
        act = getattr(self._leaf, step)

        def timed(*given: object, **named: object) -> object:
            began = time.monotonic()
            try:
                found: object = act(*given, **named)
                return found
            finally:
                tell(f"{self._name}.{step}", began)

        return timed


def wrapped(leaf: T, name: str) -> T:
    """Return the leaf, timed."""
    return typing.cast("T", Wrapped(leaf, name))


def tell(what: str, began: float) -> None:
    """Write what ended now."""
    line: Mapping[str, object] = {
        "what": what,
        "began": began,
        "ended": time.monotonic(),
        "thread": threading.current_thread().name,
    }
    sys.stderr.write(f"{MARK}{json.dumps(line)}\n")
