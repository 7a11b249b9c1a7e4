"""The use cases, with each act failing once and nothing half-made left behind."""

import pytest

from launcher import machines, model
from tests.launcher import fakes

_ZONE = {"host": 1, "web": 2, "monitor": 4, "grafana": 4}
_POINTERS = {4: "monitor"}


def _operator(
    engine: fakes.Engine,
    driver: fakes.Driver | None = None,
    steps: list[str] | None = None,
    depot: fakes.Depot | None = None,
) -> machines.Operator:
    return fakes.operator(engine, driver or fakes.Driver(_ZONE, _POINTERS), depot=depot, heard=steps)


def _refusals(results: tuple[model.Result, ...]) -> dict[str, str]:
    return {result.name: str(result.refused) for result in results if result.refused}


def test_a_machine_is_created_once_and_continued_after_that() -> None:
    engine, steps = fakes.Engine(), list[str]()
    operator = _operator(engine, steps=steps)
    assert operator.start(("web.local",)) == (model.Result(name="web", done="created"),)
    assert steps == ["web creating", "web starting", "web waiting for systemd"]
    assert operator.stop(("web",)) == (model.Result(name="web", done="stopped"),)
    assert operator.start(("web",)) == (model.Result(name="web", done="continued"),)
    assert operator.start(("web", "WEB")) == (model.Result(name="web", done="up already"),)
    assert [call for call in engine.calls if call.startswith("create")] == ["create web"]


def test_without_names_every_machine_of_the_zone_is_started() -> None:
    engine = fakes.Engine()
    results = _operator(engine).start(())
    assert [(result.name, result.done) for result in results] == [("web", "created"), ("monitor", "created")]
    assert {made.name: made.aliases for made in engine.made} == {"web": (), "monitor": ("grafana",)}
    assert all(made.network == "fullhost" for made in engine.made)


def test_an_image_is_looked_into_once_for_many_machines() -> None:
    depot = fakes.Depot()
    _operator(fakes.Engine(), depot=depot).start(())
    assert depot.calls == ["files fullhost/debian:bookworm"]


def test_names_that_are_no_machine_are_refused_and_the_others_started() -> None:
    engine = fakes.Engine()
    results = _operator(engine).start(("grafana", "host", "nothere", "web"))
    assert results[-1].done == "created"
    assert _refusals(results) == {
        "grafana": "cannot start grafana: it is an alias of the machine monitor (172.31.0.4)",
        "host": "cannot start host: its address 172.31.0.1 is the gateway, which is this host",
        "nothere": "cannot start nothere: the zone local gives it no address in 172.31.0.0/24",
    }


def test_names_that_no_pointer_decides_are_refused_and_the_others_started() -> None:
    results = _operator(fakes.Engine(), fakes.Driver(_ZONE)).start(())
    assert [result.done for result in results] == ["created", ""]
    assert "cannot tell which of grafana and monitor is the machine" in _refusals(results)["grafana"]


def test_a_zone_without_machines_is_told() -> None:
    with pytest.raises(model.Cannot, match="the zone local has none in"):
        _operator(fakes.Engine(), fakes.Driver({"host": 1})).start(())


def test_a_network_that_the_driver_does_not_know_is_told() -> None:
    driver = fakes.Driver(_ZONE)
    driver.networks = (fakes.network(number="0" * 64),)
    with pytest.raises(model.Cannot, match="the driver does not know it"):
        _operator(fakes.Engine(), driver).start(("web",))


def test_a_driver_that_is_down_makes_nothing() -> None:
    engine, driver = fakes.Engine(), fakes.Driver(_ZONE)
    driver.down = model.Cannot("cannot reach the network driver")
    with pytest.raises(model.Cannot, match="cannot reach the network driver"):
        _operator(engine, driver).start(("web",))
    assert not engine.containers


@pytest.mark.parametrize("verb", ["files", "create", "start"])
def test_a_creation_that_fails_leaves_nothing(verb: str) -> None:
    engine, depot = fakes.Engine(), fakes.Depot()
    engine.failing[verb] = depot.failing[verb] = model.Cannot(f"cannot {verb} web")
    assert _refusals(_operator(engine, depot=depot).start(("web",))) == {"web": f"cannot {verb} web"}
    assert not engine.containers


def test_a_new_machine_whose_init_ends_is_removed_and_its_last_words_are_told() -> None:
    engine = fakes.Engine()
    engine.started_as = model.State.EXITED
    refusal = _refusals(_operator(engine).start(("web",)))["web"]
    assert refusal.startswith("cannot boot web: its init ended with exit code 3; the last lines of its console:")
    assert refusal.endswith("\nWelcome\nPanic: no disk")
    assert not engine.containers


def test_a_continued_machine_whose_init_ends_is_left() -> None:
    engine = fakes.Engine(fakes.machine("web", state=model.State.EXITED))
    engine.started_as = model.State.RESTARTING
    assert "Panic: no disk" in _refusals(_operator(engine).start(("web",)))["web"]
    assert list(engine.containers) == ["web"]


