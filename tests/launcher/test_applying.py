"""The zone with its definitions against the machines: what differs, and what is done about it."""

import dataclasses
import json

import click.testing
import pytest

from launcher import applying, config, model
from launcher.commands import fleet
from tests.launcher import fakes, test_cli

_NAMES = {"db": 2, "app": 3, "web": 4}
_GIGA = 1024**3


def _machine(name: str, *, last: int = 0, state: model.State = model.State.RUNNING) -> model.Machine:
    made = fakes.machine(name, state=state)
    address = None if state == model.State.EXITED else fakes.SUBNET[last or _NAMES.get(name, 9)]
    return dataclasses.replace(made, address=address)


def _all(*but: str) -> list[model.Machine]:
    return [_machine(name) for name in _NAMES if name not in but]


class World:
    """An engine, a zone and settings, and `fhv` that works on them."""

    def __init__(self, *there: model.Machine, settings: str = "") -> None:
        self.engine, self.driver = fakes.Engine(*there), fakes.Driver(dict(_NAMES))
        self.settings = config.parse(settings)

    def survey(self, *names: str, prune: bool = False) -> applying.Survey:
        return self._applier().survey(names, prune=prune)

    def apply(self, *names: str, prune: bool = False) -> list[str]:
        applier = self._applier()
        results = applier.apply(applier.survey(names, prune=prune))
        return [f"{result.name}: {result.refused or result.done}" for result in results]

    def steps(self, *names: str, prune: bool = False) -> list[str]:
        changes = self.survey(*names, prune=prune).outlook.changes
        return [f"{c.step} {c.name}: {c.why}" + (f" [{c.command}]" if c.command else "") for c in changes]

    def _applier(self) -> applying.Applier:
        operator = fakes.operator(self.engine, self.driver, settings=self.settings)
        return applying.Applier(engine=self.engine, operator=operator)

    def fhv(self, command: click.Command, *words: str) -> click.testing.Result:
        outside = _Outside(self.engine, self.driver)
        outside.read = self.settings
        return click.testing.CliRunner().invoke(command, words, obj=outside)


class _Outside(test_cli.World):
    read: config.Config

    def settings(self) -> config.Config:
        return self.read


def test_what_is_not_there_is_created_and_then_there_is_nothing_to_do() -> None:
    world = World(settings='[machine.app]\nmemory = "1g"\ncpus = 1.5\nafter = ["web"]')
    assert world.steps() == [
        "create db: it is not there: fullhost/debian:bookworm, 172.31.0.2",
        "create app: it is not there: fullhost/debian:bookworm, 172.31.0.3, memory 1g, cpus 1.5",
        "create web: it is not there: fullhost/debian:bookworm, 172.31.0.4",
    ]
    assert world.apply() == ["db: created", "app: created", "web: created"]
    begun = [call for call in world.engine.calls if call.startswith("create")]
    assert begun.index("create web") < begun.index("create app")
    for name, last in _NAMES.items():  # the fake gives all of them one address
        there = world.engine.containers[name]
        world.engine.containers[name] = dataclasses.replace(there, address=fakes.SUBNET[last])
    assert world.steps() == []
    assert world.apply() == []


def test_a_machine_that_is_not_to_start_by_itself_is_neither_made_nor_started_unless_named_or_needed() -> None:
    settings = "[machine.db]\nautostart = false\n[machine.web]\nautostart = false\n[machine.app]\nafter = ['db']"
    world = World(settings=settings)
    assert [step.split(":")[0] for step in world.steps()] == ["create db", "create app"]
    assert [step.split(":")[0] for step in world.steps("web")] == ["create web"]
    world = World(_machine("db"), _machine("app"), _machine("web", state=model.State.EXITED), settings=settings)
    assert world.steps() == ["update db: autostart true -> false", "update web: autostart true -> false"]
    assert world.apply() == ["db: updated", "web: updated"]
    assert world.engine.containers["web"].state == model.State.EXITED
    assert world.steps() == []
    assert world.apply("web") == ["web: continued"]


