"""`fhv` on a real terminal, and without one: what it asks, what it draws, and how wide."""

import os
import pathlib
import re
import subprocess
import sys
import time
import types
from collections.abc import Mapping

import pytest

from tests.lab import keyboard

ROOT = pathlib.Path(__file__).parents[2]
FHV = [sys.executable, "-m", "tests.launcher.stage"]
NONE = types.MappingProxyType(dict[str, str]())
ALIAS = {"STAGE_ALIAS": "1"}
PLAIN = {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
DRAWN = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]")

# What loses something, or ends a running machine, and what of it is done then.
LOSSES = {
    "rm db": ("all files of db are lost", "remove db"),
    "restore web": ("the files of web since the snapshot snap0", "create web.new"),
    "snapshot restore web snap0": ("the files of web since the snapshot snap0", "create web.new"),
    "rebuild web": ("the files of web outside volumes are lost", "create web.new"),
    "snapshot rm web snap0": ("the snapshots snap0 of web are lost", "image forget"),
    "apply web": ("this is to restart web (aliases", "stop web"),
}


@pytest.fixture
def acts(tmp_path: pathlib.Path) -> pathlib.Path:
    """Give the file that is told what was done."""
    return tmp_path / "acts"


def sit_down(
    line: str, acts: pathlib.Path, environment: Mapping[str, str] = NONE, *, columns: int = 80
) -> keyboard.Terminal:
    told = {**PLAIN, "FHV_ACTS": str(acts), **environment}
    return keyboard.Terminal([*FHV, *line.split()], told, columns=columns)


def piped(line: str, acts: pathlib.Path, environment: Mapping[str, str] = NONE) -> subprocess.CompletedProcess[bytes]:
    told = {**os.environ, **PLAIN, "FHV_ACTS": str(acts), **environment}
    return subprocess.run([*FHV, *line.split()], env=told, input=b"y\n", capture_output=True, check=False)


@pytest.mark.parametrize("line", LOSSES)
def test_who_says_yes_gets_it(line: str, acts: pathlib.Path) -> None:
    loss, act = LOSSES[line]
    terminal = sit_down(line, acts, ALIAS)
    assert f"note: {loss}".encode() in terminal.until(b"Go on? [y/N]: ")
    terminal.type(b"y\n")
    assert terminal.ended() == 0, terminal.shown
    assert act in acts.read_text()


@pytest.mark.parametrize(
    ("line", "answer", "code", "said"),
    [
        *((line, b"n\n", 1, b"fhv: not done: nothing is changed") for line in LOSSES),
        ("rm db", b"\n", 1, b"fhv: not done: nothing is changed"),
        ("rm db", b"\x04", 1, b"fhv: interrupted: nothing is changed"),
        *((line, b"\x03", 130, b"fhv: interrupted: nothing is changed") for line in LOSSES),
    ],
)
def test_who_does_not_changes_nothing(line: str, answer: bytes, code: int, said: bytes, acts: pathlib.Path) -> None:
    terminal = sit_down(line, acts, ALIAS)
    terminal.until(b"Go on? [y/N]: ")
    terminal.type(answer)
    assert (terminal.ended(insisting=answer), said in terminal.shown, acts.read_text()) == (code, True, "")
    assert b"Aborted" not in terminal.shown


@pytest.mark.parametrize("line", LOSSES)
def test_who_cannot_be_asked_has_to_say_it_beforehand(line: str, acts: pathlib.Path) -> None:
    loss, act = LOSSES[line]
    refused = piped(line, acts, ALIAS)
    assert (refused.returncode, refused.stdout, acts.read_text()) == (1, b"", "")
    first, *others = refused.stderr.decode().splitlines()
    assert first.startswith(f"note: {loss}")
    assert re.fullmatch(r"fhv: cannot .* without being told to: nothing is changed", others[0])
    assert others[1:] == ["hint: say it again with --yes"]
    assert piped(f"{line} --yes", acts, ALIAS).returncode == 0
    assert act in acts.read_text()


def test_a_question_that_nobody_would_see_is_not_asked(acts: pathlib.Path) -> None:
    command = ["sh", "-c", '"$@" 2>/dev/null', "sh", *FHV, "rm", "db"]
    assert keyboard.Terminal(command, {**PLAIN, "FHV_ACTS": str(acts)}).ended() == 1
    assert acts.read_text() == ""


def test_control_c_is_heard_at_once_and_a_second_one_waits_for_nothing(acts: pathlib.Path) -> None:
    terminal = sit_down("start db", acts, {"STAGE_HANGS": "1"})
    terminal.until(b"starting")
    terminal.type(b"\x03")
    terminal.until(b"fhv: interrupted")
    terminal.type(b"\x03")
    began = time.monotonic()
    assert terminal.ended(insisting=b"\x03") == 130
    assert time.monotonic() - began < 30, "the engine hangs for twice as long"
    assert b"Traceback" not in terminal.shown


def test_steps_move_on_a_terminal_and_are_lines_elsewhere(acts: pathlib.Path) -> None:
    terminal = sit_down("restart web", acts)
    assert terminal.ended() == 0
    assert DRAWN.search(terminal.shown)
    done = piped("restart web", acts)
    assert (done.stdout, DRAWN.search(done.stderr)) == (b"web: restarted\n", None)
    assert b"web: waiting for systemd\n" in done.stderr


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_who_wants_no_colours_has_none(environment: dict[str, str], acts: pathlib.Path) -> None:
    for line in ("list", "status", "status web", "snapshots", "help fleet", "restart web"):
        terminal = sit_down(line, acts, {"PAGER": "cat", **environment})
        assert terminal.ended() == 0, terminal.shown
        assert not re.search(rb"\x1b\[[0-9;]*[349][0-9][0-9;]*m", terminal.shown), terminal.shown
        assert environment.get("TERM") != "dumb" or not DRAWN.search(terminal.shown), (line, terminal.shown)


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_nothing_is_wider_than_the_terminal(columns: int, acts: pathlib.Path) -> None:
    for line in ("list", "ls", "status", "status web", "snapshots", "plan", "exposures", "restart web"):
        terminal = sit_down(line, acts, ALIAS, columns=columns)
        assert terminal.ended() == 0, terminal.shown
        shown = DRAWN.sub(b"", terminal.shown).decode().replace("\r", "\n").split("\n")
        lines = [line for line in shown if not line.startswith(("driver ", "warning: "))]  # sentences, which wrap
        assert max(map(len, lines)) <= columns, (line, terminal.shown)
