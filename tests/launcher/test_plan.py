"""What is done with one machine, and what the engine is told to make it."""

import ipaddress

import hypothesis
import hypothesis.strategies as st
import pytest

from launcher import inits, model, plan, specification


def _machine(
    name: str = "web",
    *,
    state: model.State = model.State.RUNNING,
    ours: bool = True,
    aliases: tuple[str, ...] = (),
    address: str = "",
) -> model.Machine:
    return model.Machine(
        name=name,
        container="c" * 64,
        state=state,
        image="some/image",
        since="",
        domain="local",
        ours=ours,
        aliases=aliases,
        address=ipaddress.IPv4Address(address) if address else None,
    )


@pytest.mark.parametrize(
    ("address", "aliases", "said"),
    [
        ("172.31.0.2", ("www",), ""),
        ("", ("www",), ""),
        ("172.31.0.9", ("www",), "it has 172.31.0.9, and DNS gives it 172.31.0.2 now: fhv restart web"),
        ("172.31.0.2", (), "its aliases are none, and in DNS www now"),
        ("", ("www", "a"), "its aliases are a, www, and in DNS www now"),
    ],
)
def test_a_machine_that_is_no_longer_what_the_zone_says_is_told(
    address: str, aliases: tuple[str, ...], said: str
) -> None:
    member = model.Member(name="web", address=ipaddress.IPv4Address("172.31.0.2"), aliases=("www",))
    drift = plan.drift(_machine(address=address, aliases=aliases), member)
    assert drift.startswith(said)
    assert bool(drift) == bool(said)


@pytest.mark.parametrize(
    ("state", "action"),
    [
        (model.State.CREATED, plan.Action.START),
        (model.State.EXITED, plan.Action.START),
        (model.State.PAUSED, plan.Action.UNPAUSE),
        (model.State.RUNNING, plan.Action.NOTHING),
        (model.State.RESTARTING, plan.Action.NOTHING),
    ],
)
def test_a_machine_that_is_there_is_continued(state: model.State, action: plan.Action) -> None:
    assert plan.action(_machine(state=state), name="web") == action


def test_a_machine_that_is_not_there_is_created() -> None:
    assert plan.action(None, name="web") == plan.Action.CREATE


@pytest.mark.parametrize("state", list(model.State))
def test_a_container_of_somebody_else_is_left_alone(state: model.State) -> None:
    with pytest.raises(model.Cannot, match="fhv did not make it") as caught:
        plan.action(_machine(state=state, ours=False), name="web")
    assert "docker rename web" in caught.value.hint


@pytest.mark.parametrize("state", [model.State.REMOVING, model.State.DEAD])
def test_a_machine_that_is_going_is_not_started(state: model.State) -> None:
    with pytest.raises(model.Cannot, match="the engine is removing it"):
        plan.action(_machine(state=state), name="web")


def _network(port: int) -> model.Network:
    return model.Network(
        id="f" * 64,
        name="fullhost",
        bridge="br0",
        subnet=ipaddress.IPv4Network("172.31.0.0/24"),
        gateway=ipaddress.IPv4Address("172.31.0.1"),
        domain="local",
        dns=ipaddress.IPv4Address("172.31.0.1"),
        dns_port=port,
        snat=True,
        mtu=1500,
    )


@pytest.mark.parametrize(("port", "dns"), [(53, ("172.31.0.1",)), (1053, ())])
def test_a_machine_is_made_of_its_name_its_settings_and_what_its_init_needs(port: int, dns: tuple[str, ...]) -> None:
    boot = inits.boot(inits.INITS["systemd"], model.Host(engine=(20, 10), cgroup=1, apparmor=False))
    spec = specification.Spec(
        image="some/image", network="fullhost", memory=1, cpus=1.5, volumes=("/a:/b",), environment={"A": "b"}
    )
    member = model.Member(name="web", address=ipaddress.IPv4Address("172.31.0.2"), aliases=("www",))
    made = plan.creation(member, spec, _network(port), boot, origin="some/origin")
    assert (made.name, made.domain, made.network, made.aliases) == ("web", "local", "fullhost", ("www",))
    assert made.labels == {
        "fullhost.machine": "web",
        "fullhost.init": "systemd",
        "fullhost.domain": "local",
        "fullhost.image": "some/origin",
        "fullhost.resolver": "engine",
    }
    assert made.volumes == (*boot.volumes, "/a:/b")
    assert made.environment == {"container": "docker", "A": "b"}
    assert (made.memory, made.cpus) == (1, 1.5)
    assert made.dns == dns
    assert made.dns_search == ("local",)
    assert made.address == member.address, "for networks where somebody gives addresses out"


@pytest.mark.parametrize("text", ["web", "WEB", "web.local", "web.local."])
def test_a_machine_is_found_by_its_name(text: str) -> None:
    there = (_machine("db"), _machine("web"))
    assert plan.find(there, text, verb="stop").name == "web"


def test_an_alias_is_told_as_one() -> None:
    there = (_machine("monitor", aliases=("grafana",)),)
    with pytest.raises(
        model.Cannot, match="cannot open a shell on grafana: it is an alias of the machine monitor"
    ) as caught:
        plan.find(there, "grafana", verb="shell")
    assert caught.value.hint == "fhv shell monitor"
    with pytest.raises(model.Cannot, match="cannot remove web: there is no machine of this name"):
        plan.find(there, "web", verb="rm")


def test_the_last_words_of_a_console_are_plain_text() -> None:
    console = "\x1b[0;1;31mFailed\x1b[0m to mount\r\n\r\n[\x1b[32m  OK  \x1b[0m] one\r\n" + "two\r\n" * 2
    assert plan.last_words(console, lines=3) == "[  OK  ] one\ntwo\ntwo"
    assert plan.last_words(console) == "Failed to mount\n[  OK  ] one\ntwo\ntwo"


@hypothesis.given(st.text(), st.integers(min_value=1, max_value=20))
def test_last_words_are_few_and_never_draw(console: str, lines: int) -> None:
    words = plan.last_words(console, lines=lines)
    assert len(words.split("\n")) <= lines
    assert "\r" not in words
