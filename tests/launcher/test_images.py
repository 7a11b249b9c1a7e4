"""Building an image: which commands, in which order, and what is said when one fails."""

import io
import pathlib
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence

import pytest

from launcher import builder, images, inits, model

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
        recipes=pathlib.Path("/opt/fullhost/plugin-config/images"),
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
    assert '--customize-hook=chroot "$1" /bin/sh -s </opt/fullhost/plugin-config/images/setup' in build
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


@pytest.mark.parametrize("name", ["almalinux", "alpine", "arch", "debian", "ubuntu"])
def test_a_recipe_is_packed_with_what_all_have_in_common(name: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(images.context(name, root=images.folder()))) as tar:
        assert {"./Dockerfile", "setup"} <= set(tar.getnames())
        file = tar.extractfile("./Dockerfile")
        assert file is not None
        lines = file.read().decode().splitlines()
    (label,) = [line.partition("=")[2] for line in lines if line.startswith(f"LABEL {model.INIT_LABEL}=")]
    assert f"STOPSIGNAL {inits.INITS[label].stop_signal}" in lines
    assert "FROM ${BASE}" in lines


def test_what_is_no_recipe_and_no_argument_is_refused() -> None:
    with pytest.raises(model.Cannot, match=r"^cannot build '\.\./debian': there is no such recipe") as refused:
        images.context("../debian", root=images.folder())
    assert refused.value.hint == "known are almalinux, alpine, arch, debian, ubuntu"
    for word in ("BASE", "=x"):
        with pytest.raises(model.Cannot, match="cannot use the build argument"):
            images.arguments([word])
    assert images.arguments(["BASE=a=b"]) == {"BASE": "a=b"}


def test_the_steps_of_a_build_are_told_and_the_one_that_fails_with_its_last_words() -> None:
    said: list[str] = []
    told = [
        {"stream": "Step 1/2 : FROM ${BASE}\n"},
        {"stream": " ---> 0123\n"},
        {"stream": "Step 2/2 : RUN apt-get update\n"},
        {"stream": "\x1b[91mTemporary failure resolving\n\x1b[0m"},
        {"stream": "Removed intermediate container 0123\n"},
        {"error": "The command '/bin/sh -c apt-get update' returned a non-zero code: 100"},
    ]
    with pytest.raises(model.Cannot) as refused:
        builder.follow(told, tag="some/image", report=said.append)
    assert said == ["Step 1/2 : FROM ${BASE}", "Step 2/2 : RUN apt-get update"]
    assert str(refused.value) == (
        "cannot build some/image at RUN apt-get update: exit code 100\nTemporary failure resolving"
    )