def test_a_new_machine_that_takes_too_long_is_left_booting() -> None:
    engine = fakes.Engine()
    engine.answers["web"] = ["starting\n"]
    assert _refusals(_operator(engine).start(("web",)))["web"].startswith("cannot wait any longer for web")
    assert engine.containers["web"].state == model.State.RUNNING


def test_a_paused_machine_goes_on() -> None:
    engine = fakes.Engine(fakes.machine("web", state=model.State.PAUSED))
    assert _operator(engine).start(("web",))[0].done == "continued"
    assert "unpause web" in engine.calls


def test_a_container_of_somebody_else_is_left_alone() -> None:
    engine = fakes.Engine(fakes.machine("web", ours=False, state=model.State.EXITED))
    assert "fhv did not make it" in _refusals(_operator(engine).start(("web",)))["web"]
    assert "start web" not in engine.calls


def test_what_the_engine_and_the_init_warn_of_is_passed_on() -> None:
    engine = fakes.Engine()
    engine.warns, engine.tells = "limitation discarded", "the network was made anew"
    engine.answers["web"] = ["degraded\n", "ssh.service loaded failed failed OpenBSD\ncron.service loaded failed\n"]
    assert _operator(engine).start(("web",))[0].warnings == (
        "the network was made anew",
        "degraded: failed units are ssh.service, cron.service",
        "limitation discarded",
    )


def test_one_that_cannot_be_stopped_does_not_hold_up_the_others() -> None:
    engine = fakes.Engine(fakes.machine("db", state=model.State.EXITED), fakes.machine("web"))
    results = _operator(engine).stop(("nothere", "db", "web"))
    assert [result.done for result in results] == ["", "stopped already", "stopped"]
    assert _refusals(results) == {"nothere": "cannot stop nothere: there is no machine of this name"}


def test_a_machine_that_had_to_be_killed_is_told() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.answers["killed"] = []
    assert _operator(engine).stop(("web",))[0].warnings == ("killed: its init did not end it in time",)


def test_a_restart_stops_starts_and_waits() -> None:
    engine, steps = fakes.Engine(fakes.machine("web")), list[str]()
    assert _operator(engine, steps=steps).restart(("web.local",))[0].done == "restarted"
    assert [call for call in engine.calls if call.endswith(" web")] == ["stop web", "start web"]
    assert steps == ["web stopping", "web starting", "web waiting for systemd"]


def test_a_stopped_machine_is_restarted_too() -> None:
    engine = fakes.Engine(fakes.machine("web", state=model.State.EXITED))
    assert _operator(engine).restart(("web",))[0].done == "restarted"


@pytest.mark.parametrize("state", [model.State.RUNNING, model.State.PAUSED, model.State.RESTARTING])
def test_a_running_machine_is_removed_only_by_force(state: model.State) -> None:
    engine = fakes.Engine(fakes.machine("web", state=state))
    operator = _operator(engine)
    assert _refusals(operator.remove(("web",), force=False)) == {"web": f"cannot remove web: it is {state}"}
    assert "web" in engine.containers
    assert operator.remove(("web",), force=True)[0].done == "removed"
    assert not engine.containers


def test_a_shell_needs_a_machine_that_runs() -> None:
    operator = _operator(fakes.Engine(fakes.machine("web", state=model.State.EXITED)))
    assert operator.find("web", verb="logs").name == "web"
    with pytest.raises(model.Cannot, match="cannot open a shell on web: it is exited"):
        operator.find("web", verb="shell", running=True)


def _endpoint(number: str) -> model.Endpoint:
    return model.Endpoint(
        id=number,
        network=fakes.NETWORK,
        name="web",
        address=fakes.SUBNET[2],
        mac="02:66:ac:1f:00:02",
        veth="fh0123456789abh",
        rung="option",
        source="dns",
        settled=True,
        joined=True,
        created="2026-11-24T10:00:00+00:00",
    )


def test_a_machine_is_examined_from_all_sides() -> None:
    driver = fakes.Driver(_ZONE)
    driver.endpoints = (_endpoint("0" * 64), _endpoint("e" * 64))
    seen = _operator(fakes.Engine(fakes.machine("web")), driver).examine("web.local")
    assert (seen.init_says, seen.record, seen.endpoint) == ("up", "172.31.0.2", _endpoint("e" * 64))
    assert seen.capabilities == {"SYS_ADMIN": "not by fhv"}


def test_what_cannot_be_seen_of_a_machine_is_told_in_its_place() -> None:
    driver = fakes.Driver(_ZONE)
    driver.down = model.Cannot("cannot reach the network driver")
    seen = _operator(fakes.Engine(fakes.machine("web", state=model.State.EXITED)), driver).examine("web")
    assert (seen.init_says, seen.record, seen.endpoint) == ("exited", "cannot reach the network driver", None)
