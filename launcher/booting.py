"""Waiting for an init until it says that the machine is up."""

import dataclasses
import threading
import typing
from collections.abc import Callable, Iterable

from launcher import advice, inits, model, plan, prologue

_POLL_SECONDS = 0.2
_GLANCE_SECONDS = 2.0
_LAST_LINES = 10
_UNTRIED = "see that `fhv stop` ends it"


class StillBooting(model.Cannot):
    """Patience ended before the boot did; the machine is left to it."""


class Engine(typing.Protocol):
    """What of the engine a look at a machine needs."""

    def find(self, name: str) -> model.Machine | None: ...
    def run(
        self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
    ) -> model.Answer: ...
    def console(self, container: str, *, lines: int | None = None, follow: bool = False) -> Iterable[bytes]: ...


class Clock(typing.Protocol):
    """Seconds that only grow, and a way to let some pass."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """Asks inits how far they are; `interrupted` ends all waiting.

    `welcome` is what is done with every machine that is up; it says what a person should know of that. `ordered` tells
    whether machines are to wait for their turn when the host boots the next time.
    """

    engine: Engine
    clock: Clock
    patience: float
    welcome: Callable[[model.Machine], str] = lambda machine: ""
    interrupted: threading.Event = dataclasses.field(default_factory=threading.Event)
    ordered: bool = False

    def until_up(self, name: str, container: str, init: inits.Init) -> str:
        """Wait until the machine is up, and give what a person should know of it."""
        until = self.clock.now() + self.patience
        restarts = self._alive(name, container, restarts=None)
        told, question = False, prologue.let_go(init.ask, ordered=self.ordered)
        while (left := until - self.clock.now()) > 0 and not self.interrupted.is_set():
            match init.judge(self._run(container, question, seconds=left)):
                case inits.Progress.UP:
                    untried = f"fullhost was never tried with {init.name}: {_UNTRIED}"
                    return self._welcomed(name, "" if init.proven else untried)
                case inits.Progress.DEGRADED:
                    return self._welcomed(name, f"degraded: {self._blamed(container, init)}")
                case inits.Progress.FAILED:
                    raise model.Cannot(f"cannot boot {name}: its init gave up{self._console(container)}")
                case inits.Progress.ASKS if not told:
                    told = self._run(container, init.go, seconds=left).exit_code == 0
                case _:
                    pass
            self._alive(name, container, restarts=restarts)
            self.clock.sleep(_POLL_SECONDS)
        raise StillBooting(
            f"cannot wait any longer for {name}: its init is not up{self._console(container)}",
            hint=f"it goes on booting; fhv logs -f {name} shows how far it is, fhv status {name} what its init says",
        )

    def glance(self, machine: model.Machine, init: inits.Init) -> inits.Progress | model.State:
        """Say how far a machine is now; the state of one that does not run."""
        if machine.state != model.State.RUNNING:
            return machine.state
        if self.ordered and self.held(machine):
            return inits.Progress.HELD
        return init.judge(self._run(machine.container, prologue.past(init.ask), seconds=_GLANCE_SECONDS))

    def held(self, machine: model.Machine) -> bool:
        """Tell whether a machine that runs waits for its turn, since the host has booted."""
        return self._run(machine.container, prologue.HELD, seconds=_GLANCE_SECONDS).exit_code == 0

    def _welcomed(self, name: str, warning: str) -> str:
        machine = self.engine.find(name)
        return "; ".join(filter(None, (warning, self.welcome(machine) if machine else "")))

    def _run(self, container: str, command: tuple[str, ...], *, seconds: float) -> model.Answer:
        """Run a command; where none can be run yet, or no longer, it said nothing."""
        try:
            return self.engine.run(container, command, seconds=seconds, interrupted=self.interrupted)
        except model.Cannot:
            return model.Answer(exit_code=-1, output="")

    def _alive(self, name: str, container: str, *, restarts: int | None) -> int:
        """See that the init did not end; `unless-stopped` would start it again and again."""
        machine = self.engine.find(name)
        if machine is None or machine.container != container:
            raise model.Cannot(f"cannot boot {name}: it was removed meanwhile")
        if machine.state == model.State.RUNNING and restarts in (None, machine.restarts):
            return machine.restarts
        console = self._console(container)
        raise model.Cannot(
            f"cannot boot {name}: {_ended(machine)}{console}",
            hint=advice.of_console(console)
            or f"mend its image {machine.image}, or the machine, with what the console says",
        )

    def _blamed(self, container: str, init: inits.Init) -> str:
        units = self._run(container, init.blame, seconds=_GLANCE_SECONDS).output.splitlines()
        failed = ", ".join(line.split()[0] for line in units if line.strip())
        return f"failed units are {failed}" if failed else "some unit failed"

    def _console(self, container: str) -> str:
        try:
            log = b"".join(self.engine.console(container, lines=_LAST_LINES * 4))
        except model.Cannot:
            return ""
        words = plan.last_words(log.decode("utf-8", "replace"), lines=_LAST_LINES)
        return f"; the last lines of its console:\n{words}" if words else ", and its console is empty"


def _ended(machine: model.Machine) -> str:
    """Say how it ended; of what runs again already the engine does not tell the exit code."""
    match machine.state:
        case model.State.RUNNING:
            return "its init ended, and the engine has started it again"
        case model.State.RESTARTING:
            return f"its init ends with exit code {machine.exit_code}, however often the engine starts it again"
        case model.State.PAUSED:
            return "it was paused meanwhile"
        case _:
            return f"its init ended with exit code {machine.exit_code}"
