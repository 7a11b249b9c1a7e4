"""The edge: bytes in, bytes out, over use cases that are stood in for."""

import json
import logging
import pathlib

import flask.testing
import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import answers, app, model, naming, protocol, store
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock

WEB = "ab" * 32
CREATE_NETWORK = {
    "NetworkID": NETWORK.id,
    "Options": {"com.docker.network.generic": {}, "com.docker.network.enable_ipv6": False},
    "IPv4Data": [{"AddressSpace": "null", "Pool": "0.0.0.0/0"}],
    "IPv6Data": [],
}
CREATE_ENDPOINT = {
    "NetworkID": NETWORK.id,
    "EndpointID": WEB,
    "Options": {"fullhost.name": "web"},
    "Interface": {"Address": "", "AddressIPv6": "", "MacAddress": ""},
}
REF = {"NetworkID": NETWORK.id, "EndpointID": WEB}
# The remote driver protocol, from moby's libnetwork/docs/remote.md and libnetwork/drivers/remote/driver.go.
PROTOCOL = [
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.Join",
    "NetworkDriver.Leave",
    "NetworkDriver.ProgramExternalConnectivity",
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.AllocateNetwork",
    "NetworkDriver.FreeNetwork",
    "NetworkDriver.DiscoverNew",
    "NetworkDriver.DiscoverDelete",
    "IpamDriver.GetCapabilities",
    "IpamDriver.GetDefaultAddressSpaces",
    "IpamDriver.RequestPool",
    "IpamDriver.ReleasePool",
    "IpamDriver.RequestAddress",
    "IpamDriver.ReleaseAddress",
]


@pytest.fixture
def world() -> fakes.World:
    return fakes.World(zone={"web": ("172.31.0.2",)})


@pytest.fixture
def client(world: fakes.World, clock: Clock, tmp_path: pathlib.Path) -> flask.testing.FlaskClient:
    state = store.Store(tmp_path / "driver.db")
    use = fakes.uses(world, state, clock)
    return app.wire(app.calls(use), app.questions(use), app.orders(use), count=world.count).test_client()


def post(client: flask.testing.FlaskClient, call: str, body: object) -> dict[str, object]:
    reply = client.post(f"/{call}", data=json.dumps(body), headers={"Host": ""})
    assert reply.status_code == 200
    answer: object = json.loads(reply.data)
    assert isinstance(answer, dict)
    return answer


def test_a_life_of_a_container_by_the_protocol(client: flask.testing.FlaskClient, world: fakes.World) -> None:
    assert post(client, "NetworkDriver.CreateNetwork", CREATE_NETWORK) == {}
    created = post(client, "NetworkDriver.CreateEndpoint", CREATE_ENDPOINT)
    assert created == {"Interface": {"Address": "172.31.0.2/24", "MacAddress": "02:66:ac:1f:00:02"}}
    joined = post(client, "NetworkDriver.Join", {**REF, "SandboxKey": "/run/docker/netns/1", "Options": None})
    assert joined["Gateway"] == "172.31.0.1"
    world.take(WEB)
    for call in ("ProgramExternalConnectivity", "RevokeExternalConnectivity", "Leave", "DeleteEndpoint"):
        assert post(client, f"NetworkDriver.{call}", REF) == {}
    assert post(client, "NetworkDriver.DeleteNetwork", {"NetworkID": NETWORK.id}) == {}
    assert (world.links, world.rules) == ({}, set())


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_the_engines_first_two_calls_have_no_body(client: flask.testing.FlaskClient, body: bytes) -> None:
    assert json.loads(client.post("/Plugin.Activate", data=body).data) == {
        "Implements": ["NetworkDriver", "IpamDriver"]
    }
    reply = json.loads(client.post("/NetworkDriver.GetCapabilities", data=body).data)
    assert reply == {"Scope": "local", "ConnectivityScope": "local"}


def test_activation_succeeds_whatever_happens(client: flask.testing.FlaskClient, world: fakes.World) -> None:
    world.links[naming.veth("cd" * 32).host] = model.Port(bridge="br0", peer=model.Whereabouts.HERE)
    world.failing = 1
    assert json.loads(client.post("/Plugin.Activate").data) == {"Implements": ["NetworkDriver", "IpamDriver"]}
    assert world.acts == 1, "it was tried"


@pytest.mark.parametrize("call", PROTOCOL)
def test_every_call_of_the_protocol_is_served(client: flask.testing.FlaskClient, call: str) -> None:
    assert client.post(f"/{call}").status_code == 200


@pytest.mark.parametrize("call", PROTOCOL[2:11])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_body_is_a_clear_error(
    client: flask.testing.FlaskClient, world: fakes.World, call: str, body: bytes
) -> None:
    reply = client.post(f"/{call}", data=body)
    assert reply.status_code == 200
    assert json.loads(reply.data)["Err"].startswith(
        "cannot read the request: it is empty, as the engine sends one again"
    )
    assert world.counts[f"{call}.errors"] == 1


