"""The zone, served by a real BIND in a namespace of the test's own."""

import dataclasses
import ipaddress
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from netplugin import model, zone
from tests.netplugin.conftest import NETWORK

CONFIGURATION = """
options {
  directory "."; pid-file none; session-keyfile "./session.key"; listen-on-v6 { none; };
  listen-on port 53 { 127.0.0.1; }; recursion no; dnssec-validation no; allow-transfer { 127.0.0.1; };
};
controls {};
logging { category default { default_stderr; }; };
zone "local" { type primary; file "local.zone"; };
zone "0.31.172.in-addr.arpa" { type primary; file "reverse.zone"; };
zone "else.example" { type primary; file "else.zone"; };
"""
HEAD = """\
$TTL 60
@ SOA host.local. root.local. 7 3600 600 86400 60
@ NS host.local.
"""
LOCAL = """\
host A 172.31.0.1
web A 172.31.0.2
www CNAME web
far CNAME www.else.example.
round CNAME back.else.example.
loop CNAME loop2
loop2 CNAME loop
elsewhere A 172.31.0.200
twin A 172.31.0.200
monitor A 172.31.0.4
grafana A 172.31.0.4
influxdb A 172.31.0.4
both A 172.31.0.6
both A 10.0.0.6
away A 10.0.0.7
six AAAA fd00::1
web AAAA fd00::2
deep.er A 172.31.0.8
* A 172.31.0.9
@ A 172.31.0.1
_fhv.web TXT "memory=2g" "cpus=1.5"
_FHV.Web TXT "autostart=false"
_fhv.monitor TXT "image=\\200\\"x"
_fhv TXT "of no machine"
_fhv.deep.er TXT "of no machine"
_else.web TXT "v=spf1"
"""
# More addresses than fit into a UDP answer of 1,232 octets: the server truncates, and TCP has to be asked.
WIDE = "".join(f"wide A 10.1.{n}.1\n" for n in range(90))
REVERSE = "4 PTR monitor.local.\n10 PTR build.local.\n"


@dataclasses.dataclass
class Named:
    """A running named; `pid` to stop and to continue it."""

    pid: int


@pytest.fixture
def named(namespace: str, tmp_path: pathlib.Path) -> Iterator[Named]:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    (tmp_path / "named.conf").write_text(CONFIGURATION)
    (tmp_path / "local.zone").write_text(HEAD + LOCAL + WIDE)
    (tmp_path / "reverse.zone").write_text(HEAD + REVERSE)
    (tmp_path / "else.zone").write_text(HEAD + "www A 172.31.0.66\nback CNAME web.local.\n")
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(["named", "-f", "-c", "named.conf"], cwd=tmp_path, stderr=log)
    try:
        assert served(seconds=10), (tmp_path / "log").read_text()
        yield Named(process.pid)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(10)


def served(*, seconds: float) -> bool:
    """Wait until the zones are loaded, which is later than port 53 is open; tell whether they are."""
    ask = ["dig", "+short", "+time=1", "+tries=1", "@127.0.0.1", "web.local"]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if subprocess.run(ask, check=False, capture_output=True, text=True).stdout.strip() == "172.31.0.2":
            return True
        time.sleep(0.02)
    return False


def texts(host: str) -> list[str]:
    return [str(address) for address in zone.addresses(host, NETWORK)]


