"""How things look to a person and to a program."""

import dataclasses
import datetime as dt
import json

import pytest

from launcher import machines, model, words
from tests.launcher import fakes

_NOW = dt.datetime(2026, 11, 24, 12, 0, 0, tzinfo=dt.UTC)


def test_the_list_is_a_table() -> None:
    there = (
        fakes.machine("monitor", aliases=("grafana", "influxdb")),
        dataclasses.replace(fakes.machine("web", state=model.State.EXITED), address=None),
    )
    assert words.listing(there, now=_NOW).splitlines() == [
        "NAME      ALIASES            STATE     ADDRESS      IMAGE                      SINCE",
        "monitor   grafana,influxdb   running   172.31.0.2   fullhost/debian:bookworm   2 hours ago",
        "web       -                  exited    -            fullhost/debian:bookworm   2 hours ago",
    ]
    assert words.listing((), now=_NOW).split() == ["NAME", "ALIASES", "STATE", "ADDRESS", "IMAGE", "SINCE"]


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2026-11-24T12:00:00.5Z", "now"),
        ("2026-11-24T12:00:09Z", "now"),
        ("2026-11-24T11:59:59.999999999Z", "1 second ago"),
        ("2026-11-24T11:58:00Z", "2 minutes ago"),
        ("2026-11-24T10:00:01Z", "1 hour ago"),
        ("2026-11-01T10:00:01Z", "23 days ago"),
    ],
)
def test_since_is_said_in_the_largest_unit(moment: str, said: str) -> None:
    assert words.since(moment, now=_NOW) == said


def test_json_has_addresses_and_states_as_texts_and_null_for_what_is_not_known() -> None:
    written = json.loads(words.as_json((dataclasses.replace(fakes.machine("web"), address=None), {"a": fakes.SUBNET})))
    assert written[0]["state"] == "running"
    assert written[0]["address"] is None
    assert written[0]["capabilities"] == ["SYS_ADMIN"]
    assert written[1] == {"a": "172.31.0.0/24"}


def test_results_go_to_two_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    refused = model.Cannot("cannot boot some/image: it has no /sbin/init", hint="make another")
    results = [
        model.Result(name="web", done="created", warnings=("degraded: failed units are x",)),
        model.Result(name="db", refused=refused),
        model.Result(name="image", refused=model.Cannot("cannot start image: no")),
    ]
    assert not words.results(results)
    out, err = capsys.readouterr()
    assert out == "web: created\n"
    assert err.splitlines() == [
        "warning: web: degraded: failed units are x",
        "fhv: db: cannot boot some/image: it has no /sbin/init",
        "hint: make another",
        "fhv: cannot start image: no",
    ]
    assert words.results(results[:1])


def test_progress_without_a_terminal_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with words.progress(live=False) as report:
        report("web", "creating")
    assert capsys.readouterr().err == "web: creating\n"


def test_progress_on_a_terminal_goes_away_when_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with words.progress(live=True) as report:
        report("web", "creating")
        report("web", "booting systemd")
    assert capsys.readouterr().out == ""


def test_the_drivers_state_has_networks_endpoints_counters_and_warnings() -> None:
    driver = fakes.Driver({})
    written = words.driver(driver.status())
    assert written.startswith("driver 0.1.0, process 1, since 2026-11-24T10:00:00+00:00\n\nNETWORK")
    assert "ffffffffffff   br0      172.31.0.0/24   172.31.0.1   local    172.31.0.1   yes    1500" in written
    assert "rung.option  1" in written
    assert written.endswith("warning: IP forwarding is off")


def test_an_endpoint_that_is_not_certain_yet_says_so() -> None:
    provisional = model.Endpoint(
        id="e" * 64,
        network=fakes.NETWORK,
        name=None,
        address=fakes.SUBNET[200],
        mac="02:66:ac:1f:00:c8",
        veth="fh0123456789abh",
        rung="provisional",
        source="range",
        settled=False,
        joined=True,
        created="2026-11-24T10:00:00+00:00",
    )
    written = words.driver(dataclasses.replace(fakes.Driver({}).status(), endpoints=(provisional,)))
    assert "provisional     range, to be verified" in written


def test_a_lease_has_an_end_and_a_server() -> None:
    leased = model.Endpoint(
        id="e" * 64,
        network=fakes.NETWORK,
        name="scratch",
        address=fakes.SUBNET[50],
        mac="02:66:ac:1f:00:32",
        veth="fh0123456789abh",
        rung="option",
        source="dhcp",
        settled=True,
        joined=True,
        created="2026-11-24T10:00:00+00:00",
        lease=("2026-11-24T10:02:00+00:00", "172.31.0.1", "02:68:00:00:00:01"),
    )
    written = words.driver(dataclasses.replace(fakes.Driver({}).status(), endpoints=(leased,)))
    lease = "dhcp until 2026-11-24T10:02:00Z of 172.31.0.1, as 02:68:00:00:00:01"
    assert f"option          {lease}" in written
    seen = machines.Examination(
        machine=fakes.machine("scratch"), init_says="up", record="-", endpoint=leased, capabilities={}
    )
    assert lease in words.examination(seen)


def test_a_machine_has_a_fact_a_line() -> None:
    seen = machines.Examination(
        machine=fakes.machine("web"),
        init_says="up",
        record="172.31.0.2",
        endpoint=None,
        capabilities={"SYS_ADMIN": "the reason"},
    )
    lines = dict(line.split("  ", 1) for line in words.examination(seen).splitlines())
    assert {key: fact.strip() for key, fact in lines.items()} == {
        "name": "web",
        "aliases": "-",
        "state": "running since 2026-11-24T10:00:00Z",
        "init": "systemd: up",
        "address": "172.31.0.2",
        "DNS record": "172.31.0.2",
        "MAC": "02:66:ac:1f:00:02",
        "network": "fullhost",
        "veth": "-",
        "identified by": "-",
        "address from": "-",
        "image": "fullhost/debian:bookworm",
        "limits": "all memory, all cpus",
        "volumes": "-",
        "resolver": "engine",
        "capabilities": "SYS_ADMIN (the reason)",
    }
