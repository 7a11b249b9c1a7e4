"""The IPAM driver: pools and addresses as the engine asks for them."""

import pathlib

import flask.testing
import pytest

from netplugin import app, driver, model, protocol, store
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock
from tests.netplugin.test_app import post

POOL = "172.31.0.0/24"
CREATE_NETWORK = {
    "NetworkID": NETWORK.id,
    "Options": {"com.docker.network.generic": {}},
    "IPv4Data": [{"AddressSpace": "fullhost", "Pool": POOL, "Gateway": "172.31.0.1/24"}],
    "IPv6Data": [],
}


@pytest.fixture
def world() -> fakes.World:
    return fakes.World(zone={"web": ("172.31.0.2",), "db": ("172.31.0.3",)})


@pytest.fixture
def use(world: fakes.World, tmp_path: pathlib.Path, clock: Clock) -> driver.Driver:
    return fakes.drive(world, store.Store(tmp_path / "driver.db"), clock)


@pytest.fixture
def client(world: fakes.World, use: driver.Driver, clock: Clock) -> flask.testing.FlaskClient:
    return app.wire(app.calls(fakes.uses(world, use.store, clock)), {}, {}, count=world.count).test_client()


def request_address(client: flask.testing.FlaskClient, address: str = "", **options: str) -> str:
    """Return the address that the engine gets, or the refusal."""
    named = {key.replace("_", "."): text for key, text in options.items()}
    answer = post(client, "IpamDriver.RequestAddress", {"PoolID": POOL, "Address": address, "Options": named})
    return str(answer.get("Address") or answer["Error"])


def create_network(client: flask.testing.FlaskClient, ipam: model.Ipam) -> None:
    space = {model.Ipam.OWN: "fullhost", model.Ipam.ENGINE: "LocalDefault", model.Ipam.NULL: "null"}[ipam]
    data = {"AddressSpace": space, "Pool": "0.0.0.0/0" if ipam is model.Ipam.NULL else POOL}
    assert post(client, "NetworkDriver.CreateNetwork", {**CREATE_NETWORK, "IPv4Data": [data]}) == {}


def create_endpoint(
    client: flask.testing.FlaskClient, address: str, *, name: str | None = None, mac: str = "", number: str = "ab"
) -> str:
    """Return nothing where the endpoint is made, or the refusal."""
    body = {
        "NetworkID": NETWORK.id,
        "EndpointID": number * 32,
        "Options": {} if name is None else {"fullhost.name": name},
        "Interface": {"Address": address, "MacAddress": mac},
    }
    return str(post(client, "NetworkDriver.CreateEndpoint", body).get("Err", ""))


def kept(use: driver.Driver) -> list[tuple[str | None, str, str, bool]]:
    """Return of each endpoint its name, address, rung, and whether it is settled."""
    return [(e.name, str(e.address), str(e.rung), e.settled) for e in use.store.endpoints()]


def test_a_pool_is_its_own_id(client: flask.testing.FlaskClient) -> None:
    given = post(client, "IpamDriver.RequestPool", {"AddressSpace": "fullhost", "Pool": POOL, "V6": False})
    assert given == {"PoolID": POOL, "Pool": POOL, "Data": {}}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"Pool": ""}, "no subnet was asked for; type: docker network create -d fullhost --ipam-driver fullhost"),
        ({"Pool": POOL, "SubPool": "172.31.0.128/25"}, "give -o fullhost.range=172.31.0.128/25"),
        ({"Pool": "fd00::/64", "V6": True}, "--ipam-driver null"),
        ({"Pool": "127.0.0.0/8"}, "no place for machines"),
        ({"Pool": 1}, "Pool is no string"),
    ],
)
def test_a_pool_that_cannot_be(client: flask.testing.FlaskClient, asked: dict[str, object], why: str) -> None:
    refused = post(client, "IpamDriver.RequestPool", {"AddressSpace": "fullhost", **asked})
    assert why in str(refused["Error"]), "what the engine reads of an IPAM driver"


def test_addresses_that_are_asked_for(client: flask.testing.FlaskClient) -> None:
    assert request_address(client, RequestAddressType="com.docker.network.gateway") == "172.31.0.1/24"
    assert "has no record of a network with it" in request_address(client)
    create_network(client, model.Ipam.OWN)
    assert request_address(client, "172.31.0.7") == "172.31.0.7/24"
    assert "it is none of" in request_address(client, "10.0.0.1")
    assert post(client, "IpamDriver.ReleaseAddress", {"PoolID": POOL, "Address": "172.31.0.2"}) == {}
    assert post(client, "IpamDriver.ReleasePool", {"PoolID": POOL}) == {}


