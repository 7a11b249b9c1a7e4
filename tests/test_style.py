"""Style is tested like everything else: linters, contracts, and the bounds of the design."""

import ast
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("netplugin", "launcher", "tests") for path in (ROOT / folder).rglob("*.py"))
PACKAGES = [path for path in SOURCES if path.parts[len(ROOT.parts)] != "tests"]
TOP_LEVEL = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "install.sh",
    "launcher",
    "netplugin",
    "plugin-config",
    "pyproject.toml",
    "test.sh",
    "tests",
}
SCRIPTS = pathlib.Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-cache", "."],
        ["ruff", "format", "--no-cache", "--check", "."],
        ["mypy"],
        ["lint-imports"],
    ],
    ids=" ".join,
)
def test_linters_have_nothing_to_say(command: list[str]) -> None:
    done = subprocess.run([SCRIPTS / command[0], *command[1:]], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell_scripts_are_clean() -> None:
    scripts = [
        ROOT / "install.sh",
        ROOT / "test.sh",
        ROOT / ".ci" / "run",
        *(ROOT / "tests").rglob("*.sh"),
        *(ROOT / "netplugin").glob("*.sh"),
    ]
    command = ["shellcheck", "--external-sources", *map(str, scripts)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_read_in_one_go(path: pathlib.Path) -> None:
    bound = 250 if path in PACKAGES else 400
    assert len(path.read_text().splitlines()) <= bound


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_public_says_what_it_is_for(path: pathlib.Path) -> None:
    silent = [name for name, node in public(ast.parse(path.read_text())) if not ast.get_docstring(node)]
    assert not silent


def public(tree: ast.Module) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    """Yield public classes, functions and methods; those of a protocol are documented where they are implemented."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef) and not is_protocol(node):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                        yield f"{node.name}.{method.name}", method


def is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Attribute) and base.attr == "Protocol" for base in node.bases)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_patched_in_tests(path: pathlib.Path) -> None:
    imported = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom | ast.Import)]
    names = {alias.name for node in imported for alias in node.names}
    names |= {node.module for node in imported if isinstance(node, ast.ImportFrom) and node.module}
    assert not {name for name in names if name == "mock" or name.startswith("unittest.mock")}


def test_the_top_level_is_as_the_user_fixed_it() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    top = {name.split("/", maxsplit=1)[0] for name in tracked}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL
