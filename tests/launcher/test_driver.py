"""The driver's control calls, against a server on a Unix socket that says what a test wants."""

import contextlib
import http.server
import ipaddress
import json
import pathlib
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from launcher import driver, inventory, model, pairs

_NETWORK = "f" * 64
_STATUS = {
    "version": "0.1.0",
    "pid": 1,
    "started": "2026-11-24T10:00:00+00:00",
    "networks": [
        {
            "id": _NETWORK,
            "name": None,
            "bridge": "br0",
            "bridge_made": True,
            "subnet": "172.31.0.0/24",
            "gateway": "172.31.0.1",
            "domain": "local",
            "dns": {"address": "172.31.0.1", "port": 53},
            "snat": True,
            "mtu": 1500,
            "uplink": "eth1.20",
            "address": None,
        }
    ],
    "endpoints": [
        {
            "id": "e" * 64,
            "network": _NETWORK,
            "name": "web",
            "address": "172.31.0.2",
            "mac": "02:66:ac:1f:00:02",
            "veth": "fh0123456789abh",
            "rung": "option",
            "source": "dns",
            "settled": True,
            "joined": True,
            "created": "2026-11-24T10:00:00+00:00",
            "lease": {"server": "172.31.0.1", "mac": "02:68:00:00:00:01", "expires": "2026-11-24T10:02:00+00:00"},
        }
    ],
    "stopped": [{"endpoint": "e" * 64, "name": "web", "why": "arp", "what": "ARP for another's", "frames": 3}],
    "counters": {"rung.option": 2},
    "warnings": ["IP forwarding is off"],
}
_FLEET = {
    "domain": "local",
    "gateway": "172.31.0.1",
    "subnet": "172.31.0.0/24",
    "serial": 2026112401,
    "records": [{"name": "Web", "addresses": ["172.31.0.2"]}, {"name": "out", "addresses": []}],
    "pointers": {"172.31.0.2": "Web"},
    "texts": {"Web": [["memory=2g", "cpus=1"], ["autostart=false"]]},
}


@contextlib.contextmanager
def _answering(path: pathlib.Path, code: int, body: str) -> Iterator[list[str]]:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return "here"

    with socketserver.UnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def test_the_status_is_read_whole(tmp_path: pathlib.Path) -> None:
    with _answering(tmp_path / "s", 200, json.dumps(_STATUS)) as asked:
        status = driver.Driver(tmp_path / "s").status()
    assert asked == ["/v1/status"]
    assert status.networks[0].subnet == ipaddress.IPv4Network("172.31.0.0/24")
    assert (status.networks[0].address, status.networks[0].uplink) == (None, "eth1.20")
    assert (status.networks[0].name, status.networks[0].dns_port) == ("", 53)
    assert status.endpoints[0].address == ipaddress.IPv4Address("172.31.0.2")
    assert status.endpoints[0].lease == ("2026-11-24T10:02:00+00:00", "172.31.0.1", "02:68:00:00:00:01")
    assert status.endpoints[0].stopped == {"ARP for another's": 3}
    assert status.counters == {"rung.option": 2}
    assert status.warnings == ("IP forwarding is off",)


def test_the_zone_is_read_in_small_letters(tmp_path: pathlib.Path) -> None:
    with _answering(tmp_path / "s", 200, json.dumps(_FLEET)) as asked:
        zone = driver.Driver(tmp_path / "s").zone(_NETWORK)
    assert asked == [f"/v1/networks/{_NETWORK}/fleet"]
    address = ipaddress.IPv4Address("172.31.0.2")
    assert zone.records == (
        inventory.Record(name="web", addresses=(address,)),
        inventory.Record(name="out", addresses=()),
    )
    assert zone.pointers == {address: "web"}
    assert zone.texts == {"web": (("memory=2g", "cpus=1"), ("autostart=false",))}


