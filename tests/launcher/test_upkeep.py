"""Keeping machines: each act fails once, by a refusal and by a Ctrl-C, and nothing is lost."""

import dataclasses
import io
import os
import pathlib
from collections.abc import Callable

import pytest

from launcher import exchange, inventory, model, parcel, rivalry, snapshots, specification, upkeep
from tests.launcher import fakes

_ZONE = {"web": 2, "db": 3}
_FAILURES = [model.Cannot("cannot do what it was told"), KeyboardInterrupt()]
_STATES = [model.State.RUNNING, model.State.EXITED]
_ACTS: dict[str, Callable[[upkeep.Upkeep, model.Machine], model.Result]] = {
    "restore": lambda keep, web: keep.restore(web, snapshots.choose("web", keep.depot.snapshots("web"), "")),
    "rebuild": lambda keep, web: keep.rebuild(web, ""),
    "clone": lambda keep, web: keep.clone(web, "db"),
    "rename": lambda keep, web: keep.rename(web, "db"),
}


def _web(state: model.State = model.State.RUNNING) -> model.Machine:
    return dataclasses.replace(fakes.machine("web", state=state), memory=2**30, cpus=1.5, volumes=("/srv/web:/srv",))


def _keep(engine: fakes.Engine, depot: fakes.Depot | None = None, heard: list[str] | None = None) -> upkeep.Upkeep:
    images = depot or fakes.Depot()
    operator = fakes.operator(engine, fakes.Driver(_ZONE), depot=images, heard=heard)
    return upkeep.Upkeep(engine=engine, depot=images, operator=operator)


def _kept(state: model.State = model.State.RUNNING) -> tuple[fakes.Engine, fakes.Depot, upkeep.Upkeep]:
    """Give a machine with one snapshot."""
    engine, depot = fakes.Engine(_web(state)), fakes.Depot()
    keep = _keep(engine, depot)
    keep.snapshot(_web(state), "")
    return engine, depot, keep


def test_snapshots_are_counted_as_incus_does() -> None:
    engine, _, keep = _kept()
    assert keep.snapshot(_web(), "").done == "snapshot snap1"
    assert keep.snapshot(_web(), "before").done == "snapshot before"
    with pytest.raises(model.Cannot, match="there is one of this tag"):
        keep.snapshot(_web(), "before")
    with pytest.raises(model.Cannot, match="is no tag of an image"):
        keep.snapshot(_web(), "-x")
    assert [done.done for done in keep.forget("web", ("snap1", "before"))] == [
        "snapshot snap1 removed",
        "snapshot before removed",
    ]
    with pytest.raises(model.Cannot, match="cannot find the snapshot nope of web"):
        keep.forget("web", ("snap0", "nope"))
    assert [snapshot.tag for snapshot in keep.depot.snapshots("web")] == ["snap0"]
    assert engine.containers == {"web": _web()}


@pytest.mark.parametrize("state", _STATES)
def test_a_restored_machine_is_made_of_the_snapshot_and_is_what_it_was_in_all_else(state: model.State) -> None:
    engine, _, keep = _kept(state)
    assert _ACTS["restore"](keep, _web(state)).done == "restored from snap0"
    there = engine.containers["web"]
    assert (there.state.value, list(engine.containers)) == (
        "running" if state == model.State.RUNNING else "created",
        ["web"],
    )
    assert (engine.made[0].image, there.image) == ("fullhost/snapshot/web:snap0", "fullhost/debian:bookworm")
    assert (there.memory, there.cpus) == (2**30, 1.5)


@pytest.mark.parametrize("failure", _FAILURES, ids=["refusal", "interrupt"])
@pytest.mark.parametrize("state", _STATES)
@pytest.mark.parametrize("act", sorted(_ACTS))
def test_whatever_act_fails_the_machine_is_what_it_was(act: str, state: model.State, failure: BaseException) -> None:
    failed, count = True, 0
    while failed:
        count += 1
        engine, _, keep = _kept(state)
        before = dict(engine.containers)
        engine.fails, engine.failure = count, failure
        failed = _fails(keep, act, _web(state))
        if failed and "remove" not in engine.calls[-1]:
            assert engine.containers == before, engine.calls
        assert {"web", "db"} & set(engine.containers)
    assert count > 2


