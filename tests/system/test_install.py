"""`install.sh` on a bare Debian machine, from the first run to the last: each test goes on where another ended."""

import json
import re
import time
from collections.abc import Iterator

import pytest

from tests.system import bare

pytestmark = pytest.mark.timeout(1800)

ZONE = "/etc/fullhost/local.zone"
SETTINGS = "/etc/fullhost/driver.env"

# Left on purpose: what dpkg and apt keep of packages that are gone, the users and groups of Debian's services, caches,
# what systemd keeps of its own, and the certificates that the harness laid there (they go with their package).
KEPT = re.compile(
    r"/var/(lib/(apt|dpkg)|cache/(apt|debconf|ldconfig)|log/(apt|dpkg\.log|alternatives\.log|journal|wtmp))"
    r"|(/var)?/tmp/systemd-private-"
    r"|/etc/((passwd|group|shadow|gshadow)-?|ld\.so\.cache|ssl/certs)(/|$)"
)


@pytest.fixture(scope="module")
def machine() -> Iterator[bare.Bare]:
    with bare.machine("bookworm") as found:
        yield found


@pytest.fixture(scope="module")
def before(machine: bare.Bare) -> dict[str, str]:
    """Give the files of the machine as it was found."""
    return machine.files()


def address_of(machine: bare.Bare, name: str) -> str:
    return machine.said("docker", "inspect", "-f", "{{.NetworkSettings.Networks.fullhost.IPAddress}}", name)


def record_of(machine: bare.Bare, name: str) -> str:
    return machine.said("dig", "+short", "@172.31.0.1", f"{name}.local")


