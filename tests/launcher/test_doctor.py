"""The examination: what each fact about a host is worth, and what is left out after what is broken."""

import dataclasses
import ipaddress
import json

import pytest

from launcher import doctor, listed, model, pairs, surroundings
from launcher.findings import Finding, Verdict
from tests.launcher import fakes

HOST = model.Host(engine=(28, 5), cgroup=2, apparmor=False, version="28.5.2")


class Engine:
    """An engine with a host of its own."""

    def __init__(self, host: model.Host = HOST, *machines: model.Machine) -> None:
        self._host, self._machines = host, machines
        self.refused: model.Cannot | None = None

    def host(self) -> model.Host:
        return self._host

    def machines(self) -> tuple[model.Machine, ...]:
        return self._machines

    def network_id(self, name: str) -> str:
        assert name == "fullhost"
        if self.refused:
            raise self.refused
        return fakes.NETWORK


@dataclasses.dataclass
class Surroundings:
    """A host on which all is well."""

    known: tuple[tuple[ipaddress.IPv4Network, str], ...] = ((fakes.SUBNET, "br0"),)
    chains: tuple[tuple[str, str], ...] | None = ()
    room: int | None = 8192
    mdns: bool = False
    turns: bool = True
    address: pairs.Address | None = fakes.SUBNET[2]

    def routes(self) -> tuple[tuple[ipaddress.IPv4Network, str], ...]:
        return self.known

    def closed(self, bridge: str) -> tuple[tuple[str, str], ...] | None:
        assert bridge == "br0"
        return self.chains

    def instances(self) -> int | None:
        return self.room

    def asks_mdns_first(self) -> bool:
        return self.mdns

    def gives_turns(self) -> bool:
        return self.turns

    def address_of(self, host: str) -> pairs.Address | None:
        assert host == "web.local"
        return self.address


class Driver(fakes.Driver):
    """A driver whose zones take updates, with the pointers that a test says."""

    refused: tuple[model.Cannot, ...] = ()
    pointing: dict[str, str | None] = {}  # noqa: RUF012 - replaced, never changed

    def updates(self, network: str) -> listed.Updates:
        assert network == fakes.NETWORK
        return listed.Updates(wished=True, refused=self.refused)

    def entries(self, network: str) -> tuple[listed.Entry, ...]:
        assert network == fakes.NETWORK
        return tuple(
            listed.Entry(
                name=name,
                addresses=(listed.Pointed(address=f"172.31.0.{at}", pointer=self.pointing.get(name, name)),),
                registered_by=None,
                here=False,
            )
            for name, at in self.names.items()
        )


def healthy() -> Driver:
    found = Driver({"host": 1, "web": 2, "db": 3})
    found.warnings = ()
    return found


def examined(
    *, engine: Engine | None = None, driver: Driver | None = None, host: Surroundings | None = None
) -> dict[str, Finding]:
    """Return what is not well, by check; and see that what is has nothing to mend."""
    found = doctor.Doctor(
        engine=lambda: engine or Engine(),
        driver=driver or healthy(),
        host=host or Surroundings(),
        network="fullhost",
        version="0.1.0",
    ).examine()
    return {finding.check: finding for finding in found if finding.verdict is not Verdict.OK}


def test_a_healthy_world_has_nothing_to_mend() -> None:
    assert examined() == {}


def test_zones_that_take_no_updates_and_pointers_that_lead_astray() -> None:
    driver = healthy()
    driver.refused = (model.Cannot("cannot update web.local: it is refused", hint="update-policy"),)
    driver.pointing = {"web": "other"}
    found = examined(driver=driver)
    assert (found["updates"].verdict, found["updates"].mend) == (Verdict.BROKEN, "update-policy")
    assert found["reverse"] == Finding(
        check="reverse",
        verdict=Verdict.WARNING,
        found="web.local is 172.31.0.2, whose PTR record leads to other.local",
        mend="write '2.0.31.172.in-addr.arpa. IN PTR web.local.' into the reverse zone",
    )
    driver.pointing = {"db": None}
    assert examined(driver=driver)["reverse"].found == "1 of 3 addresses have no PTR record: db 172.31.0.3"


@pytest.mark.parametrize(
    ("host", "why"),
    [
        (dataclasses.replace(HOST, version="29.0.2", engine=(29, 0)), "moby#51554"),
        (dataclasses.replace(HOST, version="19.03.1", engine=(19, 3)), "needs 20.10"),
        (dataclasses.replace(HOST, rootless=True), "rootless"),
    ],
)
def test_an_engine_that_cannot_carry_machines(host: model.Host, why: str) -> None:
    finding = examined(engine=Engine(host))["engine"]
    assert (finding.verdict, why in finding.found, bool(finding.mend)) == (Verdict.BROKEN, True, True)


def test_an_engine_that_does_not_answer_leaves_the_driver_to_look_at() -> None:
    def unreachable() -> Engine:
        raise model.Cannot("cannot reach the Docker engine: it is not running", hint="systemctl start docker")

    driver = healthy()
    driver.down = model.Cannot("cannot reach the network driver: it is not running", hint="systemctl start fullhost")
    found = doctor.Doctor(
        engine=unreachable, driver=driver, host=Surroundings(), network="fullhost", version="0.1.0"
    ).examine()
    assert [(finding.check, finding.verdict, finding.mend) for finding in found] == [
        ("engine", Verdict.BROKEN, "systemctl start docker"),
        ("driver", Verdict.BROKEN, "systemctl start fullhost"),
    ]


def test_a_network_that_is_not_there_and_one_that_the_driver_has_forgotten() -> None:
    engine = Engine()
    engine.refused = model.Cannot("cannot use the network fullhost: the engine has none", hint="docker network create")
    assert examined(engine=engine)["network"].mend == "docker network create"
    driver = healthy()
    driver.networks = ()
    assert "state file" in examined(driver=driver)["network"].found