@pytest.mark.parametrize("act", ["clone", "rename"])
def test_an_image_that_cannot_be_made_leaves_the_machine(act: str) -> None:
    for count in (1, 2):
        engine, depot, keep = _kept()
        depot.fails = count
        assert _fails(keep, act, _web()) or act == "rename"
        assert "web" in engine.containers or count == 2
        assert not [image for image in depot.images if image.startswith("sha256:")]


def _fails(keep: upkeep.Upkeep, act: str, web: model.Machine) -> bool:
    try:
        _ACTS[act](keep, web)
    except (model.Cannot, KeyboardInterrupt):
        return True
    return False


@pytest.mark.parametrize("act", ["restore", "rebuild", "clone", "rename"])
def test_a_new_container_that_does_not_come_up_gives_way(act: str) -> None:
    engine, _, keep = _kept()
    engine.started_as = model.State.EXITED
    with pytest.raises(model.Cannot, match="its init ended with exit code 3"):
        _ACTS[act](keep, _web())
    assert list(engine.containers) == ["web"]
    assert engine.containers["web"].container == "id-of-web"


def test_one_that_is_not_up_in_time_gives_way_and_a_clone_goes_on_booting() -> None:
    engine, _, keep = _kept()
    engine.answers = {"web": ["starting\n"], "db": ["starting\n"]}
    with pytest.raises(model.Cannot) as caught:
        _ACTS["restore"](keep, _web())
    assert caught.value.hint == "give it longer, with --timeout"
    assert engine.containers["web"].container == "id-of-web"
    with pytest.raises(model.Cannot, match="cannot wait any longer for db"):
        _ACTS["clone"](keep, _web())
    assert sorted(engine.containers) == ["db", "web"]


def test_a_rename_takes_volumes_limits_and_snapshots_along() -> None:
    engine, depot, keep = _kept()
    assert _ACTS["rename"](keep, _web()).done == "is db now"
    there = engine.containers["db"]
    assert ("/srv/web:/srv" in there.volumes, there.memory, list(engine.containers)) == (True, 2**30, ["db"])
    assert list(depot.kept) == ["fullhost/snapshot/db:snap0"]


def test_a_clone_has_an_identity_of_its_own_and_no_volumes_of_the_other() -> None:
    engine, depot, keep = _kept()
    assert _ACTS["clone"](keep, _web()).done == "cloned from web"
    assert engine.made[-1].image == "sha256:renewed"
    assert ("/srv/web:/srv" in engine.made[-1].volumes, engine.containers["web"]) == (False, _web())
    assert not [image for image in depot.images if image.startswith("sha256:")]


@pytest.mark.parametrize("new", ["nothere", "web", "a_b"])
@pytest.mark.parametrize("act", ["clone", "rename", "import"])
def test_a_newcomer_is_of_the_zone_and_not_there_yet(act: str, new: str) -> None:
    engine, _, keep = _kept()
    acts = {
        "clone": lambda: keep.clone(_web(), new),
        "rename": lambda: keep.rename(_web(), new),
        "import": lambda: keep.bring_in(io.BytesIO(), new, lambda octets: None),
    }
    with pytest.raises(model.Cannot, match=f"cannot make {new}: "):
        acts[act]()
    assert (list(engine.containers), engine.made) == (["web"], [])


