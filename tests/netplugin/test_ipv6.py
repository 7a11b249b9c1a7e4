"""IPv6 beside IPv4: options, choice, rules, rows, and endpoints that have both."""

import dataclasses
import ipaddress
import pathlib
import subprocess

import pytest

from netplugin import driver, firewall, ipv6, links, model, options, pairs, protocol, rules, store
from tests.netplugin import fakes
from tests.netplugin.conftest import ENDPOINT, NETWORK, Clock

PREFIX = ipaddress.IPv6Network("fd00:31::/64")
DUAL = dataclasses.replace(NETWORK, subnet6=PREFIX, gateway6=PREFIX[1])
ROUTED = dataclasses.replace(DUAL, snat6=False)
WEB, DB = PREFIX[2], PREFIX[3]
MARK = "-m comment --comment fullhost:1f1f1f1f1f1f -j ACCEPT"


def made(given: dict[str, str], **defaults: str) -> model.Network:
    texts = {f"fullhost.{key}": text for key, text in given.items()}
    return options.network(NETWORK.id, texts, defaults=defaults, created=NETWORK.created)


def test_without_a_prefix_there_is_no_ipv6() -> None:
    assert (made({}).subnet6, made({}).gateway6, made({}).interface6) == (None, None, None)
    assert made({"subnet6": "none"}, subnet6=str(PREFIX)).subnet6 is None


def test_the_gateway_is_the_first_address_or_the_one_that_is_given() -> None:
    assert made({"subnet6": str(PREFIX)}).gateway6 == PREFIX[1]
    assert made({"subnet6": str(PREFIX), "gateway6": "fd00:31::9"}).gateway6 == PREFIX[9]
    assert made({"subnet6": str(PREFIX)}, gateway6="fd00:99::9").gateway6 == PREFIX[1], "which is of the default prefix"
    assert made({}, subnet6=str(PREFIX), gateway6="fd00:31::9", snat6="no") == dataclasses.replace(
        made({"subnet6": str(PREFIX), "gateway6": "fd00:31::9"}), snat6=False
    )


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("subnet6", "10.0.0.0/24"),
        ("subnet6", "fd00::1/64"),
        ("subnet6", "fd00::/121"),
        ("subnet6", "fe80::/64"),
        ("subnet6", "ff02::/64"),
        ("subnet6", "::/64"),
        ("subnet6", "2000::/3"),
        ("gateway6", "fd00:99::1"),
        ("gateway6", "fd00:31::"),
        ("gateway6", "172.31.0.1"),
        ("snat6", "perhaps"),
    ],
)
def test_what_can_be_no_option_is_refused_by_its_name(key: str, text: str) -> None:
    with pytest.raises(model.Cannot, match=f"fullhost.{key}="):
        made({"subnet6": str(PREFIX), key: text})


def test_two_networks_share_no_prefix() -> None:
    other = dataclasses.replace(DUAL, id="2e" * 32, bridge="br8", subnet=ipaddress.IPv4Network("10.0.0.0/24"))
    assert options.clash(other, (DUAL,)) == DUAL
    assert "part of fd00:31::/64" in str(options.clashes(other, DUAL))


@pytest.mark.parametrize(
    ("change", "hint"), [({"ipam": model.Ipam.ENGINE}, "--ipam-driver null"), ({"address": None}, "fullhost.parent")]
)
def test_a_kind_of_network_on_which_it_is_not_served_is_refused(change: dict[str, object], hint: str) -> None:
    ipv6.refuse_unserved(DUAL)
    with pytest.raises(model.Cannot, match=hint):
        ipv6.refuse_unserved(model.Network(**{**fields(DUAL), **change}))  # type: ignore[arg-type]
    ipv6.refuse_unserved(model.Network(**{**fields(NETWORK), **change}))  # type: ignore[arg-type]


def fields(network: model.Network) -> dict[str, object]:
    return {field.name: getattr(network, field.name) for field in dataclasses.fields(network)}


@pytest.mark.parametrize(
    ("given", "chosen"),
    [((), None), (("fd00:31::2",), WEB), (("2001:db8::2", "fd00:31::2"), WEB)],
)
def test_the_address_that_fits_is_chosen(given: tuple[str, ...], chosen: ipaddress.IPv6Address | None) -> None:
    assert ipv6.choose("web", tuple(map(ipaddress.IPv6Address, given)), DUAL) == chosen


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("2001:db8::2",), r"gives web\.local 2001:db8::2, no address of fd00:31::/64; give .* an AAAA record"),
        (("fd00:31::",), "the routers' anycast address"),
        (("fd00:31::1",), "the gateway's own address"),
        (("fd00:31::2", "fd00:31::3"), "2 addresses of fd00:31::/64: fd00:31::2, fd00:31::3; leave one AAAA"),
    ],
)
def test_what_does_not_fit_is_refused_with_both_facts(given: tuple[str, ...], why: str) -> None:
    with pytest.raises(model.Cannot, match=f"^cannot give web an IPv6 address: .*{why}"):
        ipv6.choose("web", tuple(map(ipaddress.IPv6Address, given)), DUAL)