def test_a_record_is_an_address(tmp_path: pathlib.Path) -> None:
    with _answering(tmp_path / "s", 200, '{"name": "web", "address": "172.31.0.2"}') as asked:
        assert driver.Driver(tmp_path / "s").record(_NETWORK, "web") == pairs.pair("172.31.0.2", None)
    assert asked == [f"/v1/networks/{_NETWORK}/records/web"]


def test_addresses_of_both_versions_are_read(tmp_path: pathlib.Path) -> None:
    six = ipaddress.IPv6Address("fd00:31::2")
    body = json.dumps({"name": "web", "address": None, "address6": "fd00:31::2"})
    with _answering(tmp_path / "a", 200, body):
        assert driver.Driver(tmp_path / "a").record(_NETWORK, "web") == pairs.Pair(six=six)
    found = {**_FLEET, "subnet6": "fd00:31::/64", "gateway6": "fd00:31::1", "pointers": {"fd00:31::2": "WEB"}}
    found["records"] = [{"name": "WEB", "addresses": ["172.31.0.2", "fd00:31::2"]}]
    with _answering(tmp_path / "b", 200, json.dumps(found)):
        zone = driver.Driver(tmp_path / "b").zone(_NETWORK)
    assert [(record.name, record.pair) for record in zone.records] == [("web", pairs.pair("172.31.0.2", str(six)))]
    assert (zone.pointers, zone.where) == ({six: "web"}, "172.31.0.0/24 or fd00:31::/64")
    assert zone.gateways == {ipaddress.IPv4Address("172.31.0.1"), ipaddress.IPv6Address("fd00:31::1")}
    alone = json.dumps(_STATUS).replace('"address": "172.31.0.2"', f'"address": null, "address6": "{six}"')
    with _answering(tmp_path / "c", 200, alone):
        (endpoint,) = driver.Driver(tmp_path / "c").status().endpoints
    assert (endpoint.address, endpoint.addresses) == (None, pairs.Pair(six=six))


def test_the_sentence_of_a_refusal_is_the_drivers_own(tmp_path: pathlib.Path) -> None:
    with (
        _answering(tmp_path / "s", 404, '{"message": "cannot find an address for web: no A record; add one"}'),
        pytest.raises(model.Cannot, match=r"^cannot find an address for web: no A record$") as caught,
    ):
        driver.Driver(tmp_path / "s").record(_NETWORK, "web")
    assert caught.value.hint == "add one"


@pytest.mark.parametrize("code", [200, 500])
@pytest.mark.parametrize("body", ["", "<html>", "[]", "3", "null", "{}", '{"version": 1, "networks": 3}'])
def test_what_is_not_understood_is_told(tmp_path: pathlib.Path, code: int, body: str) -> None:
    asking = driver.Driver(tmp_path / "s")
    with _answering(tmp_path / "s", code, body):
        for call in (asking.status, lambda: asking.zone(_NETWORK), lambda: asking.record(_NETWORK, "web")):
            with pytest.raises(model.Cannot, match="cannot understand the network driver at"):
                call()


def test_a_driver_that_is_not_there_is_not_running(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        model.Cannot, match=f"cannot reach the network driver at {tmp_path}/s: it is not running"
    ) as caught:
        driver.Driver(tmp_path / "s").status()
    assert "systemctl start fullhost" in caught.value.hint


def test_a_socket_that_nobody_has_is_a_driver_that_is_not_running(tmp_path: pathlib.Path) -> None:
    with _answering(tmp_path / "s", 200, "{}"):
        pass
    with pytest.raises(model.Cannot, match="it is not running"):
        driver.Driver(tmp_path / "s").status()


def test_a_driver_that_hangs_keeps_nobody_for_long(tmp_path: pathlib.Path) -> None:
    """A deadline and no measurement: what it knows by itself is there in no time, or not at all."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        asking = driver.Driver(tmp_path / "s")
        with pytest.raises(model.Cannot, match="it did not answer within 5 seconds"):
            asking.exposures()
