"""Help by topic and by command, completion, and `docker fhv`."""

import json

import click.testing
import pytest

from launcher import cli, extension, model, stock
from tests.launcher import fakes
from tests.launcher.test_cli import World, _fhv


def test_help_lists_commands_and_topics() -> None:
    said = _fhv("help").stdout
    assert "start " in said
    assert "\n  zone        The DNS zone is the inventory\n" in said


def test_help_of_a_topic_is_its_text() -> None:
    result = _fhv("help", "zone")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, "# The DNS zone is the inventory")
    assert "fullhost.stale=refuse" in result.stdout


@pytest.mark.parametrize("words", [("start",), ("image", "bootstrap")])
def test_help_of_a_command_is_what_its_help_option_says(words: tuple[str, ...]) -> None:
    assert _fhv("help", *words).stdout == _fhv(*words, "--help").stdout


@pytest.mark.parametrize("words", [("nonsense",), ("start", "nonsense"), ("image", "nonsense"), ("../cli",)])
def test_help_of_nothing_is_refused(words: tuple[str, ...]) -> None:
    result = _fhv("help", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"fhv: cannot explain {' '.join(words)}: there is no such topic or command\nhint: fhv help lists them\n"
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_for_fhv(shell: str) -> None:
    result = _fhv("completion", shell)
    assert result.exit_code == 0
    assert f"_FHV_COMPLETE={shell}_complete" in result.stdout


class Builder:
    """What knows two images."""

    def images(self) -> tuple[stock.Image, ...]:
        names = ("fullhost/debian:bookworm", "other:1")
        return tuple(stock.Image(name=name, init="systemd", size=1, created="", machines=()) for name in names)


class Stocked(World):
    """A world with images and snapshots."""

    def builder(self) -> Builder:  # type: ignore[override]
        return Builder()

    def depot(self) -> fakes.Depot:  # type: ignore[override]
        kept = ("fullhost/snapshot/web:snap0", "fullhost/snapshot/web:fine", "fullhost/snapshot/wiki:snap0")
        depot = fakes.Depot()
        depot.kept = dict.fromkeys(kept, "fullhost/debian:bookworm")
        return depot


def _offered(line: str, begun: str, *, engine: fakes.Engine | None = None) -> list[str]:
    """Ask as a shell does, once the words of `line` are typed and the next is `begun`."""
    import click.shell_completion

    driver = fakes.Driver({"host": 1, "web": 2, "db": 3})
    arguments = {"obj": Stocked(engine or fakes.Engine(), driver)}
    asked = click.shell_completion.BashComplete(cli.fhv, arguments, "fhv", "_FHV_COMPLETE")
    return [item.value for item in asked.get_completions(line.split(), begun)]


def test_names_of_the_zone_are_offered_to_start_and_those_of_machines_to_stop() -> None:
    there = fakes.Engine(fakes.machine("web"), fakes.machine("wiki"))
    assert _offered("start", "", engine=there) == ["db", "web"]
    assert _offered("stop", "w", engine=there) == ["web", "wiki"]
    assert _offered("stop web", "w", engine=there) == ["wiki"]


def test_snapshots_are_offered_of_the_machine_that_is_named() -> None:
    for command in ("restore", "snapshot restore", "snapshot rm"):
        assert _offered(f"{command} web.local", "") == ["fine", "snap0"]
        assert _offered(f"{command} web", "f") == ["fine"]
        assert _offered(f"{command} db", "") == []
    assert _offered("snapshot rm web fine", "") == ["snap0"]


def test_images_are_offered_to_rebuild_and_to_rm_and_recipes_to_build() -> None:
    assert _offered("rebuild web --image", "fullhost/") == ["fullhost/debian:bookworm"]
    assert _offered("image rm", "") == ["fullhost/debian:bookworm", "other:1"]
    assert _offered("image build", "a") == ["almalinux", "alpine", "arch"]


def test_an_engine_that_does_not_answer_offers_nothing() -> None:
    silent = fakes.Engine()
    silent.failing["network"] = model.Cannot("cannot look at the network: the engine does not answer")
    assert _offered("start", "", engine=silent) == []


def test_docker_learns_what_the_plugin_is() -> None:
    said = click.testing.CliRunner().invoke(extension._called, ["docker-cli-plugin-metadata"])
    assert json.loads(said.stdout)["SchemaVersion"] == "0.1.0"


def test_an_option_of_docker_that_fhv_does_not_know_is_refused() -> None:
    said = click.testing.CliRunner().invoke(extension._called, ["--context", "other", "fhv", "list"])
    assert (said.exit_code, said.stderr.splitlines()[0]) == (
        2,
        "docker fhv: cannot use --context: of docker's own options fhv knows -H only",
    )


def test_docker_fhv_is_fhv() -> None:
    said = click.testing.CliRunner().invoke(extension._called, ["fhv", "list", "--help"])
    assert said.stdout.startswith("Usage: docker fhv list [OPTIONS]")
