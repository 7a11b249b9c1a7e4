"""What keeps several fhv from one machine, by the kernel's own locks."""

import pathlib
import signal
import subprocess
import sys

import pytest

from launcher import holding, rivalry

_HOLDER = """
import pathlib, sys, time
from launcher import holding
with holding.Holds(folder=pathlib.Path(sys.argv[1]), engine="e").hold("web", alone=True):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holds(tmp_path: pathlib.Path) -> holding.Holds:
    return holding.Holds(folder=tmp_path / "held", engine="e")


def refused(holds: holding.Holds, name: str, *, alone: bool) -> bool:
    """Tell whether a machine cannot be held now."""
    try:
        with holds.hold(name, alone=alone):
            return False
    except rivalry.Taken:
        return True


def test_several_hold_a_machine_and_one_has_it_alone(holds: holding.Holds) -> None:
    with holds.hold("web"):
        assert not refused(holds, "web", alone=False)
        assert refused(holds, "web", alone=True)
    with holds.hold("web", alone=True):
        assert refused(holds, "web", alone=False)
        assert refused(holds, "web", alone=True)
        assert not refused(holds, "db", alone=True)
        assert not refused(holding.Holds(folder=holds.folder, engine="other"), "web", alone=True)
    assert not refused(holds, "web", alone=True)


@pytest.mark.parametrize(("alone", "doing"), [(False, "making it anew, or gives it another name"), (True, "at it")])
def test_who_is_refused_hears_what_the_other_does(holds: holding.Holds, *, alone: bool, doing: str) -> None:
    with holds.hold("web", alone=True), pytest.raises(rivalry.Taken) as caught:
        holds.hold("web", alone=alone).__enter__()
    assert str(caught.value) == f"cannot work on web: another fhv is {doing}"
    assert caught.value.hint == "wait until that one is done"


def test_a_name_is_no_path(holds: holding.Holds) -> None:
    with holds.hold("../../etc/passwd"):
        assert [entry.parent for entry in holds.folder.iterdir()] == [holds.folder]


def test_what_one_held_that_was_killed_is_free(holds: holding.Holds) -> None:
    words = [sys.executable, "-c", _HOLDER, str(holds.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert refused(holds, "web", alone=False)
        other.send_signal(signal.SIGKILL)
    assert not refused(holds, "web", alone=True)


def test_where_nothing_can_be_written_nothing_is_held(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    holds = holding.Holds(folder=tmp_path / "file" / "held", engine="e")
    with holds.hold("web", alone=True), holds.hold("web", alone=True):
        pass
