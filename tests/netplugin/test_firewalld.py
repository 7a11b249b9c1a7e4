"""firewalld, by what it and nft would say; tests/system/test_firewalls.py has the real one."""

import dataclasses
import pathlib

import pytest

from netplugin import deadline, firewalld, model
from tests.netplugin.conftest import NETWORK

# From firewalld 1.3 on bookworm, and 2.5 on forky.
ZONED = ('iifname "br0" goto filter_IN_docker', 'iifname "br0" jump filter_IN_fullhost_to_HOST')
JOIN = "--zone=fullhost --change-interface=br0"


@pytest.fixture
def says(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """Give the folder of two programs: nft lists what is in `table`, firewall-cmd knows the zone if `zone` is there."""
    nft = f'test "$*" = "list table inet firewalld" && cat {tmp_path}/table'
    command = f"""\
case $* in
    --permanent\\ --new-zone-from-file=*) what=new ;;
    --reload) touch {tmp_path}/zone ;;
    *) test -e {tmp_path}/zone || what=refused ;;
esac
echo "${{what:-$*}}" >>{tmp_path}/asked
test "$what" != refused
"""
    for name, text in (("nft", nft), ("firewall-cmd", command)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path


def asked(says: pathlib.Path) -> list[str]:
    return (says / "asked").read_text().splitlines() if (says / "asked").exists() else []


def test_where_it_does_not_run_nothing_is_asked_of_it(says: pathlib.Path) -> None:
    assert firewalld.missing(NETWORK) == ()
    firewalld.ensure(NETWORK)
    firewalld.leave(NETWORK)
    assert asked(says) == []


def test_a_bridge_in_no_zone_is_put_into_ours(says: pathlib.Path) -> None:
    (says / "table").write_text('iifname "br01" goto filter_IN_public')
    (says / "zone").touch()
    assert firewalld.missing(NETWORK) == ("the zone of br0 in firewalld",)
    firewalld.ensure(NETWORK)
    assert asked(says) == [JOIN]


def test_the_zone_is_made_where_it_is_missing(says: pathlib.Path) -> None:
    (says / "table").touch()
    firewalld.ensure(NETWORK)
    assert asked(says) == ["refused", "new", "--reload", JOIN]


def test_a_call_leaves_the_making_to_the_keeper(says: pathlib.Path) -> None:
    (says / "table").touch()
    with deadline.within(2):
        firewalld.ensure(NETWORK)
    assert asked(says) == ["refused"]


@pytest.mark.parametrize("line", ZONED)
def test_a_bridge_that_is_in_a_zone_stays_there(says: pathlib.Path, line: str) -> None:
    (says / "table").write_text(line)
    assert firewalld.missing(NETWORK) == ()
    firewalld.ensure(NETWORK)
    assert asked(says) == []


def test_a_bridge_that_leads_to_a_lan_is_let_alone(says: pathlib.Path) -> None:
    (says / "table").touch()
    lan: model.Network = dataclasses.replace(NETWORK, address=None, snat=False)
    firewalld.ensure(lan)
    firewalld.leave(lan)
    assert asked(says) == []


def test_a_network_that_goes_takes_its_bridge_out(says: pathlib.Path) -> None:
    (says / "table").touch()
    firewalld.leave(NETWORK)
    assert asked(says) == ["refused"]
