"""The IPAM driver: pools and addresses as the engine asks for them."""

import pathlib

import flask.testing
import pytest

from netplugin import app, store
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
def client(tmp_path: pathlib.Path, clock: Clock) -> flask.testing.FlaskClient:
    world = fakes.World(zone={"web": ("172.31.0.2",)})
    state = store.Store(tmp_path / "driver.db")
    use, keep = fakes.drive(world, state, clock), fakes.keep(world, state, clock)
    table = app.calls(use, keep, fakes.lend(world, state, clock))
    return app.wire(table, {}, count=world.count).test_client()


def test_a_pool_is_its_own_id(client: flask.testing.FlaskClient) -> None:
    given = post(client, "IpamDriver.RequestPool", {"AddressSpace": "fullhost", "Pool": POOL, "V6": False})
    assert given == {"PoolID": POOL, "Pool": POOL, "Data": {}}


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"Pool": ""}, "no subnet was asked for; type: docker network create -d fullhost --ipam-driver fullhost"),
        ({"Pool": POOL, "SubPool": "172.31.0.128/25"}, "give -o fullhost.range=172.31.0.128/25"),
        ({"Pool": "fd00::/64", "V6": True}, "IPv6 is not served yet"),
        ({"Pool": "127.0.0.0/8"}, "no place for machines"),
        ({"Pool": 1}, "Pool is no string"),
    ],
)
def test_a_pool_that_cannot_be(client: flask.testing.FlaskClient, asked: dict[str, object], why: str) -> None:
    refused = post(client, "IpamDriver.RequestPool", {"AddressSpace": "fullhost", **asked})
    assert why in str(refused["Error"]), "what the engine reads of an IPAM driver"


def test_addresses_of_a_network(client: flask.testing.FlaskClient) -> None:
    def ask(address: str = "", **options: str) -> dict[str, object]:
        named = {key.replace("_", "."): text for key, text in options.items()}
        return post(client, "IpamDriver.RequestAddress", {"PoolID": POOL, "Address": address, "Options": named})

    assert ask(RequestAddressType="com.docker.network.gateway")["Address"] == "172.31.0.1/24"
    assert post(client, "NetworkDriver.CreateNetwork", CREATE_NETWORK) == {}
    assert ask("172.31.0.7")["Address"] == "172.31.0.7/24"
    assert "add --ip ADDRESS" in str(ask()["Error"])
    assert "it is none of" in str(ask("10.0.0.1")["Error"])
    # Constructed, not captured: engines from 29 name the endpoint.
    assert ask(com_docker_network_endpoint_name="web")["Address"] == "172.31.0.2/24"
    assert "has no A record" in str(ask(com_docker_network_endpoint_name="nobody")["Error"])
    assert post(client, "IpamDriver.ReleaseAddress", {"PoolID": POOL, "Address": "172.31.0.2"}) == {}
    assert post(client, "IpamDriver.ReleasePool", {"PoolID": POOL}) == {}


def test_an_endpoint_with_an_address_has_the_name_of_its_pointer(client: flask.testing.FlaskClient) -> None:
    post(client, "NetworkDriver.CreateNetwork", CREATE_NETWORK)
    asked = {"NetworkID": NETWORK.id, "EndpointID": "ab" * 32, "Options": {}}
    made = post(client, "NetworkDriver.CreateEndpoint", {**asked, "Interface": {"Address": "172.31.0.2/24"}})
    assert made == {"Interface": {"MacAddress": "02:66:ac:1f:00:02"}}


def test_an_option_that_contradicts_the_pool(client: flask.testing.FlaskClient) -> None:
    options = {"com.docker.network.generic": {"fullhost.subnet": "10.0.0.0/24"}}
    refused = post(client, "NetworkDriver.CreateNetwork", {**CREATE_NETWORK, "Options": options})
    assert "the pool of the network says 172.31.0.0/24" in str(refused["Err"])
