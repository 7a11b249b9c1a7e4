"""`fhv expose`, `unexpose`, `exposures`, and the ports of `fhv list`."""

import json

from launcher import model
from tests.launcher import fakes
from tests.launcher.test_cli import _fhv


def _world() -> tuple[fakes.Engine, fakes.Driver]:
    return fakes.Engine(fakes.machine("web")), fakes.Driver({"web": 2, "db": 3})


def test_a_machine_is_exposed_and_listed_until_it_is_not() -> None:
    engine, driver = _world()
    result = _fhv("expose", "web.local", "8080", "53", engine=engine, driver=driver)
    assert (result.exit_code, result.stdout) == (0, "web: exposed as 8080:8080/tcp, 53:53/tcp\n")
    listed = _fhv("exposures", engine=engine, driver=driver).stdout.splitlines()
    assert listed[0].split() == ["NAME", "HOST", "PORT", "LEADS", "TO", "BY"]
    assert listed[1].split() == ["web", "all", "8080/tcp", "172.31.0.2:8080", "fhv", "expose"]
    assert _fhv("list", engine=engine, driver=driver).stdout.splitlines()[1].endswith("8080:8080/tcp,53:53/tcp")
    assert json.loads(_fhv("list", "--json", engine=engine, driver=driver).stdout)[0]["ports"][0] == "8080:8080/tcp"
    assert json.loads(_fhv("exposures", "--json", engine=engine, driver=driver).stdout)[0]["host_port"] == 8080
    result = _fhv("unexpose", "web.local", "53", engine=engine, driver=driver)
    assert (result.exit_code, result.stdout) == (0, "web: no longer exposed as 53:53/tcp\n")
    assert _fhv("unexpose", "web", engine=engine, driver=driver).exit_code == 0
    assert driver.exposed == []


def test_what_is_not_there_is_refused() -> None:
    engine, driver = _world()
    result = _fhv("expose", "nobody", "80", engine=engine, driver=driver)
    assert result.exit_code == 1
    assert result.stderr.startswith("fhv: cannot expose nobody: ")
    result = _fhv("unexpose", "web", engine=engine, driver=driver)
    assert (result.exit_code, result.stderr) == (
        1,
        "fhv: cannot unexpose web: fhv expose gave it no port\nhint: fhv exposures lists them\n",
    )
    assert _fhv("expose", "web", engine=engine, driver=driver).exit_code == 2


def test_a_machine_that_is_removed_takes_its_ports_along() -> None:
    engine, driver = _world()
    driver.exposed = [fakes.exposed("web", 80), fakes.exposed("db", 81)]
    assert _fhv("rm", "--force", "web", engine=engine, driver=driver).exit_code == 0
    assert [exposed.name for exposed in driver.exposed] == ["db"]


def test_a_driver_that_does_not_answer_is_told_and_hides_nothing_else() -> None:
    engine, driver = _world()
    driver.down = model.Cannot("cannot reach the network driver")
    result = _fhv("list", engine=engine, driver=driver)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    assert result.stderr == "warning: exposed ports are not shown: cannot reach the network driver\n"
    result = _fhv("rm", "--force", "web", engine=engine, driver=driver)
    assert result.exit_code == 0
    assert "its ports may be exposed still" in result.stderr
