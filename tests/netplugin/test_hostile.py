"""Hostile requests: whatever is sent, it is answered with a sentence, and what is refused has changed nothing."""

import collections
import json
import os
import pathlib

import hypothesis
import pytest
from hypothesis import strategies as st

from netplugin import app, store
from tests.netplugin import fakes
from tests.netplugin.conftest import NETWORK, Clock
from tests.netplugin.test_app import CREATE_ENDPOINT, CREATE_NETWORK, PROTOCOL
from tests.tally import Promise, Tally

REQUESTS = int(os.environ.get("FULLHOST_HOSTILE_REQUESTS", "5000"))  # nightly: 100000
EVIL = [
    "../../etc/passwd",
    "$(reboot)",
    "; reboot",
    "\0",
    "a\nb",
    "ÿ",
    "\uff11" * 64,
    "a" * 65,
    "{}",
    '"',
    "-rf",
    "%s",
    "\ud800",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(EVIL)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from([NETWORK.id, "ab" * 32, "cd" * 32]) | st.sampled_from(EVIL) | JSON
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "fullhost.name": st.sampled_from(["web", "nobody", *EVIL]) | JSON,
        "fullhost.nmae": SCALARS,
        "com.docker.network.generic": st.dictionaries(
            st.sampled_from(["fullhost.bridge", "fullhost.subnet", "fullhost.dns", "fullhost.domain", "x"]),
            st.sampled_from(["br1", "10.0.0.0/24", *EVIL]) | JSON,
            max_size=3,
        ),
        "com.docker.network.portmap": JSON,
        "com.docker.network.enable_ipv6": JSON,
    },
)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "NetworkID": IDS,
        "EndpointID": IDS,
        "Options": OPTIONS | JSON,
        "Interface": st.fixed_dictionaries({}, optional={"Address": JSON, "MacAddress": JSON}) | JSON,
        "SandboxKey": st.sampled_from(["/run/docker/netns/1", *EVIL]) | JSON,
        "IPv4Data": st.just([{"AddressSpace": "null", "Pool": "0.0.0.0/0"}]) | JSON,
        "IPv6Data": JSON,
        "Pool": st.sampled_from(["172.31.0.0/24", "::/0", *EVIL]) | JSON,
        "SubPool": st.sampled_from(["", *EVIL]) | JSON,
        "PoolID": st.sampled_from(["172.31.0.0/24", "172.31.0.0/32", "::/0", *EVIL]) | JSON,
        "Address": st.sampled_from(["172.31.0.2", *EVIL]) | JSON,
    },
)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("call", [call for call in PROTOCOL if not call.startswith("Plugin.")])
def test_whatever_is_sent_is_answered_and_what_is_refused_changed_nothing(
    call: str, tmp_path: pathlib.Path, clock: Clock, tally: Tally
) -> None:
    world = fakes.World(zone={"web": ("172.31.0.2",)}, networks={NETWORK.id})
    state = store.Store(tmp_path / "driver.db")
    client = app.wire(app.calls(fakes.uses(world, state, clock)), {}, {}, count=world.count).test_client()
    counted = collections.Counter[str]()

    def seen() -> object:
        return state.networks(), state.endpoints(), state.moves(), dict(world.links), set(world.rules)

    @hypothesis.settings(max_examples=-(-REQUESTS // 19), deadline=None)
    @hypothesis.given(BODIES | JSON)
    def attack(body: object) -> None:
        counted["tried"] += 1
        client.post("/NetworkDriver.CreateNetwork", data=json.dumps(CREATE_NETWORK))
        client.post("/NetworkDriver.CreateEndpoint", data=json.dumps(CREATE_ENDPOINT))
        before = seen()
        reply = client.post(f"/{call}", data=json.dumps(body))
        answer = json.loads(reply.data)
        assert reply.status_code in {200, 400}
        assert isinstance(answer, dict)
        if refusal := answer.get("Err") or answer.get("Error"):
            assert str(refusal).startswith("cannot ")
            assert "the driver failed" not in refusal
            assert seen() == before
        counted["kept"] += 1

    try:
        attack()
    finally:
        tally.add(Promise.REQUESTS, kept=counted["kept"], of=counted["tried"])
