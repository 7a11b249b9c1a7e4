"""The edge: arguments in, words and exit codes out."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import click.testing
import pytest

from launcher import cli, config, model, world
from tests.launcher import fakes


class Access:
    """No machine of these tests is reached by ssh."""

    def welcome(self, machine: model.Machine) -> str:
        assert machine.name
        return ""


class World(world.World):
    """The fakes, where the real world would be."""

    def __init__(self, engine: fakes.Engine, driver: fakes.Driver) -> None:
        self._engine, self._driver, self._clock = engine, driver, fakes.Clock()

    def engine(self) -> fakes.Engine:  # type: ignore[override]
        return self._engine

    def depot(self) -> fakes.Depot:  # type: ignore[override]
        return fakes.Depot()

    def access(self, *, extra: tuple[str, ...] = ()) -> Access:  # type: ignore[override]
        assert not extra
        return Access()

    def driver(self) -> fakes.Driver:  # type: ignore[override]
        return self._driver

    def settings(self) -> config.Config:
        return fakes.SETTINGS

    def now(self) -> float:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


def _fhv(*words: str, engine: fakes.Engine | None = None, driver: fakes.Driver | None = None) -> click.testing.Result:
    there = World(engine or fakes.Engine(), driver or fakes.Driver({"host": 1, "web": 2, "db": 3}))
    return click.testing.CliRunner().invoke(cli.fhv, words, obj=there, prog_name="fhv")


def test_start_says_what_it_did() -> None:
    result = _fhv("start")
    assert (result.exit_code, result.stdout) == (0, "web: created\ndb: created\n")
    assert "web: waiting for systemd" in result.stderr


def test_after_a_boot_machines_are_as_they_were() -> None:
    engine = fakes.Engine(fakes.machine("web"), fakes.machine("db", state=model.State.EXITED))
    result = _fhv("start", "--boot", engine=engine)
    assert (result.exit_code, result.stdout) == (0, "web: booted\n")
    assert _fhv("start", "--boot").exit_code == 0
    assert _fhv("start", "--boot", "web").exit_code == 2


def test_a_failure_is_named_the_others_are_done_and_the_code_is_1() -> None:
    result = _fhv("start", "nothere", "web.local")
    assert (result.exit_code, result.stdout) == (1, "web: created\n")
    assert "fhv: cannot start nothere: the zone local gives it no address" in result.stderr
    assert "hint: add 'nothere IN A ADDRESS'" in result.stderr


def test_what_stops_everything_is_a_sentence_and_no_traceback() -> None:
    driver = fakes.Driver({})
    driver.down = model.Cannot("cannot reach the network driver", hint="start it")
    for words in (["start"], ["status"]):
        result = _fhv(*words, driver=driver)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == "fhv: cannot reach the network driver\nhint: start it\n"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["stop"],
        ["rm"],
        ["restart"],
        ["logs"],
        ["shell"],
        ["start", "--nonsense"],
        ["start", "--timeout", "soon"],
        ["logs", "--tail", "-1", "web"],
        ["status", "web", "db"],
        ["host", "configure"],
        ["host", "configure", "--templates", "/", "--subnet", "nonsense"],
        ["image", "bootstrap", "debian"],
    ],
)
def test_usage_is_2(words: list[str]) -> None:
    assert _fhv(*words).exit_code == 2


@pytest.mark.parametrize("word", ["list", "ls"])
def test_list_and_ls_are_one(word: str) -> None:
    engine = fakes.Engine(fakes.machine("web"))
    result = _fhv(word, engine=engine)
    assert (result.exit_code, result.stdout.split("\n")[1].split()[0]) == (0, "web")
    assert json.loads(_fhv(word, "--json", engine=engine).stdout)[0]["name"] == "web"


def test_stop_restart_and_rm() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    assert _fhv("restart", "web", engine=engine).stdout == "web: restarted\n"
    assert _fhv("rm", "web", engine=engine).exit_code == 1
    assert _fhv("stop", "web", engine=engine).stdout == "web: stopped\n"
    refused = _fhv("rm", "web", engine=engine)
    assert (refused.exit_code, refused.stderr.splitlines()) == (
        1,
        [
            "note: all files of web are lost; volumes and snapshots stay.",
            "fhv: cannot remove web without being told to: nothing is changed",
            "hint: say it again with --yes",
        ],
    )
    assert _fhv("rm", "--yes", "web", engine=engine).stdout == "web: removed\n"
    assert _fhv("rm", "--force", "web", engine=engine).exit_code == 1


def test_status_of_the_driver_and_of_a_machine() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    assert _fhv("status").stdout.startswith("driver 0.1.0")
    assert json.loads(_fhv("status", "--json").stdout)["counters"] == {"rung.option": 1}
    assert "init           systemd: up" in _fhv("status", "web", engine=engine).stdout
    assert json.loads(_fhv("status", "web", "--json", engine=engine).stdout)["init_says"] == "up"


def test_status_says_why_the_engine_could_not_start_a_machine() -> None:
    failed = dataclasses.replace(fakes.machine("web", state=model.State.EXITED), error="cannot look up web.local")
    assert "why            cannot look up web.local" in _fhv("status", "web", engine=fakes.Engine(failed)).stdout


def test_logs_are_passed_on_as_they_are() -> None:
    result = _fhv("logs", "web", engine=fakes.Engine(fakes.machine("web")))
    assert result.stdout_bytes == b"Welcome\r\n\x1b[31mPanic\x1b[0m: no disk\r\n"


def test_a_shell_on_a_machine_that_is_stopped_is_refused() -> None:
    engine = fakes.Engine(fakes.machine("web", state=model.State.EXITED))
    result = _fhv("shell", "web", "true", engine=engine)
    assert (result.exit_code, result.stderr) == (
        1,
        "fhv: cannot open a shell on web: it is exited\nhint: fhv start web\n",
    )


def test_help_names_every_command_and_shows_how() -> None:
    result = _fhv("--help")
    assert result.exit_code == 0
    for word in ("start", "stop", "restart", "rm", "list", "status", "shell", "logs", "host", "image", "Examples:"):
        assert word in result.stdout


def test_host_configure_hands_its_options_on(tmp_path: pathlib.Path) -> None:
    result = _fhv("host", "configure", "--templates", str(tmp_path), "--subnet", "10.0.0.0/8")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (
        1,
        "fhv: cannot use the subnet 10.0.0.0/8: it is too large or too small",
    )


def test_image_bootstrap_hands_its_options_on() -> None:
    result = _fhv("image", "bootstrap", "plan9", "--suite", "four")
    assert (result.exit_code, result.stderr.splitlines()[0]) == (1, "fhv: cannot make an image of 'plan9'")


def test_help_imports_nothing_slow() -> None:
    """`fhv --help` is to take less than 150 ms of a processor; the engine's SDK alone takes more."""
    code = (
        "import sys; from launcher import cli; print(sorted({'docker', 'requests', 'rich', 'json'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "[]\n"


def test_standard_streams_that_are_closed_are_no_terminals() -> None:
    """And no file that is opened later takes their numbers."""
    code = """
import os, sys
from launcher import cli
cli.fhv.main = lambda **_: os._exit(
    40 + sum(os.path.samestat(os.fstat(n), os.stat(os.devnull)) and not s.isatty() for n, s in
    enumerate((sys.stdin, sys.stdout, sys.stderr))))
cli.main()
"""
    said = subprocess.run(["/bin/sh", "-c", 'exec "$0" -c "$1" <&- >&- 2>&-', sys.executable, code], check=False)
    assert said.returncode == 43


def test_control_c_ends_the_console_without_a_word() -> None:
    engine = fakes.Engine(fakes.machine("web"))
    engine.console = _interrupted  # type: ignore[method-assign, assignment]
    result = _fhv("logs", "-f", "web", engine=engine)
    assert (result.exit_code, result.stdout, result.stderr) == (130, "Welcome", "")


def _interrupted(_container: str, *, lines: int | None = None, follow: bool = False) -> Iterator[bytes]:
    assert (lines, follow) == (None, True)
    yield b"Welcome"
    raise KeyboardInterrupt


def _program(*words: str, stage: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `fhv` as a program over an engine that says what no engine says, with its output to a disk that is full."""
    code = f"import sys\nfrom launcher import cli, world\n{stage}\nsys.argv[1:] = {list(words)}\ncli.main()"
    with pathlib.Path("/dev/full").open("w") as full:
        return subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["help", "ports"], ["completion", "bash"]])
def test_output_that_cannot_be_written_is_a_sentence(words: list[str]) -> None:
    done = _program(*words)
    assert (done.returncode, done.stderr) == (1, "fhv: cannot write the output: No space left on device\n")


def test_a_mistake_is_a_sentence_and_the_traceback_is_for_who_wants_it() -> None:
    stage = "class World(world.World):\n def engine(self): return None\nworld.World = World"
    done = _program("list", stage=stage)
    assert done.returncode == 1
    assert done.stderr.startswith("fhv: cannot go on: AttributeError: 'NoneType' object has no attribute 'machines' (")
    assert "hint: this is a mistake of fhv's" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in _program("list", stage=stage, FHV_TRACEBACK="1").stderr