def test_the_ruleset_of_a_translated_prefix() -> None:
    assert rules.table6(DUAL) == (
        """\
add table ip6 fullhost-1f1f1f1f1f1f
delete table ip6 fullhost-1f1f1f1f1f1f
table ip6 fullhost-1f1f1f1f1f1f {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip6 saddr fd00:31::/64 ip6 daddr != fd00:31::/64 counter masquerade
  }
  chain inward {
    ct state established,related accept
    counter drop
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname "br0" iifname != "br0" goto inward
  }
}
"""
    )
    assert rules.passes6(DUAL) == (
        tuple(f"-s fd00:31::/64 -i br0 {MARK}".split()),
        tuple(f"-d fd00:31::/64 -o br0 -m conntrack --ctstate RELATED,ESTABLISHED {MARK}".split()),
        tuple(f"-i br0 -o br0 {MARK}".split()),
    )


@pytest.mark.parametrize(
    ("dns", "admitted"), [("172.31.0.1", True), ("fd00:31::1", True), ("127.0.0.1", False), ("fd00:31::53", False)]
)
def test_the_name_server_at_the_gateway_is_asked_by_ipv6_too(dns: str, *, admitted: bool) -> None:
    network = dataclasses.replace(DUAL, dns=model.Server(address=ipaddress.ip_address(dns), port=53))
    words = [f"-d fd00:31::1 -i br0 -p {kind} -m {kind} --dport 53 {MARK}" for kind in ("udp", "tcp")]
    assert [" ".join(rule) for rule in rules.admissions6(network)] == (words if admitted else [])
    assert rules.admissions6(dataclasses.replace(network, subnet6=None, gateway6=None)) == ()