def test_limits_are_set_live_and_where_nothing_is_said_they_stay() -> None:
    world = World(*_all(), settings='[machine.db]\nmemory = "2g"\ncpus = 1.5')
    world.engine.containers["web"] = dataclasses.replace(world.engine.containers["web"], memory=_GIGA, cpus=3)
    assert world.steps() == ["update db: memory without limit -> 2g, cpus without limit -> 1.5"]
    assert world.apply() == ["db: updated"]
    assert (world.engine.containers["db"].memory, world.engine.containers["db"].cpus) == (2 * _GIGA, 1.5)
    assert world.engine.containers["web"].memory == _GIGA
    assert not [call for call in world.engine.calls if call.startswith(("stop", "start"))]
    assert world.apply() == []


def test_what_the_engine_cannot_limit_is_no_difference_and_is_told() -> None:
    world = World(*_all(), settings='[machine.db]\nmemory = "2g"')
    world.engine.able = lambda: frozenset({"cpus"})  # type: ignore[method-assign]
    outlook = world.survey().outlook
    assert outlook.changes == ()
    assert outlook.notes == ("the kernel of this host lets the engine limit no memory: nothing limits db",)


def test_another_address_is_a_restart_and_other_aliases_are_taken_with_it() -> None:
    world = World(_machine("db", last=77), *_all("db", "web"), _machine("web", state=model.State.EXITED))
    world.driver.names = {**_NAMES, "www": 4}
    world.driver.pointers = {4: "web"}
    assert world.steps() == [
        "restart db: address 172.31.0.77 -> 172.31.0.2",
        "start web: it is exited, aliases none -> www",
    ]
    assert world.apply() == ["db: restarted", "web: continued"]
    assert world.engine.containers["web"].aliases == ("www",)
    assert world.engine.calls.index("rejoin web") < world.engine.calls.index("start web")


def test_image_and_volumes_are_only_told() -> None:
    world = World(*_all(), settings='[machine.db]\nimage = "new"\n[machine.app]\nvolumes = ["a:/a"]')
    assert world.steps() == [
        "rebuild db: image fullhost/debian:bookworm -> new [fhv rebuild db --image new]",
        "rebuild app: volumes none -> a:/a [fhv rebuild app]",
    ]
    assert world.apply() == []


def test_a_name_that_left_the_zone_stops_its_machine_only_when_told() -> None:
    gone = _machine("gone")
    other = dataclasses.replace(_machine("other"), network="else")
    world = World(*_all(), gone, other, _machine("off", state=model.State.EXITED))
    assert world.steps() == ["stop gone: the zone local has it not [fhv apply --prune]"]
    assert world.apply() == []
    assert world.steps("db", prune=True) == []
    assert world.apply(prune=True) == ["gone: stopped"]
    assert world.steps(prune=True) == []
    assert world.engine.containers["other"].state == model.State.RUNNING


def test_a_machine_whose_name_became_an_alias_is_told_so() -> None:
    world = World(*_all())
    world.driver.names = {**_NAMES, "web": 2}
    world.driver.pointers = {2: "db"}
    assert world.steps() == [
        "restart db: aliases none -> web",
        "stop web: its name is an alias of db now [fhv apply --prune]",
    ]


def test_of_those_that_are_needed_only_the_start_is_done() -> None:
    world = World(_machine("db", last=77), settings='[machine.web]\nafter = ["db", "app"]')
    assert [step.split(":")[0] for step in world.steps("web")] == ["create web", "create app"]


def test_a_record_that_is_not_allowed_is_refused_and_the_others_are_done() -> None:
    world = World(_machine("web"), settings='[machine.app]\nafter = ["db"]\n[txt]\nallow = ["memory"]')
    world.driver.texts = {"db": (("image=evil",),), "web": (("memory=1g",),), "gone": (("memory=1g",),)}
    survey = world.survey()
    assert [change.name for change in survey.outlook.changes] == ["app", "web"]
    assert survey.outlook.notes == ("the TXT record of _fhv.gone is of no machine of the zone local",)
    assert sorted(world.apply()) == [
        "app: cannot start app: it comes after db, which failed",
        "db: cannot make db: the TXT record of _fhv.db asks for image, which fhv.toml does not allow",
        "web: updated",
    ]
    assert world.engine.containers["web"].memory == _GIGA
    assert list(world.engine.containers) == ["web"]


