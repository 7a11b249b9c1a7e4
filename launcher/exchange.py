"""One container in the place of another: the old one is kept until the new one is up, and comes back if it is not.

Nothing is lost whenever it ends. The new container is made beside the running machine and called NAME.new, the old
one is called NAME.replaced from its stop until the new one is up. No machine can have such a name, and the engine
gives each only once: two of `fhv` cannot exchange the same machine.
"""

import contextlib
import dataclasses
import typing
from collections.abc import Callable

from launcher import booting, ending, inits, model, rivalry


class Engine(booting.Engine, ending.Engine, typing.Protocol):
    """What of the engine an exchange needs."""

    def create(self, creation: model.Creation, *, called: str = "") -> tuple[str, str]: ...
    def start(self, name: str, container: str) -> str: ...
    def follow(self, name: str, old: str, new: str) -> None: ...
    def rename(self, name: str, container: str, new: str) -> None: ...
    def remove(self, name: str, container: str, *, force: bool) -> None: ...


def impatient(error: booting.StillBooting) -> model.Cannot:
    """Say what to do where a machine that is not up in time is not left to its boot."""
    return model.Cannot(str(error), hint="give it longer, with --timeout")


def _aside(name: str) -> str:
    return f"{name}.replaced"


class Hold(typing.Protocol):
    """What keeps others from a machine for a while (launcher.holding)."""

    def __call__(self, name: str, *, alone: bool = False) -> contextlib.AbstractContextManager[None]: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exchange:
    """Exchanges containers; `report` hears of each step as (machine, step)."""

    engine: Engine
    ending: ending.Ending
    watch: booting.Watch
    report: Callable[[str, str], None]
    hold: Hold

    def replace(self, old: model.Machine, creation: model.Creation, init: inits.Init) -> tuple[str, ...]:
        """Put a machine made anew in the place of `old`, running if that ran, and give what a person should know."""
        name, runs = old.name, old.runs
        self._refuse_second(name)
        self.report(name, "creating")
        container, warned = self._create(creation)
        with contextlib.ExitStack() as undo:
            undo.callback(self._bring_back, old, container)
            self.engine.follow(name, old.container, container)
            if runs:
                self.ending.end(old)
            self.engine.rename(name, old.container, _aside(name))
            self.engine.rename(name, container, name)
            try:
                booted = self.boot(name, container, init) if runs else ""
            except booting.StillBooting as error:
                raise impatient(error) from error
            undo.pop_all()
        self._discard(_aside(name))
        return tuple(filter(None, (warned, booted)))

    def again(self, machine: model.Machine) -> None:
        """Start a machine again whose stop was begun: what a Ctrl-C left to the engine would come after the start."""
        with contextlib.suppress(model.Cannot):
            self.engine.stop(machine.name, machine.container)
        self.engine.start(machine.name, machine.container)

    def boot(self, name: str, container: str, init: inits.Init) -> str:
        """Start a container that was just made, and wait until it is up."""
        self.report(name, "starting")
        told = self.engine.start(name, container)
        self.report(name, f"waiting for {init.name}")
        return "; ".join(filter(None, (told, self.watch.until_up(name, container, init))))

    def recover(self, name: str) -> str:
        """Bring back the machine whose exchange was cut off where it had no container, and say that it was."""
        aside = self.engine.find(_aside(name))
        if aside is None or self.engine.find(name) is not None:
            return ""
        self.engine.rename(name, aside.container, name)
        self._discard(rivalry.fresh(name))
        return "it is what it was before: the exchange of it for another was cut off"

    def settle(self, name: str) -> str:
        """Let go of the old container where the exchange was cut off after it: the new one is up."""
        aside = self.engine.find(_aside(name))
        if aside is None:
            return ""
        self.engine.remove(name, aside.container, force=False)
        return f"the one before it, {_aside(name)}, was left by an exchange that was cut off, and is removed"

    def _refuse_second(self, name: str) -> None:
        for called in (rivalry.fresh(name), _aside(name)):
            if self.engine.find(called) is not None:
                begun = called == _aside(name)
                way = f"fhv start {name} ends what was begun" if begun else f"docker rm {called}"
                raise rivalry.refused(name, called, way)

    def _create(self, creation: model.Creation) -> tuple[str, str]:
        """Make the new container; one that a Ctrl-C leaves half-told is removed by its name."""
        try:
            return self.engine.create(creation, called=rivalry.fresh(creation.name))
        except model.Cannot:
            raise
        except BaseException:
            self._discard(rivalry.fresh(creation.name))
            raise

    def _discard(self, called: str) -> None:
        """Remove a container that is in nobody's way, if that can be."""
        with contextlib.suppress(model.Cannot):
            if (found := self.engine.find(called)) is not None:
                self.engine.remove(called, found.container, force=True)

    def _bring_back(self, old: model.Machine, container: str) -> None:
        """Undo all of it, from wherever it is."""
        name = old.name
        self.report(name, "bringing back what was before")
        try:
            self.engine.remove(name, container, force=True)
            if self.engine.find(name) is None:
                self.engine.rename(name, old.container, name)
            if old.runs:
                self.again(old)
            self.report(name, "it is what it was before")
        except model.Cannot as error:
            raise model.Cannot(
                f"cannot bring {name} back as it was: {error}", hint=f"nothing of it is lost: fhv start {name}"
            ) from error