@pytest.mark.parametrize("body", [b"x", b"[]", b"null", b"7", b'"a"', b"\xff", b"{"])
def test_an_undecodable_body_is_400_with_a_sentence(client: flask.testing.FlaskClient, body: bytes) -> None:
    reply = client.post("/NetworkDriver.Join", data=body)
    assert reply.status_code == 400
    assert "send one JSON object" in json.loads(reply.data)["Err"]


def test_a_body_of_any_size_is_no_way_to_fill_the_memory(client: flask.testing.FlaskClient) -> None:
    reply = client.post("/NetworkDriver.Join", data=b"x" * (app.MAX_BODY + 1))
    assert reply.status_code == 413
    assert json.loads(reply.data)["Err"].startswith("cannot read the request")


def test_an_unknown_call_is_404(client: flask.testing.FlaskClient) -> None:
    reply = client.post("/NetworkDriver.Nonesuch")
    assert reply.status_code == 404
    assert "Err" in json.loads(reply.data)
    assert client.get("/v1/nonesuch").status_code == 404


def test_a_failure_that_nobody_thought_of_is_told_without_its_details(
    world: fakes.World, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: protocol.Json) -> answers.Answer:
        raise ZeroDivisionError("secret")

    client = app.wire({"NetworkDriver.Join": fail}, {}, {}, count=world.count).test_client()
    reply = post(client, "NetworkDriver.Join", REF)
    assert reply == {"Err": "cannot serve NetworkDriver.Join: the driver failed (ZeroDivisionError); see its log"}
    assert any(record.exc_info for record in caplog.records)


def test_the_log_has_one_line_a_call(client: flask.testing.FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    post(client, "NetworkDriver.CreateNetwork", CREATE_NETWORK)
    post(client, "NetworkDriver.CreateEndpoint", CREATE_ENDPOINT)
    _, line = caplog.messages
    assert line.startswith(
        "NetworkDriver.CreateEndpoint network=1f1f1f1f1f1f endpoint=abababababab "
        "name=web address=172.31.0.2 rung=option source=dns ("
    )


@hypothesis.settings(
    max_examples=200, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture], deadline=None
)
@hypothesis.given(st.sampled_from(PROTOCOL), st.binary(max_size=200))
def test_bytes_of_any_kind_are_answered(client: flask.testing.FlaskClient, call: str, body: bytes) -> None:
    reply = client.post(f"/{call}", data=body)
    assert reply.status_code in {200, 400}
    assert isinstance(json.loads(reply.data), dict)


class TestQuestions:
    """The driver's own calls."""

    @pytest.fixture(autouse=True)
    def _network(self, client: flask.testing.FlaskClient) -> None:
        post(client, "NetworkDriver.CreateNetwork", CREATE_NETWORK)

    def test_status_tells_all_even_while_the_engine_is_silent(self, client: flask.testing.FlaskClient) -> None:
        post(client, "NetworkDriver.CreateEndpoint", CREATE_ENDPOINT)
        status = json.loads(client.get("/v1/status").data)
        (network,), (endpoint,) = status["networks"], status["endpoints"]
        assert network["id"] == NETWORK.id
        assert network["name"] is None
        assert network["dns"] == {"address": "172.31.0.1", "port": 53}
        assert endpoint["name"] == "web"
        assert endpoint["address"] == "172.31.0.2"
        assert endpoint["rung"] == "option"
        assert status["counters"]["rung.option"] == 1
        assert status["warnings"][0] == "something cannot be mended"
        assert "machines cannot reach the world" in status["warnings"][1]

    def test_the_fleet_is_the_zone(self, client: flask.testing.FlaskClient) -> None:
        fleet = json.loads(client.get(f"/v1/networks/{NETWORK.id}/fleet").data)
        assert fleet == {
            "domain": "local",
            "gateway": "172.31.0.1",
            "subnet": "172.31.0.0/24",
            "subnet6": None,
            "gateway6": None,
            "serial": 3,
            "records": [{"name": "web", "addresses": ["172.31.0.2"]}],
            "pointers": {"172.31.0.2": "web"},
            "texts": {"web": [["memory=2g", "cpus=1"]]},
        }

    @pytest.mark.parametrize(
        ("path", "status", "message"),
        [
            (f"{NETWORK.id}/records/nobody", 404, "has no A record for nobody.local"),
            (f"{NETWORK.id}/records/a_b", 400, "cannot name a machine"),
            (f"{'9' * 64}/fleet", 404, "the driver has no record of it"),
        ],
    )
    def test_an_error_is_told_as_the_engine_tells_its_own(
        self, client: flask.testing.FlaskClient, path: str, status: int, message: str
    ) -> None:
        reply = client.get(f"/v1/networks/{path}")
        assert reply.status_code == status
        assert message in json.loads(reply.data)["message"]

    def test_a_record_is_what_an_endpoint_would_get(self, client: flask.testing.FlaskClient) -> None:
        reply = json.loads(client.get(f"/v1/networks/{NETWORK.id}/records/WEB.local").data)
        assert reply == {"name": "web", "address": "172.31.0.2", "address6": None}


def test_a_driver_that_cannot_start_says_why_and_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        app.create_app({"FULLHOST_MTU": "many"})
    assert caught.value.code == 4
    assert "cannot make the network with fullhost.mtu='many'" in caplog.text
    assert "Traceback" not in caplog.text
