"""Waiting for an init."""

import dataclasses
import threading

import pytest

from launcher import booting, inits, model
from tests.launcher import fakes


def _wait(engine: fakes.Engine, init: str = "systemd", *, clock: fakes.Clock | None = None) -> str:
    watch = booting.Watch(engine=engine, clock=clock or fakes.Clock(), patience=10)
    return watch.until_up("web", "id-of-web", inits.INITS[init])


def test_systemd_is_asked_until_it_is_up() -> None:
    engine, clock = fakes.Engine(fakes.machine("web")), fakes.Clock()
    engine.answers["web"] = ["Failed to connect to bus\n", "starting\n", "running\n"]
    assert _wait(engine, clock=clock) == ""
    assert clock.now() == pytest.approx(0.4)


def test_sysvinit_is_told_once_to_enter_runlevel_3() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.answers["web"] = ["unknown\n", "N 2\n", "", "N 2\n", "2 3\n/bin/sh /etc/init.d/rc\n", "2 3\n"]
    assert _wait(engine, "sysvinit") == ""
    assert engine.calls.count("run telinit 3") == 1


def test_an_init_that_nobody_ever_tried_is_told() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.answers["web"] = ["N 3\n"]
    watch = booting.Watch(engine=engine, clock=fakes.Clock(), patience=10)
    untried = dataclasses.replace(inits.INITS["upstart"], proven="")
    said = watch.until_up("web", "id-of-web", untried)
    assert said.startswith("fullhost was never tried with upstart")


def test_degraded_is_up_with_the_units_that_failed() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.answers["web"] = ["degraded\n", "ssh.service loaded failed failed x\n"]
    assert _wait(engine) == "degraded: failed units are ssh.service"
    engine.answers["web"] = ["degraded\n", "\n"]
    assert _wait(engine) == "degraded: some unit failed"


def test_an_init_that_gives_up_is_told_with_its_last_words() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.answers["web"] = ["maintenance\n"]
    with pytest.raises(model.Cannot, match="its init gave up; the last lines of its console:\nWelcome\nPanic: no disk"):
        _wait(engine)


def test_a_machine_in_a_circle_of_restarts_is_told() -> None:
    engine = fakes.Engine(fakes.machine("web"))

    class Circling(fakes.Engine):
        def run(
            self, container: str, command: tuple[str, ...], *, seconds: float, interrupted: threading.Event
        ) -> model.Answer:
            self.containers["web"] = dataclasses.replace(self.containers["web"], restarts=1, exit_code=3)
            return model.Answer(exit_code=-1, output="")

    engine = Circling(fakes.machine("web"))
    with pytest.raises(model.Cannot, match="its init ended, and the engine has started it again; the last lines"):
        _wait(engine)


@pytest.mark.parametrize(
    ("state", "fact"),
    [
        (model.State.RESTARTING, "its init ends with exit code 3, however often the engine starts it again"),
        (model.State.EXITED, "its init ended with exit code 3"),
        (model.State.PAUSED, "it was paused meanwhile"),
    ],
)
def test_what_does_not_run_is_told_with_what_became_of_it(state: model.State, fact: str) -> None:
    engine = fakes.Engine(dataclasses.replace(fakes.machine("web", state=state), exit_code=3))
    with pytest.raises(model.Cannot, match=f"^cannot boot web: {fact}; the last lines of its console:"):
        _wait(engine)


def test_a_machine_that_is_removed_meanwhile_is_told() -> None:
    with pytest.raises(model.Cannot, match="it was removed meanwhile"):
        _wait(fakes.Engine())


def test_one_that_waits_for_its_turn_is_told() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    watch = booting.Watch(engine=engine, clock=fakes.Clock(), patience=10)
    assert watch.glance(fakes.machine("web"), inits.INITS["systemd"]) is inits.Progress.UP
    held = dataclasses.replace(watch, ordered=True).glance(fakes.machine("web"), inits.INITS["systemd"])
    assert str(held) == "held: it waits for its turn"


def test_patience_ends_and_a_console_that_cannot_be_read_hides_nothing() -> None:
    engine, clock = fakes.Engine(fakes.machine("web")), fakes.Clock()
    engine.failing = {"run": model.Cannot("cannot run"), "console": model.Cannot("cannot read")}
    with pytest.raises(booting.StillBooting, match=r"^cannot wait any longer for web: its init is not up$") as caught:
        _wait(engine, clock=clock)
    assert "fhv logs -f web" in caught.value.hint
    assert clock.now() == pytest.approx(10, abs=0.3)


def test_an_interrupt_ends_all_waiting() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.answers["web"] = ["starting\n"]
    interrupted = threading.Event()
    interrupted.set()
    watch = booting.Watch(engine=engine, clock=fakes.Clock(), patience=120, interrupted=interrupted)
    with pytest.raises(booting.StillBooting):
        watch.until_up("web", "id-of-web", inits.INITS["systemd"])
    assert not [call for call in engine.calls if call.startswith("run")]
