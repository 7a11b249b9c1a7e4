"""The driver with a hook that only tests have: every act of a use case is a numbered step at which SIGKILL can strike.

gunicorn serves it as `tests.lab.armed:create_app()`. FULLHOST_ARMED names a file that arms it, with a line such as
`driver.create_endpoint 3 after`; the file is gone by the time it strikes, so that the next life of the driver lives.
Beside it, in a file that ends with `.steps`, is every step that was done: a dry run makes the table of them.
"""

import contextlib
import os
import pathlib
import signal
import sys
import threading
import types
import typing
from collections.abc import Iterator, Mapping

import flask

from netplugin import app, assembly, config, guarding, store

ARMED = "FULLHOST_ARMED"
# A death at a question is one at the end of the act before it. Whatever is not named here is taken for an act.
QUESTIONS = frozenset(
    f"{leaf}.{verb}"
    for leaf, verbs in {
        "links": "exists overlapping check_bridge ports port stands forwarding forwarding6",
        "uplinks": "interface stands",
        "guard": "standing stopped",
        "firewall": "missing",
        "firewalld": "missing",
        "engine": "version network_ids network_name candidates containers attachments prepare endpoint_name",
        "zone": "addresses addresses6 records fleet pointer names owner",
        "store": "networks network endpoints each_endpoint unsettled endpoint holder named leased bearer engine"
        " is_elsewhere moves registrations owner held exposures binding bindings",
    }.items()
    for verb in verbs.split()
)
_USES = {f"netplugin.{name}" for name in ("driver", "networks", "ipam", "keeper", "settlement", "guarding")}


class Steps:
    """The steps of this process, numbered within each use case that begins; the outermost one is who acts."""

    def __init__(self, armed: pathlib.Path) -> None:
        self._armed = armed
        self._told = armed.with_suffix(".steps")
        self._of = threading.local()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Surround an act: death comes before it, after it, or not at all."""
        use = self._begin(name)
        self._strike(use, "before")
        yield
        self._strike(use, "after")

    def _begin(self, name: str) -> str:
        frame = _acting()
        last, number = getattr(self._of, "last", (None, 0))
        number = number + 1 if frame is last else 1
        self._of.last = (frame, number)
        use = f"{frame.f_globals['__name__'].partition('.')[2]}.{frame.f_code.co_name} {number}"
        with self._told.open("a") as told:
            told.write(f"{use} {name}\n")
        return use

    def _strike(self, use: str, when: str) -> None:
        try:
            if self._armed.read_text().strip() != f"{use} {when}":
                return
        except FileNotFoundError:
            return
        self._armed.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


class _Leaf:
    """A leaf whose acts are steps."""

    def __init__(self, name: str, leaf: object, steps: Steps) -> None:
        self._name, self._leaf, self._steps = name, leaf, steps

    def __getattr__(self, verb: str) -> object:
        found, step = getattr(self._leaf, verb), f"{self._name}.{verb}"
        if step in QUESTIONS or not callable(found):
            return found

        def act(*arguments: object, **named: object) -> object:
            with self._steps.step(step):
                return found(*arguments, **named)

        return act


class _Store(_Leaf):
    """The store: the begin and the commit of a transaction are steps, and each write in it."""

    def __init__(self, leaf: store.Store, steps: Steps) -> None:
        super().__init__("store", leaf, steps)
        self._store = leaf

    @contextlib.contextmanager
    def transaction(self) -> Iterator[object]:
        """Begin, write, commit."""
        with contextlib.ExitStack() as stack:
            with self._steps.step("store.begin"):
                transaction = stack.enter_context(self._store.transaction())
            yield _Leaf("store", transaction, self._steps)
            with self._steps.step("store.commit"):
                stack.close()


def _acting() -> types.FrameType:
    """Return the outermost call of a use case: the one that the engine or the clock asked for."""
    frame: types.FrameType | None = sys._getframe()
    found = None
    while frame is not None:
        if frame.f_globals.get("__name__") in _USES and frame.f_code.co_name != "run":
            found = frame
        frame = frame.f_back
    if found is None:
        raise AssertionError("cannot say whose step it is: name its module in tests/lab/armed.py")
    return found


def wrap(leaves: assembly.Leaves, armed: pathlib.Path) -> assembly.Leaves:
    """Return the leaves with their acts as steps."""
    steps = Steps(armed)
    return assembly.Leaves(
        store=typing.cast("store.Store", _Store(leaves.store, steps)),
        links=typing.cast("assembly.Links", _Leaf("links", leaves.links, steps)),
        uplinks=typing.cast("assembly.Uplinks", _Leaf("uplinks", leaves.uplinks, steps)),
        firewall=typing.cast("assembly.Firewall", _Leaf("firewall", leaves.firewall, steps)),
        firewalld=typing.cast("assembly.Firewalld", _Leaf("firewalld", leaves.firewalld, steps)),
        guard=typing.cast("guarding.Guard", _Leaf("guard", leaves.guard, steps)),
        zone=typing.cast("assembly.Zone", _Leaf("zone", leaves.zone, steps)),
        engine=typing.cast("assembly.Engine", _Leaf("engine", leaves.engine, steps)),
    )


def create_app(environment: Mapping[str, str] = os.environ) -> flask.Flask:
    """Return the driver's own application, over leaves whose acts are steps."""

    def leaves(settings: config.Settings) -> assembly.Leaves:
        return wrap(assembly.leaves(settings), pathlib.Path(environment[ARMED]))

    return app.create_app(environment, leaves)