def test_what_the_driver_warns_of_is_broken_and_another_version_is_told() -> None:
    driver = healthy()
    driver.warnings = ("machines cannot reach the world: no forwarding; set net.ipv4.ip_forward=1",)
    assert examined(driver=driver)["driver"] == Finding(
        check="driver",
        verdict=Verdict.BROKEN,
        found="machines cannot reach the world: no forwarding",
        mend="set net.ipv4.ip_forward=1",
    )
    found = doctor.Doctor(
        engine=Engine, driver=healthy(), host=Surroundings(), network="fullhost", version="0.2.0"
    ).examine()
    (told,) = [finding for finding in found if finding.verdict is Verdict.WARNING]
    assert (told.check, told.found) == ("driver", "0.1.0, endpoints: 0, and fhv is 0.2.0")


@pytest.mark.parametrize(("ordered", "given", "told"), [(True, False, 1), (True, True, 0), (False, False, 0)])
def test_an_order_that_nobody_keeps_at_boot_is_told(ordered: bool, given: bool, told: int) -> None:
    examination = doctor.Doctor(
        engine=Engine,
        driver=healthy(),
        host=Surroundings(turns=given),
        network="fullhost",
        version="0.1.0",
        ordered=ordered,
    )
    found = [finding for finding in examination.examine() if finding.check == "boot"]
    assert [finding.mend for finding in found] == ["systemctl enable fullhost-machines.service"] * told


def test_names_that_share_an_address_without_a_pointer_are_told() -> None:
    driver = Driver({"host": 1, "web": 2, "db": 3, "old": 3})
    driver.warnings = ()
    finding = examined(driver=driver)["zone"]
    assert finding.verdict is Verdict.WARNING
    assert "cannot tell which of db and old is the machine" in finding.found


def test_a_machine_that_ends_again_and_again_is_told() -> None:
    restarting = dataclasses.replace(fakes.machine("web"), state=model.State.RESTARTING, restarts=7, exit_code=1)
    finding = examined(engine=Engine(HOST, restarting))["machine"]
    assert (finding.found, finding.mend) == ("web ends again and again (7 times, exit code 1)", "fhv logs web")


@pytest.mark.parametrize(
    ("host", "check", "verdict", "mend"),
    [
        (Surroundings(known=((ipaddress.IPv4Network("172.31.0.64/26"), "eth1"),)), "routes", "broken", "ip route del"),
        (Surroundings(chains=(("input", "iptables"),)), "firewall", "warning", "restart the driver"),
        (
            Surroundings(chains=(("input", "inet f in"),)),
            "firewall",
            "warning",
            "nft insert rule inet f in iifname br0",
        ),
        (Surroundings(chains=(("forward", "inet f fwd"),)), "firewall", "broken", "nft insert rule inet f fwd iifname"),
        (Surroundings(room=128), "limits", "warning", "sysctl fs.inotify.max_user_instances=8192"),
        (Surroundings(address=None), "resolver", "warning", "fhv host resolver on"),
        (Surroundings(address=None, mdns=True), "resolver", "warning", "take mdns4_minimal"),
    ],
)
def test_what_is_wrong_with_the_host(host: Surroundings, check: str, verdict: str, mend: str) -> None:
    finding = examined(host=host)[check]
    assert (finding.verdict, finding.mend.startswith(mend)) == (verdict, True)


@pytest.mark.parametrize(
    ("listed", "drops"),
    [
        ("-P INPUT ACCEPT\n-P FORWARD DROP\n", False),
        ("-P INPUT DROP\n-P FORWARD DROP\n-A DOCKER-USER -i br0 -j ACCEPT\n", True),
        ("-P INPUT DROP\n-A INPUT -i br0 -p udp -m udp --dport 53 -j ACCEPT\n", False),
        ("-P INPUT DROP\n-A ufw-user-input -p udp -m udp --dport 53 -j ACCEPT\n", False),
        ("-P INPUT DROP\n-A INPUT -i br01 -j ACCEPT\n", True),
    ],
)
def test_what_the_rules_of_iptables_drop(listed: str, drops: bool) -> None:
    assert surroundings.iptables_drop(listed, "br0") == drops


def _chain(table: str, hook: str, family: str = "inet") -> dict[str, object]:
    return {"chain": {"family": family, "table": table, "name": hook, "hook": hook, "policy": "drop"}}


def _rule(right: object) -> dict[str, object]:
    match = {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": right}}
    return {"rule": {"family": "inet", "table": "filter", "chain": "any", "expr": [match, {"accept": None}]}}


@pytest.mark.parametrize(
    ("entries", "closed"),
    [
        ([], ()),
        ([_chain("filter", "input", "ip"), _chain("filter", "output")], ()),
        ([_chain("filter", "forward")], (("forward", "inet filter forward"),)),
        ([_chain("filter", "forward"), _rule(53)], (("forward", "inet filter forward"),)),
        ([_chain("filter", "forward"), _rule("br0")], ()),
        ([_chain("filter", "input"), _rule("br1")], (("input", "inet filter input"),)),
        ([_chain("filter", "input"), _rule(53)], ()),
    ],
)
def test_what_the_chains_of_nftables_drop(
    entries: list[dict[str, object]], closed: tuple[tuple[str, str], ...]
) -> None:
    assert surroundings.nft_closed(json.dumps({"nftables": entries}), "br0") == closed


def test_machines_of_a_lan_pass_by_the_hosts_firewall() -> None:
    driver = healthy()
    driver.networks = (dataclasses.replace(fakes.network(), address=None, snat=False),)
    assert examined(driver=driver, host=Surroundings(chains=(("forward", "inet f fwd"),))) == {}