@pytest.mark.usefixtures("named")
class TestAnswers:
    """What a zone can say."""

    @pytest.mark.parametrize(
        ("host", "addresses"),
        [
            ("web", ["172.31.0.2"]),
            ("both", ["10.0.0.6", "172.31.0.6"]),
            ("away", ["10.0.0.7"]),
            ("six", []),
        ],
    )
    def test_addresses_are_the_a_records(self, host: str, addresses: list[str]) -> None:
        assert texts(host) == addresses

    @pytest.mark.parametrize(
        ("host", "addresses"),
        [("web", ["fd00::2"]), ("www", ["fd00::2"]), ("six", ["fd00::1"]), ("both", []), ("*", [])],
    )
    def test_ipv6_addresses_are_the_aaaa_records(self, host: str, addresses: list[str]) -> None:
        assert [str(address) for address in zone.addresses6(host, NETWORK)] == addresses

    def test_a_cname_inside_the_zone_is_followed(self) -> None:
        assert texts("www") == ["172.31.0.2"]

    def test_a_cname_out_of_the_zone_is_refused(self) -> None:
        with pytest.raises(model.Cannot, match=r"its CNAME leads to www\.else\.example\., out of local; write an A"):
            texts("far")

    def test_a_cname_out_of_the_zone_and_back_is_refused(self) -> None:
        with pytest.raises(model.Cannot, match=r"its CNAME leads to back\.else\.example\., out of local"):
            texts("round")

    def test_a_loop_of_cnames_ends(self) -> None:
        with pytest.raises(model.Cannot, match=r"cannot look up loop\.local"):
            texts("loop")

    def test_a_truncated_answer_is_asked_again_by_tcp(self) -> None:
        assert len(texts("wide")) == 90

    def test_the_fleet_is_the_names_with_addresses_of_the_subnet(self) -> None:
        fleet = zone.fleet(NETWORK)
        assert fleet.serial == 7
        assert {record.name: [str(address) for address in record.addresses] for record in fleet.records} == {
            "host": ["172.31.0.1"],
            "web": ["172.31.0.2"],
            "monitor": ["172.31.0.4"],
            "grafana": ["172.31.0.4"],
            "influxdb": ["172.31.0.4"],
            "both": ["172.31.0.6"],
            "elsewhere": ["172.31.0.200"],
            "twin": ["172.31.0.200"],
        }
        assert fleet.pointers == {ipaddress.IPv4Address("172.31.0.4"): "monitor"}

    def test_definitions_are_the_texts_of_one_name_below_fhv(self) -> None:
        assert zone.fleet(NETWORK).texts == {
            "web": (("autostart=false",), ("memory=2g", "cpus=1.5")),
            "monitor": (('image=\\xc8"x',),),
        }

    def test_a_server_that_does_not_serve_the_zone_is_an_error(self) -> None:
        elsewhere = dataclasses.replace(NETWORK, domain="nowhere.example")
        for ask in (lambda: zone.addresses("web", elsewhere), lambda: zone.fleet(elsewhere)):
            with pytest.raises(model.Cannot, match=r"the DNS server 127\.0\.0\.1 port 53 (answered|gave)") as caught:
                ask()
            assert caught.value.reason is model.Reason.UNAVAILABLE


def hang(pid: int) -> None:
    """Stop a process; each of its threads stops when it next looks, and may answer until then."""
    os.kill(pid, signal.SIGSTOP)
    threads = list(pathlib.Path(f"/proc/{pid}/task").glob("*/status"))
    for _ in range(200):
        if all("State:\tT" in thread.read_text() for thread in threads):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} did not stop")


def test_a_server_that_hangs_is_an_error_in_bounded_time(named: Named) -> None:
    hang(named.pid)
    for ask in (lambda: zone.addresses("web", NETWORK), lambda: zone.fleet(NETWORK)):
        began = time.monotonic()
        with pytest.raises(model.Cannot, match="did not answer in time"):
            ask()
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("namespace")
def test_a_server_that_is_down_is_an_error_that_says_what_to_do() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with pytest.raises(model.Cannot, match=r"see that it runs and serves local \(dig @127\.0\.0\.1 -p 53\)"):
        texts("web")
    with pytest.raises(model.Cannot, match=r"cannot transfer the zone local"):
        zone.fleet(NETWORK)


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize(
    ("server", "told"),
    [("127.0.0.1", "Operation not permitted"), ("192.0.2.1", "Network is unreachable")],
    ids=["a rule drops it", "no route"],
)
def test_a_server_that_this_host_cannot_ask_is_told_as_the_kernel_tells_it(server: str, told: str) -> None:
    chain = "add chain inet shut output { type filter hook output priority 0; policy drop; }"
    for command in (["ip", "link", "set", "lo", "up"], ["nft", f"add table inet shut; {chain}"]):
        subprocess.run(command, check=True)
    asked = dataclasses.replace(NETWORK, dns=model.Server(address=ipaddress.ip_address(server), port=53))
    with pytest.raises(model.Cannot, match=rf"the DNS server {server} port 53 cannot be asked \({told}\)"):
        zone.addresses("web", asked)


@pytest.mark.usefixtures("named")
def test_a_server_is_asked_again_once_a_firewall_lets_it() -> None:
    """As firewalld does: it stops everything while it loads its rules anew."""
    chain = "add chain inet shut output { type filter hook output priority 0; policy drop; }"
    subprocess.run(["nft", f"add table inet shut; {chain}"], check=True)
    with subprocess.Popen(["sh", "-c", "sleep 0.7; nft delete table inet shut"]):
        assert texts("web") == ["172.31.0.2"]
