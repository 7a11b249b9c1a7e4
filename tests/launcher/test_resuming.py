"""The machines of a host that has booted: who is let go, and when."""

import dataclasses
import threading

from launcher import config, inventory, model, resuming
from tests.launcher import fakes

ZONE = {"host": 1, "web": 2, "db": 3, "cache": 4}
SETTINGS = config.parse('[machine.web]\nafter = ["db"]\n[machine.db]\ndelay = 3\n')


class Engine(fakes.Engine):
    """An engine that has booted; the machines `held` wait for their turn until their init is asked."""

    def __init__(self, *there: model.Machine, held: tuple[str, ...] = ()) -> None:
        super().__init__(*there)
        self.held, self.asked = set(held), list[str]()

    def run(
        self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
    ) -> model.Answer:
        name = self._name(container)
        if command[-1].endswith("held"):
            return model.Answer(exit_code=0 if name in self.held else 1, output="")
        self.held.discard(name)
        self.asked.append(name)
        return super().run(container, command, seconds=seconds, interrupted=interrupted)


def _resume(
    engine: fakes.Engine, driver: fakes.Driver | None = None, settings: config.Config = SETTINGS
) -> tuple[dict[str, str], list[str]]:
    """Give what was done with each, and the steps on the way."""
    heard: list[str] = []
    operator = fakes.operator(engine, driver or fakes.Driver(ZONE), settings=settings, heard=heard)
    results = resuming.Resuming(engine=engine, operator=operator).resume()
    return {result.name: result.done or str(result.refused) for result in results}, heard


def _stopped(name: str, *, autostart: bool = True, error: str = "") -> model.Machine:
    machine = fakes.machine(name, state=model.State.EXITED)
    return dataclasses.replace(machine, autostart=autostart, error=error)


def test_each_is_let_go_once_those_that_it_comes_after_are_up_and_their_delay_is_over() -> None:
    engine = Engine(fakes.machine("web"), fakes.machine("db"), held=("web", "db"))
    done, heard = _resume(engine)
    assert done == {"web": "booted", "db": "booted"}
    assert heard == ["db waiting for systemd", "db up; 3 seconds until the next", "web waiting for systemd"]
    assert engine.held == set()
    assert not [call for call in engine.calls if call.startswith(("start", "create"))]


def test_where_only_the_engine_was_started_anew_nothing_is_held_and_no_delay_passes() -> None:
    done, heard = _resume(Engine(fakes.machine("web"), fakes.machine("db")))
    assert done == {"web": "up already", "db": "up already"}
    assert "db up; 3 seconds until the next" not in heard


def test_who_was_stopped_stays_so_and_is_not_waited_for() -> None:
    engine = Engine(fakes.machine("web"), _stopped("db"), held=("web",))
    assert _resume(engine)[0] == {"web": "booted"}
    assert engine.containers["db"].state is model.State.EXITED


def test_what_the_engine_tried_in_vain_is_tried_again() -> None:
    engine = Engine(fakes.machine("web"), _stopped("db", error="cannot look up db.local"), held=("web",))
    assert _resume(engine)[0] == {"web": "booted", "db": "continued"}


def test_who_starts_for_others_only_is_started_where_one_needs_it() -> None:
    engine = Engine(fakes.machine("web"), _stopped("db", autostart=False), _stopped("cache", autostart=False))
    assert _resume(engine)[0] == {"web": "up already", "db": "continued"}


def test_one_that_fails_holds_those_that_come_after_it_and_no_others() -> None:
    engine = Engine(*map(fakes.machine, ("web", "db", "cache")), held=("web", "db", "cache"))
    engine.answers["db"] = ["maintenance\n"]
    done, _ = _resume(engine)
    assert done["db"].startswith("cannot boot db: its init gave up")
    assert done["web"] == "cannot start web: it comes after db, which failed"
    assert (done["cache"], engine.held) == ("booted", {"web"})


def test_a_circle_is_told_once_and_holds_nobody() -> None:
    engine = Engine(fakes.machine("web"), fakes.machine("db"), held=("web", "db"))
    circle = config.parse('[machine.web]\nafter = ["db"]\n[machine.db]\nafter = ["web"]\n')
    operator = fakes.operator(engine, fakes.Driver(ZONE), settings=circle)
    first, second = resuming.Resuming(engine=engine, operator=operator).resume()
    assert (first.done, second.done) == ("booted", "booted")
    assert "cannot order the machines: web after db after web" in first.warnings
    assert not [told for told in second.warnings if "order" in told]


def test_a_zone_that_cannot_be_read_or_has_a_machine_no_more_holds_nobody() -> None:
    class Closed(fakes.Driver):
        def zone(self, network: str) -> inventory.Zone:
            raise model.Cannot("cannot transfer the zone local")

    engine = Engine(fakes.machine("web"), fakes.machine("db"), held=("web", "db"))
    done, heard = _resume(engine, Closed(ZONE))
    assert done == {"web": "booted", "db": "booted"}
    assert heard[0] == "db waiting for systemd", "fhv.toml knows the order as well"
    gone = Engine(fakes.machine("gone"), held=("gone",))
    assert _resume(gone)[0] == {"gone": "booted"}


def test_nobody_is_let_in_at_boot_and_a_host_without_machines_asks_nothing() -> None:
    engine, driver = Engine(fakes.machine("web")), fakes.Driver(ZONE)
    operator = fakes.operator(engine, driver)

    def welcome(machine: model.Machine) -> str:
        raise AssertionError(machine)

    operator = dataclasses.replace(operator, watch=dataclasses.replace(operator.watch, welcome=welcome))
    assert [result.done for result in resuming.Resuming(engine=engine, operator=operator).resume()] == ["up already"]
    driver.down = model.Cannot("cannot reach the network driver")
    assert _resume(Engine(), driver)[0] == {}


def test_a_machine_of_another_network_is_let_go_as_it_is() -> None:
    engine = Engine(dataclasses.replace(fakes.machine("web"), network="other"), held=("web",))
    operator = fakes.operator(engine, fakes.Driver(ZONE | {"web": 9}), settings=SETTINGS)
    (result,) = resuming.Resuming(engine=engine, operator=operator).resume()
    assert (result.done, result.warnings, engine.held) == ("booted", (), set())
