"""`fhv dns list`, `add`, `rm`."""

import json

from launcher import listed, model
from tests.launcher import fakes
from tests.launcher.test_cli import _fhv


class Driver(fakes.Driver):
    """A driver with a key; it has registered scratch, and that of another host far."""

    def entries(self, network: str) -> tuple[listed.Entry, ...]:
        self._up()
        assert network == fakes.NETWORK
        return tuple(
            listed.Entry(
                name=name,
                addresses=(listed.Pointed(address=f"172.31.0.{at}", pointer=self.pointers.get(at, name)),),
                registered_by={"far": "two", "scratch": "one"}.get(name),
                here=name == "scratch",
            )
            for name, at in self.names.items()
        )

    def add_name(self, network: str, name: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
        self._up()
        assert network == fakes.NETWORK
        given = addresses or ("172.31.0.9",)
        self.names = {**self.names, name: int(given[0].rpartition(".")[2])}
        return given

    def remove_name(self, network: str, name: str) -> listed.Removed:
        self._up()
        assert network == fakes.NETWORK
        if name not in self.names:
            raise model.Cannot(f"cannot remove {name}.local: the zone has no A record of it", hint="fhv dns list")
        at = self.names[name]
        self.names = {other: number for other, number in self.names.items() if other != name}
        return listed.Removed(addresses=(f"172.31.0.{at}",), left=("the PTR record",))


def _driver() -> Driver:
    return Driver({"host": 1, "web": 2, "alias": 2, "scratch": 200, "far": 201}, {2: "web"})


def test_names_are_listed_with_what_their_pointers_say_and_whose_they_are() -> None:
    said = _fhv("dns", "list", driver=_driver()).stdout.splitlines()
    assert [line.split(maxsplit=3) for line in said] == [
        ["NAME", "ADDRESS", "PTR", "WHOSE"],
        ["host", "172.31.0.1", "yes", "zone"],
        ["web", "172.31.0.2", "yes", "zone"],
        ["alias", "172.31.0.2", "web", "zone"],
        ["scratch", "172.31.0.200", "yes", "fullhost"],
        ["far", "172.31.0.201", "yes", "fullhost on two"],
    ]
    found = json.loads(_fhv("dns", "ls", "--json", driver=_driver()).stdout)
    assert found[2]["addresses"] == [{"address": "172.31.0.2", "pointer": "web"}]


def test_a_name_is_added_with_an_address_or_without() -> None:
    driver = _driver()
    assert _fhv("dns", "add", "wiki", driver=driver).stdout == "wiki: added at 172.31.0.9\n"
    assert _fhv("dns", "add", "docs", "172.31.0.77", driver=driver).stdout == "docs: added at 172.31.0.77\n"
    assert (driver.names["wiki"], driver.names["docs"]) == (9, 77)
    said = _fhv("dns", "add", "both", "172.31.0.78", "fd00:31::78", driver=driver).stdout
    assert said == "both: added at 172.31.0.78 fd00:31::78\n"


def test_names_are_removed_when_told_to() -> None:
    driver = _driver()
    refused = _fhv("dns", "rm", "far", driver=driver)
    assert (refused.exit_code, refused.stdout, "far" in driver.names) == (1, "", True)
    assert "hint: say it again with --yes" in refused.stderr
    done = _fhv("dns", "rm", "--yes", "FAR.local", "nothere", driver=driver)
    assert (done.exit_code, done.stdout) == (1, "far: removed from 172.31.0.201\n")
    assert "note: left is the PTR record\nfhv: cannot remove nothere.local: the zone has no A record" in done.stderr
    assert "far" not in driver.names


def test_the_name_of_a_machine_is_kept() -> None:
    driver = _driver()
    refused = _fhv("dns", "rm", "--yes", "web", "far", engine=fakes.Engine(fakes.machine("web")), driver=driver)
    assert refused.exit_code == 1
    assert refused.stderr == (
        "fhv: cannot remove web from the zone: there is a machine of that name\nhint: remove it first: fhv rm web\n"
    )
    assert "far" in driver.names
