"""Having an init end its machine, and saying what that waits for when it takes long."""

import contextlib
import dataclasses
import threading
import typing
from collections.abc import Callable, Iterator

from launcher import model, plan

_SILENCE_SECONDS = 3.0


class Engine(typing.Protocol):
    """What of the engine it takes."""

    def find(self, name: str) -> model.Machine | None: ...
    def stop(self, name: str, container: str) -> None: ...


class Driver(typing.Protocol):
    """What of the driver it takes: the engine calls it for each machine that ends, and waits for it."""

    def status(self) -> model.DriverStatus: ...


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Ends machines; `report` hears of each step as (machine, step)."""

    engine: Engine
    driver: Driver
    report: Callable[[str, str], None]

    def end(self, machine: model.Machine) -> tuple[str, ...]:
        """End a machine that runs, and give what a person should know."""
        self.report(machine.name, "stopping")
        with self._telling(machine.name):
            self.engine.stop(machine.name, machine.container)
        after = self.engine.find(machine.name)
        killed = after is not None and after.exit_code == plan.KILLED
        return (plan.HAD_TO_BE_KILLED,) if killed else ()

    def reason(self) -> str:
        """Say what the end of a machine waits for."""
        try:
            self.driver.status()
        except model.Cannot as error:
            return f"still stopping: the engine tries to reach the network driver for 45 seconds: {error}"
        return "still stopping: its init is ending its services"

    @contextlib.contextmanager
    def _telling(self, name: str) -> Iterator[None]:
        timer = threading.Timer(_SILENCE_SECONDS, lambda: self.report(name, self.reason()))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
