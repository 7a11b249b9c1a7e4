"""The wheel: what it installs into a virtual environment is what the units and `fhv host configure` look for."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from netplugin import options
from tests.lab import place


def _run(*command: str) -> None:
    subprocess.run(command, check=True, timeout=200)


def test_the_wheel_has_the_units_and_the_templates(tmp_path: pathlib.Path) -> None:
    source, venv = tmp_path / "source", tmp_path / "venv"
    left_out = shutil.ignore_patterns(".git", "build", "*.egg-info", "__pycache__", ".*_cache")
    shutil.copytree(place.CHECKOUT, source, ignore=left_out)
    _run(sys.executable, "-m", "venv", str(venv))
    # With a pip of its own: another one would take the package that runs this test for an older one, and remove it.
    pip = (str(venv / "bin/pip"), "--quiet", "--disable-pip-version-check")
    _run(*pip, "wheel", "--no-deps", "--wheel-dir", str(tmp_path), str(source))
    (wheel,) = tmp_path.glob("fullhost-*.whl")
    _run(*pip, "install", "--no-deps", str(wheel))

    config = place.CHECKOUT / "plugin-config"
    for path in config.rglob("*"):
        if path.is_file() and path.parent.name not in ("installer", "managed", "__pycache__"):
            there = venv / "plugin-config" / path.relative_to(config)
            assert there.read_bytes() == path.read_bytes(), f"{path} is not in data-files of pyproject.toml"
    for unit in (venv / "plugin-config").glob("*.service"):
        for used in re.findall(r"/opt/fullhost/(\S+)", unit.read_text()):
            assert (venv / used).exists() or used == "bin/gunicorn", used
    (script,) = venv.glob("lib/*/site-packages/netplugin/leased.sh")
    assert os.access(script, os.X_OK), "udhcpc runs it"
    assert {"fhv", "docker-fhv"} <= {path.name for path in (venv / "bin").iterdir()}


def test_a_managed_plugin_can_be_set_as_the_service() -> None:
    config = json.loads((place.CHECKOUT / "plugin-config/managed/config.json").read_text())
    known = {variable["name"] for variable in config["env"]}
    assert {f"FULLHOST_{key.upper()}" for key in options.KEYS} - known == set()
