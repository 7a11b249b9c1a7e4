"""What is asked of one machine, by fhv.toml and by the zone."""

import contextlib
import pathlib

import hypothesis
import hypothesis.strategies as st
import pytest

from launcher import config, definition, model, specification

_ALL = definition.Permission(allow=definition.TEXT_KEYS, images=("fullhost/*", "debian"), memory=4 * 1024**3, cpus=2.0)


def _texts(*records: tuple[str, ...], permission: definition.Permission = _ALL) -> definition.Definition:
    return definition.texts(records, permission, name="web")


def test_a_record_asks_for_what_it_says() -> None:
    assert _texts(
        ("image=fullhost/debian:bookworm memory=2g  cpus=1.5", "autostart=false priority=-3"),
        ("delay=2.5 after=db,cache",),
    ) == definition.Definition(
        image="fullhost/debian:bookworm",
        memory=2 * 1024**3,
        cpus=1.5,
        autostart=False,
        priority=-3,
        delay=2.5,
        after=("db", "cache"),
    )


def test_no_record_and_an_empty_one_ask_for_nothing() -> None:
    assert _texts() == _texts(("",)) == _texts((" ", "")) == definition.Definition()


@pytest.mark.parametrize(
    ("record", "fact"),
    [
        (("memroy=2g",), "has the unknown key 'memroy'"),
        (("volumes=etc:/etc",), "has the unknown key 'volumes'"),
        (("environment=A",), "has the unknown key 'environment'"),
        (("profiles=big",), "has the unknown key 'profiles'"),
        (("memory=2g memory=2g",), "says memory twice"),
        (("memory=2g", "memory=3g"), "says memory twice"),
        (("memory",), "has 'memory', which is no key=value"),
        (("memory=",), "which is no key=value"),
        (("Memory=2g",), "which is no key=value"),
        (("memory = 2g",), "which is no key=value"),
        (("memory=2g;cpus=1",), "which is no key=value"),
        (('image="debian"',), "which is no key=value"),
        (("image=\\xc8",), "which is no key=value"),
        (("memory=2g\tcpus=1",), "which is no key=value"),
        (("mem", "ory=2g"), "has 'mem', which is no key=value"),
        (("memory=much",), "memory of the TXT record of _fhv.web is 'much', which is no size"),
        (("memory=0",), "asks for no limit of memory"),
        (("memory=5g",), "asks for memory=5g, and fhv.toml allows 4g"),
        (("memory=99999999999999999g",), "which is no size"),
        (("cpus=4",), "asks for cpus=4, and fhv.toml allows 2"),
        (("cpus=0",), "which is no number of cores"),
        (("cpus=nan",), "which is no number of cores"),
        (("cpus=1e3",), "which is no number of cores"),
        (("autostart=yes",), "which is neither true nor false"),
        (("priority=high",), "which is no whole number"),
        (("delay=3601",), "which is no number of seconds up to 3600"),
        (("after=DB",), "which is no list of names"),
        (("after=db,",), "which is no list of names"),
        (("image=fullhost/snapshot/db:x",), "asks for the image fullhost/snapshot/db:x, which fhv.toml does not allow"),
        (("image=debian:12",), "asks for the image debian:12, which fhv.toml does not allow"),
    ],
)
def test_what_is_not_understood_or_too_much_is_refused_by_name(record: tuple[str, ...], fact: str) -> None:
    with pytest.raises(model.Cannot) as caught:
        _texts(record)
    assert fact in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("key", sorted(definition.TEXT_KEYS))
def test_by_default_nothing_is_allowed(key: str) -> None:
    with pytest.raises(model.Cannot, match=rf"asks for {key}, which fhv.toml does not allow") as caught:
        _texts((f"{key}=1",), permission=definition.Permission())
    assert f'[txt] allow = ["{key}"]' in caught.value.hint


@hypothesis.given(records=st.lists(st.lists(st.text(max_size=30), max_size=3).map(tuple), max_size=3).map(tuple))
def test_any_record_is_refused_where_nothing_is_allowed(records: definition.Texts) -> None:
    with contextlib.suppress(model.Cannot):
        assert definition.texts(records, definition.Permission(), name="web") == definition.Definition()


_PAIRS = st.sampled_from(
    ["memory=1g", "memory=9g", "memory=0k", "cpus=1", "cpus=3", "image=fullhost/x", "image=other", "autostart=true"]
)