class TestChosen:
    """Addresses that RequestAddress chose, and the CreateEndpoint that follows."""

    @pytest.fixture(autouse=True)
    def _network(self, client: flask.testing.FlaskClient) -> None:
        create_network(client, model.Ipam.OWN)

    def test_the_only_candidate_has_its_own(
        self, client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
    ) -> None:
        world.waiting = ("web",)
        assert request_address(client) == "172.31.0.2/24"
        assert create_endpoint(client, "172.31.0.2/24") == ""
        assert kept(use) == [("web", "172.31.0.2", "candidate", False)]

    def test_of_several_each_has_a_provisional_one(
        self, client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
    ) -> None:
        world.waiting = ("web", "db")
        world.zone["squatter"] = ("172.31.0.192",)
        assert request_address(client) == "172.31.0.193/24"
        assert request_address(client) == "172.31.0.193/24", "nobody holds it until it has an endpoint"
        assert create_endpoint(client, "172.31.0.193/24") == ""
        assert request_address(client) == "172.31.0.194/24"
        assert create_endpoint(client, "172.31.0.194/24", name="db", number="cd") == ""
        assert kept(use) == [
            (None, "172.31.0.193", "provisional", False),
            ("db", "172.31.0.194", "option", False),
        ]

    def test_an_option_goes_before_the_candidate_but_takes_no_address_of_it(
        self, client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
    ) -> None:
        world.waiting = ("web",)
        assert request_address(client) == "172.31.0.2/24"
        refusal = create_endpoint(client, "172.31.0.2/24", name="db")
        assert "it is of web" in refusal
        assert refusal.endswith("add --ip 172.31.0.3 (compose: ipv4_address)")
        assert (kept(use), world.ports()) == ([], {})

    def test_a_candidate_without_a_record_may_have_a_name_in_its_options(
        self, client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
    ) -> None:
        world.waiting = ("c1",)
        for name, why in ((None, "has no A record for c1.local"), ("db", "")):
            assert request_address(client) == "172.31.0.192/24"
            assert why in create_endpoint(client, "172.31.0.192/24", name=name)
        assert kept(use) == [("db", "172.31.0.192", "option", False)]

    def test_what_was_promised_once_may_be_asked_for_later(
        self, client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
    ) -> None:
        world.waiting = ("web",)
        request_address(client)
        request_address(client, "172.31.0.2")
        assert create_endpoint(client, "172.31.0.2/24") == ""
        assert kept(use) == [("web", "172.31.0.2", "address", True)]

    def test_constructed_engines_from_29_name_the_container(
        self, client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
    ) -> None:
        """Constructed, not captured: there is no engine 29 here."""
        world.waiting = ("web", "db")
        assert request_address(client, com_docker_network_endpoint_name="db") == "172.31.0.3/24"
        world.unpointed = True  # forward says it all
        assert create_endpoint(client, "172.31.0.3/24") == ""
        assert kept(use) == [("db", "172.31.0.3", "named", True)]
        assert request_address(client, com_docker_network_endpoint_name="nobody") == "172.31.0.192/24"
        assert "has no A record for nobody" in create_endpoint(client, "172.31.0.192/24", number="cd")

    def test_nobody_waits_for_who_is_silent(self, client: flask.testing.FlaskClient, world: fakes.World) -> None:
        world.silent = {"engine"}
        assert request_address(client) == "172.31.0.192/24"
        world.silent, world.waiting = {"dns"}, ("web",)
        assert "dns is silent" in request_address(client)


class TestEngine:
    """Docker's default IPAM chooses the addresses, and knows nothing of DNS."""

    @pytest.fixture(autouse=True)
    def _network(self, client: flask.testing.FlaskClient) -> None:
        create_network(client, model.Ipam.ENGINE)

    @pytest.mark.parametrize(
        ("waiting", "asked", "endpoint"),
        [
            ((), ("172.31.0.2", "web"), ("web", "172.31.0.2", "option", True)),
            (("web",), ("172.31.0.2", None), ("web", "172.31.0.2", "candidate", False)),
            (("web", "db"), ("172.31.0.3", None), ("db", "172.31.0.3", "candidate", False)),
            (("web",), ("172.31.0.9", None), (None, "172.31.0.9", "provisional", False)),
            ((), ("172.31.0.9", "db"), ("db", "172.31.0.9", "option", False)),
            ((), ("172.31.0.9", None), (None, "172.31.0.9", "provisional", False)),
        ],
    )
    def test_right_or_provisional(
        self,
        client: flask.testing.FlaskClient,
        world: fakes.World,
        use: driver.Driver,
        waiting: tuple[str, ...],
        asked: tuple[str, str | None],
        endpoint: tuple[str | None, str, str, bool],
    ) -> None:
        world.waiting = waiting
        assert create_endpoint(client, f"{asked[0]}/24", name=asked[1]) == ""
        assert kept(use) == [endpoint]

    @pytest.mark.parametrize(("waiting", "name"), [((), "db"), (("db",), None)])
    def test_an_address_of_another_name_is_not_lent(
        self,
        client: flask.testing.FlaskClient,
        world: fakes.World,
        use: driver.Driver,
        waiting: tuple[str, ...],
        name: str | None,
    ) -> None:
        world.waiting = waiting
        refusal = create_endpoint(client, "172.31.0.2/24", name=name)
        assert "it is of web" in refusal
        assert "add --ip 172.31.0.3, or make the network with an --ip-range outside of the zone's names" in refusal
        assert (kept(use), world.ports()) == ([], {})

    def test_a_zone_that_cannot_be_transferred(self, client: flask.testing.FlaskClient, world: fakes.World) -> None:
        assert create_endpoint(client, "172.31.0.2/24", name="web") == ""
        world.silent = {"dns"}
        assert "dns is silent" in create_endpoint(client, "172.31.0.9/24", name="web", number="cd")
        assert create_endpoint(client, "172.31.0.200/24", name="web", number="cd") == "", "of the range"