@pytest.mark.parametrize("act", _ACTS)
def test_a_zone_that_is_not_seen_is_what_is_told(act: str) -> None:
    engine, depot, keep = _kept()
    driver = fakes.Driver({"db": 3} if act in ("restore", "rebuild") else _ZONE)
    keep = dataclasses.replace(keep, operator=fakes.operator(engine, driver, depot=depot))
    if act in ("restore", "rebuild"):
        with pytest.raises(model.Cannot, match=r"^cannot (rebuild|make anew) web: the zone local gives it no address"):
            _ACTS[act](keep, _web())
    driver.zone = _unseen  # type: ignore[method-assign]
    with pytest.raises(model.Cannot, match=r"^cannot transfer the zone local$"):
        _ACTS[act](keep, _web())
    assert (engine.containers, engine.made) == ({"web": _web()}, [])


def _unseen(network: str) -> inventory.Zone:
    assert network
    raise model.Cannot("cannot transfer the zone local")


@pytest.mark.parametrize("act", [lambda keep: keep.snapshot(_web(), ""), lambda keep: keep.rename(_web(), "db")])
def test_a_machine_that_another_fhv_has_claimed_is_left_alone(act: Callable[[upkeep.Upkeep], model.Result]) -> None:
    engine, depot, keep = _kept()
    depot.failing["claim"] = rivalry.refused("web", "web.new", "docker rm web.new")
    with pytest.raises(rivalry.Taken, match="another fhv is at it") as refused:
        act(keep)
    assert refused.value.hint == "wait for the other; if there is none: docker rm web.new"
    assert (engine.containers, list(depot.kept)) == ({"web": _web()}, ["fullhost/snapshot/web:snap0"])


def test_a_machine_that_was_exchanged_meanwhile_is_left_alone() -> None:
    engine, _, keep = _kept()
    engine.containers["web"] = other = dataclasses.replace(_web(), container="another")
    with pytest.raises(rivalry.Taken, match="another fhv has exchanged it meanwhile"):
        keep.rename(_web(), "db")
    assert engine.containers == {"web": other}


def test_a_second_exchange_of_one_machine_is_refused() -> None:
    engine, _, keep = _kept()
    engine.containers["web.new"] = fakes.machine("web", state=model.State.CREATED)
    with pytest.raises(model.Cannot, match=r"another fhv is at it, or was cut off \(web.new is there\)"):
        _ACTS["restore"](keep, _web())
    assert engine.containers["web"] == _web()


def test_start_brings_back_what_a_killed_fhv_had_set_aside() -> None:
    aside = dataclasses.replace(_web(model.State.EXITED), container="old")
    engine = fakes.Engine()
    engine.containers["web.replaced"] = aside
    engine.containers["web.new"] = dataclasses.replace(aside, container="new", state=model.State.CREATED)
    result = fakes.operator(engine, fakes.Driver(_ZONE)).start(("web",))[0]
    assert "the exchange of it for another was cut off" in " ".join(result.warnings)
    assert {name: there.container for name, there in engine.containers.items()} == {"web": "old"}


def test_start_finishes_an_exchange_that_was_cut_off_at_its_end() -> None:
    engine = fakes.Engine(_web())
    engine.containers["web.replaced"] = dataclasses.replace(_web(model.State.EXITED), container="old")
    result = fakes.operator(engine, fakes.Driver(_ZONE)).start(("web",))[0]
    assert "is removed" in " ".join(result.warnings)
    assert list(engine.containers) == ["web"]


def test_limits_are_set_and_shown() -> None:
    engine, _, keep = _kept()
    wanted = snapshots.limits(("memory=512m",))
    assert keep.limit(_web(), wanted).done == "512 MiB of memory, 1.5 cpus"
    assert (engine.containers["web"].memory, engine.containers["web"].cpus) == (512 * 2**20, 1.5)
    assert snapshots.limits(("memory=2g", "cpus=1.5")) == specification.Limits(memory=2**31, cpus=1.5)


@pytest.mark.parametrize("word", ["memory", "memory=", "memory=lots", "cpus=0", "cpus=nan", "cpus=-1", "colour=red"])
def test_what_is_no_limit_is_refused(word: str) -> None:
    with pytest.raises(model.Cannot, match=r"^cannot set"):
        snapshots.limits((word,))
    with pytest.raises(model.Cannot, match="cannot set cpus twice"):
        snapshots.limits(("cpus=1", "cpus=2"))


