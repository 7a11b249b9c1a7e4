"""What an attempt to break fhv has shown: two of them at once, a zone that cannot be transferred, names said twice."""

import pytest

from launcher import inventory, model, rivalry
from tests.launcher import fakes
from tests.launcher.test_machines import _operator

SILENT = model.Cannot("cannot transfer the zone local: the DNS server answered REFUSED")


class Rival(fakes.Engine):
    """An engine on which another fhv is a moment faster."""

    def create(self, creation: model.Creation, *, called: str = "") -> tuple[str, str]:
        assert not called
        self.containers[creation.name] = fakes.machine(creation.name, state=model.State.CREATED)
        raise model.Cannot(f"cannot create {creation.name}: Conflict. The container name is already in use")


class Hasty(Rival):
    """An engine that has given the name to another fhv, and shows the container a moment later."""

    def __init__(self) -> None:
        super().__init__()
        self.moments = 3

    def create(self, creation: model.Creation, *, called: str = "") -> tuple[str, str]:
        self.calls.append("create")
        raise rivalry.Taken(f"cannot create {creation.name}: Conflict. The container name is already in use")

    def find(self, name: str) -> model.Machine | None:
        self.moments -= "create" in self.calls
        if not self.moments:
            self.containers[name] = fakes.machine(name, state=model.State.CREATED)
        return super().find(name)


class Closed(fakes.Driver):
    """A driver whose name server transfers no zone."""

    def zone(self, network: str) -> inventory.Zone:
        assert network == fakes.NETWORK
        raise SILENT


class Stubborn(fakes.Engine):
    """An engine that starts nothing and removes nothing."""

    def start(self, name: str, container: str) -> str:
        raise model.Cannot(f"cannot start {name}: no space left on device")

    def remove(self, name: str, container: str, *, force: bool) -> None:
        raise model.Cannot(f"cannot remove {name}: removal is already in progress")


@pytest.mark.parametrize("rival", [Rival, Hasty])
def test_a_machine_that_another_fhv_created_meanwhile_is_continued(rival: type[Rival]) -> None:
    engine = rival()
    assert _operator(engine).start(("web",)) == (model.Result(name="web", done="continued"),)
    assert "remove" not in " ".join(engine.calls)


def test_without_a_transfer_machines_are_started_by_name_all_the_same() -> None:
    engine = fakes.Engine(fakes.machine("monitor", state=model.State.EXITED, aliases=("grafana",)))
    known, new = _operator(engine, Closed({"web": 2})).start(("monitor", "web"))
    assert (known.done, new.done) == ("continued", "created")
    assert "its aliases was not looked at: cannot transfer the zone local" in known.warnings[0]
    assert engine.made[0].aliases == ()


def test_without_a_transfer_nobody_knows_what_the_whole_zone_is() -> None:
    with pytest.raises(model.Cannot, match="cannot transfer the zone local"):
        _operator(fakes.Engine(), Closed({"web": 2})).start(())


def test_what_failed_is_told_and_not_what_failed_in_cleaning_up() -> None:
    (result,) = _operator(Stubborn()).start(("web",))
    assert str(result.refused) == "cannot start web: no space left on device"


@pytest.mark.parametrize("verb", ["stop", "restart"])
def test_a_machine_that_is_named_twice_is_handled_once(verb: str) -> None:
    engine = fakes.Engine(fakes.machine("web"))
    results = getattr(_operator(engine), verb)(("web", "WEB", "web.local", "nobody"))
    assert [(result.name, bool(result.refused)) for result in results] == [("web", False), ("nobody", True)]
    assert engine.calls.count("stop web") == 1