@pytest.mark.parametrize(
    ("pool", "given", "refused"),
    [
        ("172.18.0.0/16", {}, True),
        ("192.168.16.0/20", {}, True),
        ("10.200.7.0/24", {}, True),
        ("10.200.7.0/25", {}, False),
        ("172.18.0.0/16", {"fullhost.subnet": "172.18.0.0/16"}, False),
        ("172.18.0.0/24", {}, False),
    ],
)
def test_a_pool_of_the_engines_choice(
    client: flask.testing.FlaskClient, pool: str, given: dict[str, str], refused: bool
) -> None:
    data = [{"AddressSpace": "LocalDefault", "Pool": pool}]
    options = {"com.docker.network.generic": given}
    answer = post(client, "NetworkDriver.CreateNetwork", {**CREATE_NETWORK, "Options": options, "IPv4Data": data})
    assert str(answer.get("Err", "")).endswith(f"is your own choice, add -o fullhost.subnet={pool}") is refused
    assert refused or answer == {}


def test_addresses_are_reserved_in_the_zone(client: flask.testing.FlaskClient) -> None:
    data = [{"AddressSpace": "fullhost", "Pool": POOL, "AuxAddresses": {"router": "172.31.0.9/24"}}]
    answer = post(client, "NetworkDriver.CreateNetwork", {**CREATE_NETWORK, "IPv4Data": data})
    assert "reserved in the zone here (--aux-address)" in str(answer["Err"])


@pytest.mark.parametrize(
    ("ipam", "address", "endpoint"),
    [
        (model.Ipam.NULL, "", ("db", "172.31.0.3", "address", True)),
        (model.Ipam.ENGINE, "172.31.0.9/24", ("db", "172.31.0.9", "option", False)),
        (model.Ipam.ENGINE, "172.31.0.3/24", ("db", "172.31.0.3", "option", True)),
    ],
)
def test_a_hardware_address_names_an_address(
    client: flask.testing.FlaskClient,
    use: driver.Driver,
    ipam: model.Ipam,
    address: str,
    endpoint: tuple[str, str, str, bool],
) -> None:
    create_network(client, ipam)
    assert create_endpoint(client, address, mac="02:66:ac:1f:00:03") == ""
    assert kept(use) == [endpoint]


def test_who_had_an_address_last_has_it_while_dns_is_silent(
    client: flask.testing.FlaskClient, world: fakes.World, use: driver.Driver
) -> None:
    create_network(client, model.Ipam.OWN)
    for silent in (set(), {"dns"}):
        world.silent = silent
        assert create_endpoint(client, "172.31.0.2/24") == ""
        assert [endpoint.name for endpoint in use.store.endpoints()] == ["web"]
        use.delete_endpoint(protocol.EndpointRef(network_id=NETWORK.id, endpoint_id="ab" * 32))
    assert "dns is silent" in create_endpoint(client, "172.31.0.3/24")


def test_an_endpoint_with_an_address_has_the_name_of_its_pointer(client: flask.testing.FlaskClient) -> None:
    post(client, "NetworkDriver.CreateNetwork", CREATE_NETWORK)
    asked = {"NetworkID": NETWORK.id, "EndpointID": "ab" * 32, "Options": {}}
    made = post(client, "NetworkDriver.CreateEndpoint", {**asked, "Interface": {"Address": "172.31.0.2/24"}})
    assert made == {"Interface": {"MacAddress": "02:66:ac:1f:00:02"}}


def test_an_option_that_contradicts_the_pool(client: flask.testing.FlaskClient) -> None:
    options = {"com.docker.network.generic": {"fullhost.subnet": "10.0.0.0/24"}}
    refused = post(client, "NetworkDriver.CreateNetwork", {**CREATE_NETWORK, "Options": options})
    assert "the pool of the network says 172.31.0.0/24" in str(refused["Err"])