def test_what_was_exported_is_imported() -> None:
    engine, depot, keep = _kept()
    octets = list[int]()
    packed = b"".join(keep.export(_web(), octets.append))
    assert octets[-1] == len(packed)
    assert keep.bring_in(io.BytesIO(packed), "db", lambda octets: None).done == "imported, once web"
    assert depot.brought == b"the files of sha256:web"
    there = engine.containers["db"]
    assert (there.image, there.memory, there.cpus, there.init) == ("fullhost/debian:bookworm", 2**30, 1.5, "systemd")


@pytest.mark.parametrize(
    "change", [b"", b"x", b"\0" * 1024, "name", '"format": 1', '"memory": 1073741824', '"cpus": 1.5']
)
def test_what_was_not_exported_is_refused(change: bytes | str) -> None:
    engine, _, keep = _kept()
    packed = b"".join(keep.export(_web(), lambda octets: None))
    strange = change if isinstance(change, bytes) else packed.replace(change.encode(), b"x" * len(change), 1)
    with pytest.raises(model.Cannot, match="cannot import it: that is no file that fhv export wrote"):
        keep.bring_in(io.BytesIO(strange), "db", lambda octets: None)
    assert list(engine.containers) == ["web"]


def test_a_manifest_of_other_types_is_refused() -> None:
    odd = parcel.Manifest(name="web", image="x", init="systemd", memory=-1, cpus=0)
    with pytest.raises(model.Cannot, match="what it says of the machine is not understood"):
        parcel.opened(io.BytesIO(parcel.first(odd)))


def test_what_is_lost_is_said() -> None:
    assert snapshots.lost(_web(), "since then") == (
        "the files of web since then are lost. Its volumes stay as they are (/srv). It is stopped and started."
    )
    assert "without its volumes (/srv), memory, /run and /tmp. It is frozen" in snapshots.not_held(_web())
    assert "frozen" not in snapshots.not_held(_web(model.State.EXITED))


def test_a_stop_that_takes_long_says_what_it_waits_for() -> None:
    engine, driver = fakes.Engine(), fakes.Driver(_ZONE)
    ending = fakes.operator(engine, driver).exchange.ending
    assert ending.reason() == "still stopping: its init is ending its services"
    driver.down = model.Cannot("cannot reach the network driver")
    assert "the engine tries to reach the network driver for 45 seconds" in ending.reason()


def test_what_cannot_be_brought_back_is_not_lost() -> None:
    engine, _, keep = _kept()
    engine.failing["start"] = model.Cannot("cannot start web: no space left")
    with pytest.raises(model.Cannot, match="cannot bring web back as it was") as caught:
        _ACTS["restore"](keep, _web())
    assert caught.value.hint == "nothing of it is lost: fhv start web"
    assert engine.containers["web"].container == "id-of-web"
    assert isinstance(keep.operator.exchange, exchange.Exchange)


def test_an_archive_is_written_through_a_link_and_never_in_the_place_of_a_device(tmp_path: pathlib.Path) -> None:
    real, link, pipe = tmp_path / "real", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(real)
    os.mkfifo(pipe)
    parcel.write(link, [b"one"], force=False)
    assert (real.read_bytes(), link.is_symlink()) == (b"one", True)
    with pytest.raises(model.Cannot, match="it is there already"):
        parcel.write(link, [b"two"], force=False)
    parcel.write(link, [b"two"], force=True)
    assert (real.read_bytes(), link.is_symlink()) == (b"two", True)
    for place in (pipe, tmp_path, pathlib.Path("/dev/null")):
        with pytest.raises(model.Cannot, match="it is no file"):
            parcel.write(place, [b"x"], force=True)
    assert pipe.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe", "real"]
