"""Building an image: which commands, in which order, and what is said when one fails."""

import pathlib
import subprocess
from collections.abc import Iterator, Mapping, Sequence

import pytest

from launcher import images, model

SOURCES = """\
Debian|bookworm|deb http://mirror.example/debian/ bookworm main
Debian|bookworm-security|deb http://mirror.example/debian-security/ bookworm-security main
Debian|bookworm|deb http://mirror.example/debian/ bookworm main
Debian|trixie|deb http://mirror.example/debian/ trixie main
Other|bookworm|deb http://other.example/ bookworm main
no such line""".splitlines()


class Recorded:
    """Commands that answer as they are told, and refuse any other one."""

    def __init__(self, answers: Mapping[str, Sequence[str] | Exception]) -> None:
        self._answers = answers
        self.given: list[list[str]] = []

    def lines(self, command: Sequence[str]) -> Iterator[str]:
        self.given.append(list(command))
        answer = self._answers[command[0]]
        if isinstance(answer, Exception):
            raise answer
        return iter(answer)


def bootstrap(commands: images.Commands, *, distribution: str = "debian", suite: str = "bookworm") -> list[str]:
    said: list[str] = []
    images.bootstrap(
        distribution=distribution,
        suite=suite,
        tag="fullhost/debian:bookworm",
        report=said.append,
        commands=commands,
        customize=pathlib.Path("/opt/fullhost/plugin-config/image/customize"),
    )
    return said


def test_the_tree_is_packed_whole_and_then_imported() -> None:
    commands = Recorded(
        {"apt-get": SOURCES, "mmdebstrap": ["I: extracting archives...", "W: no"], "docker": ["sha256:1"]}
    )
    said = bootstrap(commands)
    _, build, load = commands.given
    assert build[0] == "mmdebstrap"
    assert "--include=systemd-sysv,dbus,openssh-server,iproute2,iputils-ping" in build
    assert '--customize-hook=/opt/fullhost/plugin-config/image/customize "$1"' in build
    assert load[:4] == ["docker", "import", "-c", 'CMD ["/sbin/init"]']
    assert load[-1] == "fullhost/debian:bookworm"
    assert load[-2] in build
    assert not pathlib.Path(load[-2]).parent.exists()
    assert said == ["packages of debian bookworm", "extracting archives...", "import as fullhost/debian:bookworm"]


def test_the_machine_own_sources_of_the_suite_are_used() -> None:
    commands = Recorded({"apt-get": SOURCES, "mmdebstrap": [], "docker": []})
    bootstrap(commands)
    assert commands.given[1][-2:] == [
        "deb http://mirror.example/debian/ bookworm main",
        "deb http://mirror.example/debian-security/ bookworm-security main",
    ]


@pytest.mark.parametrize("answer", [[], FileNotFoundError("apt-get"), subprocess.CalledProcessError(100, "apt-get")])
def test_without_them_mmdebstrap_has_its_defaults(answer: Sequence[str] | Exception) -> None:
    commands = Recorded({"apt-get": answer, "mmdebstrap": [], "docker": []})
    bootstrap(commands, distribution="ubuntu", suite="noble")
    assert commands.given[1][-1] == "--components=main,universe"


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"mmdebstrap": FileNotFoundError()}, "cannot make the image: mmdebstrap is not installed"),
        (
            {"mmdebstrap": [], "docker": subprocess.CalledProcessError(1, "docker")},
            "cannot make the image: docker failed",
        ),
    ],
)
def test_a_step_that_fails_is_named(answers: Mapping[str, Sequence[str] | Exception], sentence: str) -> None:
    with pytest.raises(model.Cannot) as refused:
        bootstrap(Recorded({"apt-get": [], **answers}))
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"distribution": "arch"}, "cannot make an image of 'arch'"),
        ({"suite": "--help"}, "cannot use the suite '--help'"),
    ],
)
def test_what_is_no_distribution_or_suite_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(model.Cannot) as refused:
        bootstrap(Recorded({}), **changes)
    assert str(refused.value).startswith(sentence)


def test_what_a_failed_command_said_last_is_in_the_error() -> None:
    shell = images.Shell()
    with pytest.raises(subprocess.CalledProcessError):
        list(shell.lines(["sh", "-c", "echo one; echo two >&2; exit 3"]))
    assert list(shell.lines(["sh", "-c", "echo one; echo two >&2"])) == ["one", "two"]