@pytest.mark.usefixtures("namespace")
def test_a_host_whose_input_drops_lets_ipv6_ask_for_names() -> None:
    network = dataclasses.replace(DUAL, dns=model.Server(address=NETWORK.gateway, port=53))
    firewall.ensure(network)
    assert firewall.missing(network) == ()
    subprocess.run(["ip6tables", "-F", "INPUT"], check=True)
    assert len(firewall.missing(network)) == 2
    firewall.ensure(network)
    firewall.delete(network.id)
    assert "fullhost" not in subprocess.run(["ip6tables-save"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("snat6", [True, False])
def test_isolated_machines_do_not_reach_each_other_by_the_host_as_whoever_they_send(*, snat6: bool) -> None:
    between = '    iifname "br0" oifname "br0" ip6 daddr fd00:31::/64'
    apart = [
        f"{between} ip6 saddr fd00:31::/64 counter drop",
        f"{between} ct state != {{ established, related }} counter drop",
    ]
    table = rules.table6(dataclasses.replace(DUAL, isolate=True, snat6=snat6)).splitlines()
    assert [line for line in table if line.startswith(between)] == apart


def test_a_routed_prefix_is_neither_translated_nor_closed() -> None:
    assert "chain" not in rules.table6(ROUTED)
    assert rules.passes6(ROUTED)[1] == tuple(f"-d fd00:31::/64 -o br0 {MARK}".split())
    assert rules.passes6(NETWORK) == ()


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("network", [DUAL, ROUTED], ids=["translated", "routed"])
def test_the_kernel_has_the_rules_until_they_are_deleted(network: model.Network) -> None:
    firewall.ensure(network)
    assert firewall.missing(network) == ()
    subprocess.run(["nft", "delete", "table", "ip6", "fullhost-1f1f1f1f1f1f"], check=True)
    subprocess.run(["ip6tables", "-F", "FORWARD"], check=True)
    assert len(firewall.missing(network)) == 4
    firewall.ensure(network)
    assert firewall.missing(network) == ()
    firewall.delete(network.id)
    for command in (["nft", "list", "ruleset"], ["ip6tables-save"], ["iptables-save"]):
        assert "fullhost" not in subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.usefixtures("namespace")
def test_the_bridge_bears_the_gateway_at_once() -> None:
    links.ensure_bridge(NETWORK)
    assert links.stands(NETWORK)
    assert not links.stands(DUAL)
    with pytest.raises(model.Cannot, match="does not bear the gateway's address fd00:31::1/64"):
        links.check_bridge(DUAL)
    for _ in range(2):
        links.ensure_bridge(DUAL)
    assert links.stands(DUAL)
    links.check_bridge(DUAL)
    shown = subprocess.run(["ip", "-6", "-o", "address", "show", "br0"], check=True, capture_output=True, text=True)
    (line,) = [line for line in shown.stdout.splitlines() if "fd00:31::1/64" in line]
    assert "nodad" in line
    assert "tentative" not in line
    assert pathlib.Path("/proc/sys/net/ipv6/conf/br0/accept_ra").read_text() == "0\n"


@pytest.mark.usefixtures("namespace")
def test_a_prefix_of_another_interface_is_seen() -> None:
    for words in ("link add eth7 type bridge", "-6 address add fd00:31::9/48 dev eth7", "link set eth7 up"):
        subprocess.run(["ip", *words.split()], check=True)
    assert links.overlapping(NETWORK) is None
    assert links.overlapping(DUAL) == "eth7 has fd00:31::9/48"
    assert links.overlapping(dataclasses.replace(DUAL, bridge="eth7")) is None


class TestEndpoint:
    """Endpoints of a network with a prefix."""

    @pytest.fixture
    def world(self) -> fakes.World:
        return fakes.World(
            zone={"web": ("172.31.0.2",), "db": ("172.31.0.3",)}, zone6={"web": (str(WEB),)}, links={"br0": None}
        )

    @pytest.fixture
    def use(self, world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> driver.Driver:
        state = store.Store(tmp_path / "driver.db")
        with state.transaction() as writes:
            writes.add_network(DUAL)
        assert state.networks() == (DUAL,)
        return fakes.drive(world, state, clock)

    @staticmethod
    def start(use: driver.Driver, endpoint_id: str, name: str) -> tuple[object, object]:
        request = protocol.CreateEndpoint(
            network_id=DUAL.id, endpoint_id=endpoint_id, name=name, address=None, mac=None
        )
        created = use.create_endpoint(request).body
        assert use.create_endpoint(request).body == created, "which may come twice"
        join = protocol.Join(network_id=DUAL.id, endpoint_id=endpoint_id, sandbox="/run/netns/x")
        return created["Interface"], use.join(join).body.get("GatewayIPv6")

    def test_it_has_what_the_zone_has(self, use: driver.Driver) -> None:
        interface, gateway = self.start(use, "ab" * 32, "web")
        mac = "02:66:ac:1f:00:02"
        assert interface == {"Address": "172.31.0.2/24", "AddressIPv6": "fd00:31::2/64", "MacAddress": mac}
        assert gateway == "fd00:31::1"
        assert use.store.holder(DUAL.id, WEB) == use.store.endpoint("ab" * 32)
        interface, gateway = self.start(use, "cd" * 32, "db")
        assert interface == {"Address": "172.31.0.3/24", "MacAddress": "02:66:ac:1f:00:03"}
        assert gateway is None

    def test_a_silent_server_has_the_last_ones_given(self, use: driver.Driver, world: fakes.World) -> None:
        given = self.start(use, "ab" * 32, "web")
        use.delete_endpoint(protocol.EndpointRef(network_id=DUAL.id, endpoint_id="ab" * 32))
        world.silent = {"dns"}
        assert self.start(use, "cd" * 32, "web") == given
        assert use.store.endpoints()[0].source is model.Source.CACHE

    def test_another_one_that_lives_at_the_address_is_left_there(self, use: driver.Driver, world: fakes.World) -> None:
        self.start(use, "ab" * 32, "web")
        world.take("ab" * 32)
        world.zone6["db"] = (str(WEB),)
        with pytest.raises(
            model.Cannot, match=r"cannot give db the address fd00:31::2: the endpoint abab.* of web has"
        ):
            self.start(use, "cd" * 32, "db")
        assert [endpoint.name for endpoint in use.store.endpoints()] == ["web"]

    def test_a_new_start_of_the_name_supersedes_the_old_one(self, use: driver.Driver, world: fakes.World) -> None:
        self.start(use, "ab" * 32, "web")
        self.start(use, "cd" * 32, "web")
        assert [endpoint.id for endpoint in use.store.endpoints()] == ["cd" * 32]
        assert world.counts["superseded"] == 1

    def test_who_lacks_its_address_is_moved_unless_another_one_has_it(
        self, use: driver.Driver, world: fakes.World
    ) -> None:
        cached = dataclasses.replace(ENDPOINT, source=model.Source.CACHE, settled=False)
        with use.store.transaction() as writes:
            writes.add_endpoint(cached)
            writes.add_endpoint(
                dataclasses.replace(ENDPOINT, id="cd" * 32, name="db", address=NETWORK.gateway + 2, address6=WEB)
            )
        world.attached = {cached.id: model.Attachment(container="c0", name="web")}
        settler = fakes.settle(world, use.store)
        settler.settle()
        assert world.moved == []
        assert "cannot give web the address fd00:31::2" in settler.told[cached.id]
        world.zone6["web"] = (str(DB),)
        settler.settle()
        assert world.moved == [("c0", "web")]
        assert use.store.leased(DUAL.id, "web") == pairs.Pair(four=ENDPOINT.address, six=DB)


def test_a_lease_without_an_ipv6_address_is_one(tmp_path: pathlib.Path) -> None:
    state = store.Store(tmp_path / "driver.db")
    with state.transaction() as writes:
        writes.add_network(NETWORK)
        writes.lease(NETWORK.id, "web", ENDPOINT.addresses)
    assert state.leased(NETWORK.id, "web") == ENDPOINT.addresses
    assert state.leased(NETWORK.id, "db") is None
