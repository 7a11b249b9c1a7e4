"""Machines over time: snapshots, copies, names, images, limits, archives, and what an interruption leaves."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from tests.lab import images, keyboard, world
from tests.system import test_fhv


class Fhv(test_fhv.Fhv):
    """`fhv` that says what went wrong."""

    def done(self, *words: str) -> str:
        """Run it to its good end, and give what it says on standard output."""
        ended = self(*words)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def note(self, name: str, text: str = "") -> str:
        """Write a text into the machine, if there is one, and give the text that it has."""
        if text:
            self.done("exec", name, "sh", "-c", f"echo {text} >/root/note")
        return self.done("exec", name, "cat", "/root/note").strip()


@pytest.fixture
def fhv(lab: world.Lab, network: str, tmp_path: pathlib.Path) -> Fhv:
    """Give `fhv`, an image whose machines boot in no time, and no snapshot of an earlier test."""
    assert network
    kept = lab.engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "fullhost/snapshot/*").split()
    for reference in kept:
        lab.engine.docker("rmi", "--force", reference)
    made = Fhv(lab, tmp_path / "fhv.toml")
    made.configure(images.ensure(lab.engine, images.BUSYBOX_INIT), '[machine.docs]\nvolumes = ["data:/data"]\n')
    return made


def _containers(lab: world.Lab) -> list[str]:
    return sorted(lab.engine.docker("ps", "--all", "--format", "{{.Names}}").split())


def test_a_machine_lives_through_all_that_is_done_to_it(lab: world.Lab, fhv: Fhv, tmp_path: pathlib.Path) -> None:
    fhv.done("start", "docs")
    fhv.done("exec", "docs", "sh", "-c", "mkdir -p /root; echo kept >/data/note")
    assert fhv.note("docs", "one") == "one"
    assert fhv.done("snapshot", "docs") == "docs: snapshot snap0\n"
    assert fhv.note("docs", "two") == "two"
    refused = fhv("restore", "docs")
    assert (refused.returncode, "note: the files of docs since the snapshot snap0" in refused.stderr) == (1, True)
    assert "hint: say it again with --yes" in refused.stderr
    assert fhv.note("docs") == "two"
    assert fhv.done("restore", "docs", "--yes") == "docs: restored from snap0\n"
    assert fhv.note("docs") == "one"
    assert fhv.done("exec", "docs", "cat", "/data/note") == "kept\n"

    assert fhv.done("clone", "docs", "tester") == "tester: cloned from docs\n"
    assert (fhv.note("tester"), fhv.note("tester", "other"), fhv.note("docs")) == ("one", "other", "one")
    assert fhv.machines() == {"docs": "172.31.0.5", "tester": "172.31.0.7"}
    assert _containers(lab) == ["docs", "tester"]


def test_what_goes_elsewhere_is_the_same_machine(lab: world.Lab, fhv: Fhv, tmp_path: pathlib.Path) -> None:
    fhv.done("start", "docs")
    fhv.done("exec", "docs", "sh", "-c", "mkdir -p /root; echo one >/root/note; echo kept >/data/note")
    fhv.done("snapshot", "docs")
    archive = tmp_path / "docs.tar"
    fhv.done("export", "docs", str(archive))
    assert fhv("export", "docs", str(archive)).returncode == 1
    assert fhv.done("import", str(archive), "workers") == "workers: imported, once docs\n"
    assert (fhv.note("workers"), fhv.done("exec", "workers", "hostname").strip()) == ("one", "workers")

    assert fhv.done("rename", "docs", "ubuntu") == "docs: is ubuntu now\n"
    assert (fhv.note("ubuntu"), fhv.done("exec", "ubuntu", "cat", "/data/note")) == ("one", "kept\n")
    assert fhv.machines()["ubuntu"] == "172.31.0.6"
    assert [(s["machine"], s["tag"]) for s in json.loads(fhv.done("snapshots", "--json"))] == [("ubuntu", "snap0")]

    fhv.done("rebuild", "workers", "--yes")
    assert fhv("exec", "workers", "cat", "/root/note").returncode != 0
    assert fhv.done("snapshot", "rm", "ubuntu", "snap0", "--yes") == "ubuntu: snapshot snap0 removed\n"
    assert _containers(lab) == ["ubuntu", "workers"]


def test_limits_hold_at_once_and_stay(lab: world.Lab, fhv: Fhv) -> None:
    fhv.done("start", "docs")
    able = json.loads(lab.engine.docker("info", "--format", "{{json .MemoryLimit}}"))
    said = fhv.done("set", "docs", "memory=64m")
    assert ("64 MiB of memory" in said) == able
    fhv.done("rebuild", "docs", "--yes")
    assert json.loads(fhv.done("list", "--json"))[0]["memory"] == (64 * 2**20 if able else 0)
    assert fhv("set", "docs", "memory=1m").returncode == 1
    assert "cannot set 'colour=red'" in fhv("set", "docs", "colour=red").stderr


def test_one_that_does_not_come_up_gives_way_to_what_was_before(lab: world.Lab, fhv: Fhv) -> None:
    fhv.done("start", "tester")
    fhv.done("exec", "tester", "sh", "-c", "mkdir -p /root; mv /sbin/init /sbin/init.x")
    # A script and no link to busybox, which takes its work from the name that it is called by.
    fhv.done("exec", "tester", "sh", "-c", r"printf '#!/bin/sh\nexit 3\n' >/sbin/init; chmod +x /sbin/init")
    fhv.done("snapshot", "tester", "broken")
    fhv.done("exec", "tester", "sh", "-c", "rm /sbin/init; mv /sbin/init.x /sbin/init; echo here >/root/note")
    failed = fhv("restore", "tester", "broken", "--yes")
    assert (failed.returncode, "tester: it is what it was before" in failed.stderr) == (1, True)
    assert (fhv.note("tester"), _containers(lab)) == ("here", ["tester"])
    strange = pathlib.Path("/etc/passwd")
    for words in (("clone", "tester", "nothere"), ("rename", "tester", "grafana"), ("import", str(strange), "docs")):
        assert fhv(*words).returncode == 1
    assert _containers(lab) == ["tester"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_an_interruption_leaves_a_machine_that_start_continues(
    lab: world.Lab, fhv: Fhv, number: signal.Signals, tmp_path: pathlib.Path
) -> None:
    fhv.done("start", "tester")
    fhv.done("exec", "tester", "sh", "-c", "mkdir -p /root; echo here >/root/note")
    fhv.done("snapshot", "tester")
    environment = {**lab.environment, "FHV_CONFIG": str(tmp_path / "fhv.toml")}
    for step in ("stopping", "waiting"):
        command = [*lab.enter, "fhv", "restore", "tester", "--yes"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as restoring:
            for line in restoring.stderr or ():
                if f"tester: {step}" in line:
                    os.kill(restoring.pid, number)
                    break
            restoring.communicate(timeout=120)
        if "tester.new" in _containers(lab):  # as the hint of fhv says
            assert number == signal.SIGKILL
            lab.engine.docker("rm", "--force", "tester.new")
        fhv.done("start", "tester")
        assert (fhv.note("tester"), _containers(lab)) == ("here", ["tester"])


def test_a_person_is_asked_on_a_terminal(lab: world.Lab, fhv: Fhv, tmp_path: pathlib.Path) -> None:
    fhv.done("start", "tester")
    fhv.done("exec", "tester", "sh", "-c", "mkdir -p /root; echo one >/root/note")
    fhv.done("snapshot", "tester")
    fhv.note("tester", "two")
    environment = {**lab.environment, "FHV_CONFIG": str(tmp_path / "fhv.toml"), "TERM": "xterm"}
    for answer, code, note in ((b"n\n", 1, "two"), (b"\x03", 130, "two"), (b"y\n", 0, "one")):
        terminal = keyboard.Terminal([*lab.enter, "fhv", "restore", "tester"], environment, columns=40)
        assert b"since the snapshot snap0" in terminal.until(b"Go on? [y/N]: ").replace(b"\r\n", b"")
        terminal.type(answer)
        assert terminal.ended(insisting=answer if code == 130 else b"") == code, terminal.shown
        assert fhv.note("tester") == note


def _at_once(lab: world.Lab, settings: pathlib.Path, *lines: str) -> list[tuple[int, str]]:
    """Run several `fhv` at the same time, and give how each ended."""
    environment = {**lab.environment, "FHV_CONFIG": str(settings)}
    begun = [
        subprocess.Popen(
            [*lab.enter, "fhv", *line.split()],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in lines
    ]
    said = [process.communicate(timeout=180)[0] for process in begun]
    return [(process.returncode, text) for process, text in zip(begun, said, strict=True)]


def test_several_at_one_machine_do_not_fight(lab: world.Lab, fhv: Fhv, tmp_path: pathlib.Path) -> None:
    settings = tmp_path / "fhv.toml"
    assert [code for code, _ in _at_once(lab, settings, "apply", "apply", "start", "start tester")] == [0, 0, 0, 0]
    fhv.done("exec", "tester", "sh", "-c", "mkdir -p /root; echo here >/root/note")
    taken = _at_once(lab, settings, "snapshot tester", "snapshot tester", "snapshot tester one", "snapshot tester one")
    tags = [snapshot["tag"] for snapshot in json.loads(fhv.done("snapshots", "--json"))]
    assert len(tags) == len(set(tags)) == [code for code, _ in taken].count(0) > 0
    restored = _at_once(lab, settings, *["restore tester --yes"] * 3)
    assert 0 in [code for code, _ in restored]
    assert fhv.note("tester") == "here"

    fhv.done("rm", "--force", "docs", "workers")
    renamed = _at_once(lab, settings, "rename tester docs", "rename tester workers", "restore tester --yes")
    assert [code for code, _ in renamed].count(0) >= 1
    there = [name for name in _containers(lab) if name in ("docs", "tester", "workers")]
    assert len(there) == 1, (there, renamed)
    assert fhv.note(there[0]) == "here"
    assert not [name for name in _containers(lab) if "." in name]


def test_nobody_starts_or_stops_what_another_gives_another_name(
    lab: world.Lab, fhv: Fhv, tmp_path: pathlib.Path
) -> None:
    fhv.done("start", "tester")
    fhv.done("snapshot", "tester")
    environment = {**lab.environment, "FHV_CONFIG": str(tmp_path / "fhv.toml")}
    command = [*lab.enter, "fhv", "rename", "tester", "docs"]
    refused = []
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as renaming:
        for line in renaming.stderr or ():
            if "docs: creating" in line:
                renaming.send_signal(signal.SIGSTOP)
                acts = (
                    ("start", "tester"),
                    ("apply", "tester"),
                    ("rm", "--force", "tester"),
                    ("restore", "tester", "-y"),
                )
                refused = [fhv(*act) for act in acts]
                renaming.send_signal(signal.SIGCONT)
        assert renaming.wait(120) == 0
    assert [one.returncode for one in refused] == [1, 1, 1, 1], refused
    assert "cannot work on tester: another fhv is at it" in refused[3].stderr
    for one in refused[:3]:
        assert "cannot work on tester: another fhv is making it anew, or gives it another name" in one.stderr
    assert _containers(lab) == ["docs"]


def test_what_a_stopped_machine_is_made_of_stays_as_long_as_it(
    lab: world.Lab, fhv: Fhv, tmp_path: pathlib.Path
) -> None:
    fhv.done("start", "docs")
    fhv.done("exec", "docs", "sh", "-c", "mkdir -p /root; echo one >/root/note")
    fhv.done("snapshot", "docs", "before")
    fhv.done("stop", "docs")
    fhv.done("restore", "docs", "before", "--yes")
    fhv.done("snapshot", "rm", "docs", "before", "--yes")
    fhv.done("rename", "docs", "ubuntu")
    fhv.done("start", "ubuntu")
    assert fhv.note("ubuntu") == "one"
    fhv.done("snapshot", "ubuntu", "after")
    fhv.done("export", "ubuntu", str(tmp_path / "ubuntu.tar"))
    assert (tmp_path / "ubuntu.tar").stat().st_mode & 0o777 == 0o600
    fhv.done("clone", "ubuntu", "tester")
    fhv.done("rename", "ubuntu", "docs")
    assert (fhv.note("tester"), fhv.note("docs")) == ("one", "one")
    fhv.done("snapshot", "rm", "docs", "after", "--yes")
    fhv.done("rm", "--force", "docs", "tester")
    assert lab.engine.docker("images", "--quiet", "fullhost/kept") == ""


def test_a_machine_keeps_its_networks(lab: world.Lab, fhv: Fhv) -> None:
    lab.engine.docker("network", "create", "plain")
    fhv.done("start", "docs")
    lab.engine.docker("network", "connect", "--alias", "beside", "plain", "docs")
    fhv.done("snapshot", "docs", "one")
    fhv.done("restore", "docs", "one", "--yes")
    assert _networks(lab, "docs") == ["fullhost", "plain"]
    fhv.done("rename", "docs", "ubuntu")
    assert _networks(lab, "ubuntu") == ["fullhost", "plain"]
    other = ["run", "--rm", "--network", "plain", images.ensure(lab.engine, images.BUSYBOX)]
    assert lab.engine.docker(*other, "ping", "-c1", "-W2", "beside")
    assert fhv.machines() == {"ubuntu": "172.31.0.6"}

    fhv.done("stop", "ubuntu")
    lab.engine.docker("network", "disconnect", "fullhost", "ubuntu")
    mended = fhv("start", "ubuntu")
    assert (mended.returncode, mended.stdout) == (0, "ubuntu: continued\n")
    assert "ubuntu: it had been taken off the network fullhost, and has joined that again" in mended.stderr
    assert fhv.machines() == {"ubuntu": "172.31.0.6"}


def _networks(lab: world.Lab, name: str) -> list[str]:
    found: dict[str, object] = json.loads(
        lab.engine.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", name)
    )
    return sorted(found)
