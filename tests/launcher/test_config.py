"""`fhv.toml`."""

import contextlib
import pathlib

import hypothesis
import hypothesis.strategies as st
import pytest

from launcher import config, model, specification

_WHOLE = """
image = "some/image"
network = "lan"

[machine.web]
image = "other/image"
memory = "2g"
cpus = 1.5
volumes = ["/srv/web:/srv"]
environment = { A = "b" }

[machine.db]
"""


def test_a_machine_has_what_its_section_says_and_else_what_all_have() -> None:
    settings = config.parse(_WHOLE)
    assert settings.spec("web") == specification.Spec(
        image="other/image",
        network="lan",
        memory=2 * 1024**3,
        cpus=1.5,
        volumes=("/srv/web:/srv",),
        environment={"A": "b"},
    )
    assert settings.spec("db") == settings.spec("else") == specification.Spec(image="some/image", network="lan")


def test_an_empty_file_stands_for_the_defaults() -> None:
    assert config.parse("").spec("web") == specification.Spec(image="fullhost/debian:bookworm", network="fullhost")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("image = ", "it is not TOML"),
        ("imgae = 'x'", "the file has the unknown key 'imgae'"),
        ("[machine.web]\nmemroy = '2g'", "[machine.web] has the unknown key 'memroy'"),
        ("[machine.web]\nnetwork = 'x'", "[machine.web] has the unknown key 'network'"),
        ("image = 3", "image of the file is 3, which is no text"),
        ("image = ''", "image of the file is '', which is no text"),
        ("machine = 3", "machine is no table"),
        ("machine = { web = 3 }", "machine.web is no table"),
        ("[machine.web]\nmemory = 2", "memory of [machine.web] is 2, which is no size"),
        ("[machine.web]\nmemory = '2t'", "which is no size"),
        ("[machine.web]\ncpus = 0", "which is no number of cores"),
        ("[machine.web]\ncpus = true", "which is no number of cores"),
        ("[machine.web]\ncpus = nan", "which is no number of cores"),
        ("[machine.web]\nvolumes = '/a:/b'", "which is no list of volumes"),
        ("[machine.web]\nvolumes = ['/a']", "which is no list of volumes"),
        ("[machine.web]\nenvironment = { A = 1 }", "which is no table of texts"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, fact: str) -> None:
    with pytest.raises(model.Cannot) as caught:
        config.parse(text)
    assert fact in str(caught.value)


@pytest.mark.parametrize(("size", "octets"), [("7", 7), ("7b", 7), ("7k", 7168), ("7M", 7340032), ("1g", 1073741824)])
def test_memory_is_written_as_docker_has_it(size: str, octets: int) -> None:
    assert config.parse(f"[machine.web]\nmemory = '{size}'").spec("web").memory == octets


@hypothesis.given(st.text())
def test_any_text_is_either_settings_or_refused(text: str) -> None:
    with contextlib.suppress(model.Cannot):
        assert config.parse(text).spec("web").image


def test_a_file_that_is_not_there_stands_for_the_defaults_unless_it_was_named(tmp_path: pathlib.Path) -> None:
    assert config.load(tmp_path / "fhv.toml") == config.parse("")
    with pytest.raises(model.Cannot, match="there is no such file"):
        config.load(tmp_path / "fhv.toml", required=True)


def test_a_file_that_cannot_be_used_is_named(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "fhv.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(model.Cannot, match=f"cannot read {path}"):
        config.load(path)
    path.write_text("foo = 1")
    with pytest.raises(model.Cannot, match=f"cannot use {path}: the file has the unknown key 'foo'"):
        config.load(path)


@pytest.mark.parametrize("name", ["Docs", "docs.local", "a_b", "-a", "x" * 64])
def test_a_section_that_could_never_apply_is_refused(name: str) -> None:
    with pytest.raises(model.Cannot, match="is of no machine"):
        config.parse(f'[machine."{name}"]\nmemory = "1g"\n')


@pytest.mark.parametrize(
    ("text", "ordered"),
    [
        ("", False),
        ("[machine.web]\ndelay = 3\nautostart = false\n", False),
        ('[machine.web]\nafter = ["db"]\n', True),
        ("[machine.web]\npriority = -1\n", True),
        ('[profile.p]\npriority = 1\n[machine.web]\nprofiles = ["p"]\n', True),
        ("[profile.p]\npriority = 1\n", False),
        ('[defaults]\nafter = ["db"]\n', True),
        ('[txt]\nallow = ["memory", "after"]\n', True),
        ('[txt]\nallow = ["memory"]\n', False),
    ],
)
def test_whether_anybody_may_have_to_wait_for_another(text: str, ordered: bool) -> None:
    assert config.parse(text).ordered is ordered


def test_all_may_come_after_one_of_them() -> None:
    settings = config.parse('[defaults]\nafter = ["db", "cache"]\n')
    assert settings.spec("web").after == ("db", "cache")
    assert settings.spec("db").after == ("cache",)