def test_what_comes_after_nobody_is_refused_and_a_circle_changes_nothing() -> None:
    world = World(settings='[machine.app]\nafter = ["nobody"]')
    world.driver.names = {**_NAMES, "www": 4}
    world.driver.pointers = {4: "web"}
    assert "app: cannot make app: it comes after nobody, which is no machine of the zone" in world.apply()
    world.settings = config.parse('[machine.app]\nafter = ["www"]')
    assert "cannot make app: it comes after www, which is an alias of the machine web" in str(
        world.survey().outlook.refused["app"]
    )
    world.settings = config.parse('[machine.app]\nafter = ["db"]\n[machine.db]\nafter = ["app"]')
    for names in ((), ("app",)):
        with pytest.raises(model.Cannot, match=r"cannot order the machines: (app after db|db after app) after"):
            world.survey(*names)


def test_a_container_of_somebody_else_and_a_name_that_is_not_there_are_refused_alone() -> None:
    world = World(fakes.machine("db", ours=False))
    assert "a container of this name is there, and fhv did not make it" in str(world.survey().outlook.refused["db"])
    outlook = world.survey("nothere", "app").outlook
    assert [change.name for change in outlook.changes] == ["app"]
    assert "gives it no address" in str(outlook.refused["nothere"])


def test_each_failure_is_named_and_the_others_go_on() -> None:
    world = World(_machine("db"), settings='[machine.db]\nmemory = "2g"')
    world.engine.failing["limit"] = model.Cannot("cannot set the limits of db: no")
    assert world.apply() == ["db: cannot set the limits of db: no", "app: created", "web: created"]


def test_plan_ends_as_terraform_does_and_changes_nothing() -> None:
    world = World(_machine("gone"), *_all("web"))
    result = world.fhv(fleet.plan)
    assert (result.exit_code, result.stdout.splitlines()[1].split()[:2]) == (0, ["web", "create"])
    assert world.fhv(fleet.plan, "--detailed-exitcode").exit_code == 2
    assert world.fhv(fleet.plan, "db", "--detailed-exitcode").exit_code == 0
    assert world.fhv(fleet.plan, "db", "--detailed-exitcode").stdout == "nothing to do\n"
    spoken = json.loads(world.fhv(fleet.plan, "--json").stdout)
    assert [change["step"] for change in spoken["changes"]] == ["create", "stop"]
    refused = world.fhv(fleet.plan, "nothere", "--detailed-exitcode")
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        1,
        "fhv: cannot start nothere: the zone local gives it no address in 172.31.0.0/24",
    )
    assert not [call for call in world.engine.calls if not call.startswith("network")]


def test_apply_ends_running_machines_only_when_told_to() -> None:
    world = World(_machine("db", last=77), *_all("db"), _machine("gone"))
    for words in ((), ("--prune",)):
        result = world.fhv(fleet.apply, *words)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "note: this is to restart db (address 172.31.0.77 -> 172.31.0.2)." in result.stderr
        assert "fhv: cannot restart db" in result.stderr
        assert result.stderr.endswith("nothing is changed\nhint: say it again with --yes\n")
    assert not [call for call in world.engine.calls if not call.startswith("network")]
    done = world.fhv(fleet.apply, "--prune", "--yes")
    assert (done.exit_code, done.stdout) == (0, "db: restarted\ngone: stopped\n")


def test_apply_with_nothing_to_do_says_so_and_what_it_leaves() -> None:
    world = World(*_all(), _machine("gone"), settings="[machine.wbe]")
    result = world.fhv(fleet.apply)
    assert (result.exit_code, result.stdout) == (0, "nothing to do\n")
    assert "left as it is: gone: the zone local has it not; to stop it: fhv apply --prune" in result.stderr
    assert "warning: [machine.wbe] in fhv.toml is of no machine of the zone local" in result.stderr
