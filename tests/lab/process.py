"""A program in the background whose pid is written down, so that a later run can find and end it."""

import contextlib
import dataclasses
import os
import pathlib
import signal
from collections.abc import Callable, Mapping, Sequence

from tests.lab import commands, place

# A session of its own, so that the whole of it can be ended; away from our parentage, so that nobody has to reap
# it; the pid is written by the process itself, before it becomes the program.
_BEGIN = 'echo $$ >"$0"; exec "$@"'


def started(pid: int) -> str | None:
    """Return when `pid` began, in clock ticks since boot, or None if no such process lives; a zombie does not."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """The program `name` of a lab: at most one at a time."""

    where: place.Place
    name: str

    @property
    def _record(self) -> pathlib.Path:
        return self.where.root / "pid" / self.name

    def start(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: pathlib.Path | None = None,
    ) -> None:
        """Start `command`, ending an earlier one first; `folder` is where it stands. Its log is appended to."""
        self.kill()
        pid_file = self._record.with_suffix(".new")
        pid_file.unlink(missing_ok=True)
        begin = ["setsid", "--fork", "sh", "-c", f'exec >>"{self.log}" 2>&1; {_BEGIN}', str(pid_file), *command]
        where = folder or self.where.root
        commands.run(["env", f"--chdir={where}", *begin], environment=environment)
        commands.wait(f"{self.name} to begin", lambda: pid_file.exists() and bool(pid_file.read_text().strip()))
        self.record(int(pid_file.read_text()))
        pid_file.unlink()

    def record(self, pid: int) -> None:
        """Write down that the program is `pid`, and since when: a pid alone may be another's by tomorrow."""
        self._record.write_text(f"{pid} {started(pid)}\n")

    @property
    def log(self) -> pathlib.Path:
        """What the program has printed."""
        return self.where.log(self.name)

    @property
    def pid(self) -> int | None:
        """The program's pid, or None if it does not run."""
        try:
            pid, since = self._record.read_text().split()
        except FileNotFoundError:
            return None
        return int(pid) if started(int(pid)) == since else None

    def until(self, what: str, ready: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until the program is `ready`; one that ends instead is a LabError, with its last words."""
        over = f"{self.name} {what}"
        commands.wait(over, lambda: ready() or self.pid is None, seconds=seconds, hint=self.last_words)
        if self.pid is None:
            raise commands.LabError(f"cannot have {over}: it has ended; mend what it says\n{self.last_words()}")

    def last_words(self, lines: int = 15) -> str:
        """Return the end of the log, for an error message."""
        said = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"{self.log} ends with:", *said[-lines:]])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program alone; a program that does not run is a LabError."""
        if (pid := self.pid) is None:
            raise commands.LabError(f"cannot signal {self.name}: it does not run; start it first")
        os.kill(pid, number)

    def stop(self, *, seconds: float = 20) -> None:
        """Ask the program to end and wait for it; one that does not run is no error."""
        with contextlib.suppress(commands.LabError):
            self.signal(signal.SIGTERM)
        commands.wait(f"{self.name} to end", lambda: self.pid is None, seconds=seconds, hint=self.last_words)

    def kill(self) -> None:
        """End the program and all of its session at once; one that does not run is no error."""
        if (pid := self.pid) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        commands.wait(f"{self.name} to be gone", lambda: self.pid is None)