def changes(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Return the paths that a run left behind, changed or took away, less those that it may."""
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in changed if not KEPT.match(path)}


@pytest.mark.parametrize("arguments", [("--bogus",), ("--uninstall", "now"), ("install",)])
def test_an_unknown_argument_is_a_usage_error(machine: bare.Bare, arguments: tuple[str, ...]) -> None:
    done = machine.install(*arguments)
    assert (done.status, done.output[:6]) == (2, "Usage:")


def test_help(machine: bare.Bare) -> None:
    done = machine.install("--help")
    assert done.status == 0
    assert all(f"FULLHOST_{key}" in done.output for key in ("SUBNET", "DOMAIN", "BRIDGE", "NAMES", "IMAGE"))


def test_another_user_is_told_to_be_root(machine: bare.Bare) -> None:
    done = machine.run("setpriv", "--reuid=65534", "--clear-groups", "/srv/fullhost/install.sh")
    assert (done.status, "run it as root" in done.output) == (1, True)


def test_an_unknown_system_is_refused(machine: bare.Bare) -> None:
    release = machine.root / "usr/lib/os-release"
    text = release.read_text(encoding="utf-8")
    release.write_text("ID=other\nVERSION_ID=1\n", encoding="utf-8")
    done = machine.install()
    release.write_text(text, encoding="utf-8")
    assert (done.status, "cannot install on other 1: use Debian 12" in done.output) == (1, True)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("SUBNET=172.31.0.0", "cannot use the subnet 172.31.0.0: it is no IPv4 subnet"),
        ("SUBNET=172.31.0.0/8", "cannot use the subnet 172.31.0.0/8"),
        ("SUBNET=172.31.0.256/24", "cannot use the subnet 172.31.0.256/24"),
        ("SUBNET=172.31.0.1/24", "it has host bits set"),
        ("SUBNET=192.168.1.0/29", "cannot give 6 names an address of 192.168.1.0/29"),
        ("SUBNET=10.0.0.0/16", "tap0 has a route to part of it"),
        ("DOMAIN=lo_cal", "cannot use the domain lo_cal"),
        ("DOMAIN=a..b", "cannot use the domain a..b"),
        ("BRIDGE=tap0", "cannot use the bridge tap0: it is an interface of another kind"),
        ("BRIDGE=a-name-too-long-", "cannot call a bridge a-name-too-long-"),
        ("NAMES=web Web", "cannot use the name Web"),
        ("NAMES=web web", "cannot use the name web twice"),
        ("NAMES=web host", "cannot use the name host twice"),
        (f"NAMES=web {'a' * 64}", "a machine's name is one DNS label"),
        ("NAMES=web", "cannot make a zone of fewer than two machines"),
        ("IMAGE=not an image", "cannot use the image not an image"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_anything_is_changed(
    machine: bare.Bare, before: dict[str, str], setting: str, sentence: str
) -> None:
    key, _, text = setting.partition("=")
    done = machine.install(environment={f"FULLHOST_{key}": text})
    assert done.status == 1
    assert sentence in done.output
    assert machine.files() == before


def test_a_run_that_is_cut_short_says_so(machine: bare.Bare) -> None:
    done = machine.run("timeout", "--signal=INT", "7", "/srv/fullhost/install.sh")
    assert done.status == 124
    assert "cannot finish: this failed: packages" in done.output
    assert "run the same command again" in done.output


def test_the_first_run_ends_with_a_machine_and_its_proof(machine: bare.Bare, before: dict[str, str]) -> None:
    assert before
    done = machine.install()
    assert done.status == 0, done.output
    proof = done.output.partition("==> proof\n")[2]
    assert re.search(r"init of web +running\n", proof)
    assert re.search(r"record, address +172\.31\.0\.2, 172\.31\.0\.2\n", proof)
    assert re.search(r"db to web +64 bytes from .*172\.31\.0\.2", proof)
    assert re.search(r"web to the world +64 bytes from 198\.51\.100\.2: .* no route to 172\.31\.0\.0/24\n", proof)
    assert re.search(r"translated by +ip saddr 172\.31\.0\.0/24 .* counter packets [1-9]\d* .* masquerade\n", proof)
    assert address_of(machine, "web") == record_of(machine, "web") == "172.31.0.2"
    assert machine.said("docker", "exec", "web", "systemctl", "is-system-running") == "running"
    assert machine.links() == {"lo", "tap0", "br0", "docker0"} | {
        link for link in machine.links() if link.startswith("fh") and link.endswith("h")
    }


def test_the_zone_is_for_the_host_alone_and_names_are_for_its_machines(machine: bare.Bare) -> None:
    assert "web.local." in machine.said("dig", "@172.31.0.1", "local", "AXFR")
    assert "web.local." in machine.said("dig", "@127.0.0.1", "-x", "172.31.0.2")
    pid = machine.said("docker", "inspect", "-f", "{{.State.Pid}}", "web")
    inside = ("nsenter", f"--target={pid}", "--net", "dig", "+time=2", "+tries=1", "@172.31.0.1")
    assert machine.said(*inside, "+short", "db.local") == "172.31.0.3"
    assert "Transfer failed" in machine.run(*inside, "local", "AXFR").output


def test_the_image_is_a_machine_and_not_somebody_s(machine: bare.Bare) -> None:
    look = "test ! -s /etc/machine-id && ! ls /etc/ssh/ssh_host_* && ls -A /var/lib/apt/lists /var/cache/apt/archives"
    fresh = ("docker", "run", "--rm", "--network", "none", "fullhost/debian:bookworm", "sh", "-c")
    machine.said(*fresh, look)
    assert machine.said(*fresh, "grep -c '^[^:]*:[^!*]' /etc/shadow || true") == "0"
    assert "ssh_host_ed25519_key" in machine.said("docker", "exec", "web", "ls", "/etc/ssh")
    assert machine.said("docker", "exec", "web", "systemctl", "is-active", "ssh.service") == "active"


def test_the_docker_cli_has_fhv_as_a_plugin(machine: bare.Bare) -> None:
    assert machine.said("docker", "fhv", "list", "--json") == machine.said("fhv", "list", "--json")
    assert re.search(r"\n +fhv\* +Full hosts: ", machine.said("docker", "--help"))
    refused = machine.run("docker", "fhv", "start", "nothere")
    assert (refused.status, "cannot start nothere: the zone local gives it no address" in refused.output) == (1, True)


def test_what_is_beside_the_code_is_installed_too(machine: bare.Bare) -> None:
    topics = {path.stem for path in (bare.CHECKOUT / "launcher/topics").glob("*.md")}
    assert {topic for topic in topics if machine.run("fhv", "help", topic).status} == set()
    assert "fhv" in (machine.root / "usr/share/bash-completion/completions/fhv").read_text(encoding="utf-8")
    image = ("--tag", "fullhost/debian:built", "--build-arg", "BASE=fullhost/debian:bookworm")
    assert "fullhost/debian:built" in machine.said("fhv", "image", "build", "debian", *image)


def test_a_snapshot_is_taken_and_restored(machine: bare.Bare) -> None:
    machine.said("fhv", "snapshot", "web", "calm")
    machine.said("docker", "exec", "web", "rm", "/etc/issue")
    machine.said("fhv", "restore", "--yes", "web", "calm")
    assert machine.said("docker", "exec", "web", "ls", "/etc/issue") == "/etc/issue"
    machine.said("fhv", "snapshot", "web", "of-a-snapshot")  # an image that is made of the one before


def test_a_second_run_leaves_what_the_user_edited(machine: bare.Bare) -> None:
    zone = machine.root / ZONE.removeprefix("/")
    edited = re.sub(r"\d+  ; serial", "2099010101  ; serial", zone.read_text()) + "extra IN A 172.31.0.77\n"
    zone.write_text(edited)
    started = machine.said("docker", "inspect", "-f", "{{.State.StartedAt}}", "web")
    done = machine.install(environment={"FULLHOST_SUBNET": "172.31.0.0/24", "FULLHOST_RESOLVER": "off"})
    assert done.status == 0, done.output
    assert "names of machines on this host" not in done.output
    assert zone.read_text() == edited
    assert record_of(machine, "extra") == "172.31.0.77"
    assert machine.said("docker", "inspect", "-f", "{{.State.StartedAt}}", "web") == started


def test_another_subnet_than_before_is_refused(machine: bare.Bare) -> None:
    done = machine.install(environment={"FULLHOST_SUBNET": "10.99.0.0/24"})
    assert done.status == 1
    assert "cannot change FULLHOST_SUBNET to 10.99.0.0/24: this machine was set up with 172.31.0.0/24" in done.output


def test_the_same_command_brings_all_back_after_a_reboot(machine: bare.Bare) -> None:
    machine.reboot()
    assert (machine.processes(), machine.links()) == ([], {"lo", "tap0"})
    done = machine.install()
    assert done.status == 0, done.output
    assert address_of(machine, "web") == "172.31.0.2"
    listed = json.loads(machine.said("fhv", "list", "--json"))
    assert [(row["name"], row["state"]) for row in listed] == [("web", "running")]
    assert "names of machines on this host" not in done.output, "off stays off"


def test_uninstall_leaves_nothing(machine: bare.Bare, before: dict[str, str]) -> None:
    done = machine.install("--uninstall")
    assert done.status == 0, done.output
    assert "machines: web\n" in done.output
    assert machine.processes() == []
    assert machine.links() == {"lo", "tap0"}
    assert machine.said("cat", "/proc/sys/net/ipv4/ip_forward") == "0"
    assert machine.rules() == ""
    assert changes(before, machine.files()) == set()


def test_uninstall_again_has_nothing_to_do(machine: bare.Bare) -> None:
    done = machine.install("--uninstall")
    assert (done.status, done.output) == (0, "nothing of fullhost is here\n")


def booted(machine: bare.Bare) -> str:
    """Wait until systemd has done what there is to do at boot, and return what it says of it."""
    for _ in range(100):
        said = machine.run("systemctl", "is-system-running", "--wait").output.strip()
        if said in ("running", "degraded"):
            return said
        time.sleep(0.1)
    return "still starting"


def with_resolved(machine: bare.Bare) -> None:
    """Have systemd-resolved write resolv.conf, with the server that this network has for all names."""
    machine.said("apt-get", "update")
    machine.said("apt-get", "install", "--yes", "--no-install-recommends", "systemd-resolved")
    servers = machine.root / "etc/systemd/resolved.conf.d/network.conf"
    servers.parent.mkdir()
    servers.write_text("[Resolve]\nDNS=10.0.2.3\n", encoding="ascii")
    machine.said("systemctl", "reload", "dbus.service")  # which was up before it was installed
    machine.said("systemctl", "restart", "systemd-resolved.service")


def known(machine: bare.Bare, name: str) -> str:
    """Return the name that this host's programs find for a name or an address."""
    return machine.run("getent", "hosts", name).output.split()[-1:][0]


def confined(machine: bare.Bare) -> None:
    """Look at what the driver may do, who may speak to it, and how many machines there is room for."""
    assert int(machine.said("cat", "/proc/sys/fs/inotify/max_user_instances")) >= 8192
    assert "fs.inotify.max_user_instances = 8192" in machine.said("cat", "/etc/sysctl.d/60-fullhost.conf")
    served = (
        "--network",
        "name=fullhost,driver-opt=fullhost.name=ci",
        "--publish",
        "81:81",
        "fullhost/debian:bookworm",
    )
    machine.said("docker", "run", "--detach", "--name", "ci", *served, "sleep", "60")
    assert machine.said("cat", "/proc/sys/net/ipv4/conf/br0/route_localnet") == "1"
    machine.said("docker", "rm", "--force", "ci")
    leasing = ("fullhost.unlisted=dhcp", "fullhost.bridge=br9", "fullhost.subnet=10.9.0.0/24")
    words = [word for option in leasing for word in ("-o", option)]
    machine.said("docker", "network", "create", "-d", "fullhost", "--ipam-driver", "null", *words, "leasing")
    refused = machine.run("docker", "run", "--rm", "--network", "leasing", "--name", "nobody", served[-1], "true")
    assert "no DHCP server on br9 answered within 5 s" in refused.output, "it can at least be asked"
    machine.said("docker", "network", "rm", "leasing")
    exposure = machine.said("systemd-analyze", "security", "--no-pager", "fullhost.service").splitlines()[-1]
    assert float(re.findall(r"\d+\.\d+", exposure)[0]) < 2.5
    for setting, owner in (("FULLHOST_SOCKET_GROUP=daemon", "root:daemon 660"), ("", "root:root 600")):
        machine.said("sh", "-c", f"sed -i /SOCKET_GROUP/d {SETTINGS}; echo {setting} >>{SETTINGS}")
        machine.said("systemctl", "restart", "fullhost.service")
        assert machine.said("stat", "-c", "%U:%G %a", "/run/docker/plugins/fullhost.sock") == owner


def order(machine: bare.Bare) -> None:
    """Have web come after db at the next boot, of which the kernel that is shared tells nothing."""
    settings, uptime = machine.root / "etc/fullhost/fhv.toml", machine.root / "etc/fullhost/uptime"
    volumes = 'volumes = ["/etc/fullhost/uptime:/proc/uptime:ro"]'
    settings.write_text(f'{settings.read_text()}\n[defaults]\n{volumes}\n[machine.web]\nafter = ["db"]\n')
    uptime.write_text("25.00 9.00\n")
    machine.said("fhv", "rm", "--force", "web")
    machine.said("fhv", "start", "web")
    for name in ("db", "web"):
        machine.said("docker", "exec", name, "sh", "-c", "echo another >/.fullhost-turn")


def in_turn(machine: bare.Bare) -> None:
    """See that the machines had their turns at boot, with no command typed."""
    assert booted(machine) == "running"
    assert machine.said("systemctl", "show", "-P", "Result", "fullhost-machines.service") == "success"
    said = machine.said("journalctl", "--unit=fullhost-machines.service", "--output=cat")
    assert "web: booted" in said
    assert said.index("db: waiting for systemd") < said.index("web: waiting for systemd")


def test_with_systemd_units_do_it_and_a_boot_needs_nobody() -> None:
    with bare.machine("bookworm", systemd=True) as machine:
        assert booted(machine) == "running"
        with_resolved(machine)
        before = machine.files()

        done = machine.install()
        assert done.status == 0, done.output
        assert re.search(r"web to the world +64 bytes from 198\.51\.100\.2: ", done.output)
        assert "on: systemd-resolved asks 172.31.0.1 for names of local" in done.output
        assert [known(machine, name) for name in ("web.local", "172.31.0.2")] == ["web.local"] * 2
        for unit in ("fullhost.socket", "fullhost.service", "fullhost-named.service", "docker.service"):
            assert machine.said("systemctl", "is-active", unit) == "active"
        assert machine.run("systemctl", "is-enabled", "named.service").output.strip() == "disabled"
        assert machine.run("systemctl", "is-active", "named.service").output.strip() == "inactive"
        assert "docker.service" in machine.said("systemctl", "show", "-P", "Before", "fullhost.service").split()
        confined(machine)

        order(machine)
        machine.reboot()
        in_turn(machine)
        assert address_of(machine, "web") == record_of(machine, "web") == "172.31.0.2"
        assert machine.said("docker", "exec", "web", "systemctl", "is-system-running", "--wait") == "running"
        assert known(machine, "web.local") == "web.local"

        done = machine.install("--uninstall")
        assert done.status == 0, done.output
        assert (booted(machine), machine.links(), machine.rules()) == ("running", {"lo", "tap0"}, "")
        assert not [line for line in machine.processes() if re.search("docker|containerd|named|fullhost", line)]
        assert changes(before, machine.files()) == set()
