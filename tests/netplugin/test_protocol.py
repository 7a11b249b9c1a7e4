"""The wire types, over requests as real engines send them and over ones that none would."""

import contextlib

import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import answers, exposure, model, protocol

NETWORK, ENDPOINT = "1f" * 32, "ab" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["NetworkID", "EndpointID", "Options", "Interface", "SandboxKey", "IPv4Data", "IPv6Data", "fullhost.name"]
)
PARSERS = [
    protocol.CreateNetwork.from_json,
    protocol.NetworkRef.from_json,
    protocol.EndpointRef.from_json,
    protocol.CreateEndpoint.from_json,
    protocol.Join.from_json,
    protocol.Publish.from_json,
]


def test_a_network_is_parsed_with_the_users_options() -> None:
    request = protocol.CreateNetwork.from_json(
        {
            "NetworkID": NETWORK,
            "Options": {
                "com.docker.network.enable_ipv4": True,
                "com.docker.network.enable_ipv6": False,
                "com.docker.network.generic": {"fullhost.bridge": "br1"},
            },
            "IPv4Data": [{"AddressSpace": "null", "Pool": "0.0.0.0/0"}],
            "IPv6Data": [],
        }
    )
    assert request == protocol.CreateNetwork(
        network_id=NETWORK,
        options={"fullhost.bridge": "br1"},
        pools=("0.0.0.0/0",),
        spaces=frozenset({"null"}),
        gateway="",
        reserved=False,
        internal=False,
        ipv4=True,
        ipv6=False,
    )


def test_an_endpoint_is_parsed_with_its_name_and_what_was_settled_before() -> None:
    request = protocol.CreateEndpoint.from_json(
        {
            "NetworkID": NETWORK,
            "EndpointID": ENDPOINT,
            "Options": {"com.docker.network.endpoint.exposedports": [], "fullhost.name": "web"},
            "Interface": {"Address": "", "AddressIPv6": "", "MacAddress": "02:AA:00:00:00:01"},
        }
    )
    assert request == protocol.CreateEndpoint(
        network_id=NETWORK, endpoint_id=ENDPOINT, name="web", address=None, mac="02:aa:00:00:00:01"
    )


def test_null_is_empty_as_go_means_it() -> None:
    ids = {"NetworkID": NETWORK, "EndpointID": ENDPOINT}
    assert protocol.CreateEndpoint.from_json({**ids, "Options": None, "Interface": None}).name is None
    assert protocol.Publish.from_json({**ids, "Options": None}).wishes == ()


def test_an_unknown_driver_option_of_an_endpoint_is_refused_by_its_name() -> None:
    body = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options": {"fullhost.nmae": "web"}}
    with pytest.raises(
        model.Cannot, match=r"'fullhost\.nmae': no such option is known; the options are fullhost\.name"
    ):
        protocol.CreateEndpoint.from_json(body)


@pytest.mark.parametrize(
    ("binding", "among", "transport"),
    [
        ({"Proto": 6, "Port": 80, "HostPort": 8080, "HostPortEnd": 8080}, range(8080, 8081), "tcp"),
        ({"Proto": 6, "Port": 80, "HostPort": 8080, "HostPortEnd": 8090}, range(8080, 8091), "tcp"),
        ({"Proto": 17, "Port": 80, "HostPort": 0}, exposure.CHOICE, "udp"),
        ({"Proto": 132, "Port": 80, "HostPort": 5}, range(5, 6), "sctp"),
    ],
)
def test_ports_are_parsed_as_the_engine_sends_them(binding: dict[str, object], among: range, transport: str) -> None:
    body = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "Options": {"com.docker.network.portmap": [binding]}}
    (wish,) = protocol.Publish.from_json(body).wishes
    assert (wish.among, wish.transport, wish.port, wish.host) == (among, transport, 80, None)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize("identifier", [None, "", "x", "1F" * 32, "../" * 21, NETWORK + "\n", 7, [], {"a": 1}])
def test_an_id_is_64_hexadecimal_digits(parse: "protocol.Json", identifier: object) -> None:
    assert callable(parse)
    with pytest.raises(model.Cannot, match="cannot read the request: "):
        parse({"NetworkID": identifier, "EndpointID": ENDPOINT, "SandboxKey": "/run/docker/netns/1"})


@pytest.mark.parametrize("parse", PARSERS)
@hypothesis.given(st.dictionaries(KEYS, JSON))
def test_any_object_is_parsed_or_refused(parse: "protocol.Json", body: dict[str, object]) -> None:
    assert callable(parse)
    with contextlib.suppress(model.Cannot):
        parse(body)


def test_a_join_has_a_path() -> None:
    body = {"NetworkID": NETWORK, "EndpointID": ENDPOINT, "SandboxKey": "/run/docker/netns/0123"}
    assert protocol.Join.from_json(body).sandbox == "/run/docker/netns/0123"
    for path in ("", "x", "/a b", "/" + "x" * 256):
        with pytest.raises(model.Cannot, match="SandboxKey is no path"):
            protocol.Join.from_json({**body, "SandboxKey": path})


def test_answers_are_what_the_engine_reads() -> None:
    created = answers.endpoint_created(address="172.31.0.2/24", mac="02:66:ac:1f:00:02", note="")
    assert created.body == {"Interface": {"Address": "172.31.0.2/24", "MacAddress": "02:66:ac:1f:00:02"}}
    kept = answers.endpoint_created(address="172.31.0.2/24", mac=None, note="")
    assert kept.body == {"Interface": {"Address": "172.31.0.2/24"}}
    assert answers.joined(peer="fh0c", gateway="172.31.0.1").body == {
        "InterfaceName": {"SrcName": "fh0c", "DstPrefix": "eth"},
        "Gateway": "172.31.0.1",
        "StaticRoutes": [],
    }


def test_the_log_names_network_and_endpoint_short_and_on_one_line() -> None:
    assert protocol.subject({"NetworkID": NETWORK, "EndpointID": ENDPOINT}) == (
        "network=1f1f1f1f1f1f",
        "endpoint=abababababab",
    )
    assert protocol.subject({}) == ()
    assert protocol.subject({"NetworkID": "a\nb", "EndpointID": 3}) == ()
