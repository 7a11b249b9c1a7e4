"""The driver under gunicorn, as the host's service manager would run it."""

import dataclasses
import json
import pathlib
import sys
from collections.abc import Mapping

from tests.lab import armed, host, place, process, unixhttp

_CONFIG = place.CHECKOUT / "plugin-config" / "gunicorn.conf.py"


@dataclasses.dataclass(frozen=True, slots=True)
class Driver:
    """`netplugin` in the host's network namespace, on the machine's own files and with this Python."""

    where: place.Place
    host: host.Host

    @property
    def socket(self) -> pathlib.Path:
        """The driver's socket, as seen from this machine."""
        return self.where.plugin

    @property
    def log(self) -> str:
        """What the driver has logged so far."""
        return self._process.log.read_text()

    @property
    def pid(self) -> int | None:
        """The pid of gunicorn's first process, or None."""
        return self._process.pid

    @property
    def plain(self) -> bool:
        """Whether the driver runs, and with the lab's own settings alone."""
        return self.pid is not None and self.settings == {}

    @property
    def settings(self) -> dict[str, str]:
        """The settings that it was started with besides the lab's own."""
        return dict(json.loads(self._settings.read_text()))

    @property
    def _settings(self) -> pathlib.Path:
        return self.where.root / "driver" / "settings.json"

    @property
    def _process(self) -> process.Process:
        return process.Process(self.where, "driver")

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start the driver, with `settings` (FULLHOST_...) besides the lab's own, and wait until it answers.

        With FULLHOST_ARMED among them it is the one that can be killed at any step (tests/lab/armed.py).
        """
        self.socket.unlink(missing_ok=True)
        self._settings.write_text(json.dumps(settings or {}))
        environment = {
            "FULLHOST_SOCKET": str(self.socket),
            "FULLHOST_STATE": str(self.where.root / "driver" / "driver.db"),
            "FULLHOST_DOCKER": self.where.docker,
            **(settings or {}),
        }
        command = [*self.host.enter, sys.executable, "-m", "gunicorn", "-c", str(_CONFIG)]
        module = "tests.lab.armed" if armed.ARMED in environment else "netplugin.app"
        self._process.start([*command, f"{module}:create_app()"], environment=environment, folder=place.CHECKOUT)
        self._process.until("answer", lambda: unixhttp.answers(self.socket, "/v1/status"))

    def stop(self) -> None:
        """Ask the driver to end, and wait for it."""
        self._process.stop()

    def kill(self) -> None:
        """End the driver and its workers by SIGKILL."""
        self._process.kill()

    def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Stop and start."""
        self.stop()
        self.start(settings)

    def get(self, path: str) -> object:
        """Return the JSON that the driver's own call `path` (/v1/...) gives."""
        return unixhttp.ask(self.socket, "GET", path).json()

    def post(self, call: str, body: object) -> object:
        """Return the driver's answer to a call of the engine's, such as NetworkDriver.Join."""
        return unixhttp.ask(self.socket, "POST", f"/{call}", json.dumps(body).encode()).json()