@hypothesis.given(
    pairs=st.lists(_PAIRS, max_size=4), allow=st.frozensets(st.sampled_from(sorted(definition.TEXT_KEYS)))
)
def test_a_record_gets_nothing_beyond_what_is_allowed(pairs: list[str], allow: frozenset[str]) -> None:
    permission = definition.Permission(allow=allow, images=("fullhost/*",), memory=2 * 1024**3, cpus=2.0)
    with contextlib.suppress(model.Cannot):
        asked = definition.texts((tuple(pairs),), permission, name="web")
        assert {key for key in definition.KEYS if getattr(asked, key) is not None} <= allow
        assert 0 < (asked.memory or 1) <= 2 * 1024**3
        assert (asked.cpus or 1) <= 2
        assert (asked.image or "fullhost/").startswith("fullhost/")


def test_volumes_and_variables_are_added_and_those_of_one_place_or_name_replaced() -> None:
    base = specification.Spec(image="i", network="n", volumes=("a:/a", "b:/b"), environment={"A": "1", "B": "1"})
    more = definition.Definition(volumes=("c:/b:ro", "d:/d"), environment={"B": "2"})
    spec = more.over(base)
    assert spec.volumes == ("a:/a", "c:/b:ro", "d:/d")
    assert spec.environment == {"A": "1", "B": "2"}


_WHOLE = """
image = "base"
[defaults]
memory = "1g"
after = ["db"]
autostart = false
[profile.big]
memory = "8g"
cpus = 4
[profile.late]
priority = -1
delay = 3
cpus = 3
[machine.web]
profiles = ["big", "late"]
autostart = true
[txt]
allow = ["memory", "autostart", "cpus"]
"""


def test_the_zone_overrules_the_defaults_and_a_section_with_its_profiles_overrules_the_zone() -> None:
    settings = config.parse(_WHOLE)
    other = settings.spec("else", (("memory=2g", "autostart=true"),))
    assert (other.image, other.memory, other.after, other.autostart) == ("base", 2 * 1024**3, ("db",), True)
    web = settings.spec("web", (("memory=2g", "cpus=1"), ("autostart=false",)))
    assert (web.memory, web.cpus, web.priority, web.delay, web.autostart) == (8 * 1024**3, 3.0, -1, 3.0, True)
    with pytest.raises(model.Cannot, match=r"^cannot make web: the TXT record of _fhv\.web asks for after"):
        settings.spec("web", (("after=x",),))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("image = 'a'\n[defaults]\nimage = 'b'", "image is said twice"),
        ("defaults = 3", "defaults is no table"),
        ("[defaults]\nnetwork = 'x'", "[defaults] has the unknown key 'network'"),
        ("[defaults]\nprofiles = ['x']", "[defaults] has the unknown key 'profiles'"),
        ("[profile.a]\nprofiles = ['x']", "[profile.a] has the unknown key 'profiles'"),
        ("[profile.A]\nmemory = '1g'", "[profile.A] is of no profile"),
        ("[machine.a]\nprofiles = ['x']", "[machine.a] has the profile x, which is not there"),
        ("[machine.a]\nafter = ['a']", "[machine.a] comes after itself"),
        ("[machine.a]\nafter = 'b'", "after of [machine.a] is 'b', which is no list of names"),
        ("[machine.a]\nafter = ['B']", "which is no list of names"),
        ("[machine.a]\nautostart = 'no'", "which is neither true nor false"),
        ("[machine.a]\npriority = 1.5", "which is no whole number"),
        ("[machine.a]\npriority = true", "which is no whole number"),
        ("[machine.a]\ndelay = -1", "which is no number of seconds"),
        ("[machine.a]\ndelay = nan", "which is no number of seconds"),
        ("[txt]\nallow = 'memory'", "allow of [txt] is 'memory', which is no list of texts"),
        ("[txt]\nallow = ['volumes']", "allow of [txt] has 'volumes', which no TXT record can ask for"),
        ("[txt]\nalow = []", "[txt] has the unknown key 'alow'"),
        ("[txt]\nimages = [3]", "which is no list of texts"),
        ("[txt]\nmemory = 3", "memory of [txt] is 3, which is no size"),
        ("[txt]\ncpus = 0", "which is no number of cores"),
        ("txt = 3", "txt is no table"),
    ],
)
def test_what_fhv_toml_cannot_mean_is_refused_by_name(text: str, fact: str) -> None:
    with pytest.raises(model.Cannot) as caught:
        config.parse(text)
    assert fact in str(caught.value)
    assert caught.value.hint


def test_what_the_settings_of_a_new_host_show_is_true() -> None:
    template = (pathlib.Path(__file__).parents[2] / "plugin-config" / "fhv.toml").read_text()
    shown = [line.removeprefix("# ") for line in template.splitlines() if not line.endswith((".", ":", "nothing:"))]
    settings = config.parse("\n".join([*shown, "[profile.big]"]))
    assert settings.spec("web").after == ("db",)
    assert settings.permission.images == ("fullhost/*",)
