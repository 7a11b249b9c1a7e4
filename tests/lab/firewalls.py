"""ufw and firewalld on the lab's host, as an administrator would have them; the machine's own is another world."""

import dataclasses
import pathlib

from tests.lab import commands, engine, host, layers, place, process, trees

_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""
# What their packages' scripts do, as far as it matters: the packages are only unpacked.
_SETUP = """\
mkdir -p /etc/ufw /run/dbus /run/firewalld /etc/firewalld/zones
for from in /usr/share/ufw /usr/share/ufw/iptables; do
    for file in "$from"/*.rules "$from"/*.init "$from"/ufw.conf; do [ ! -e "$file" ] || cp "$file" /etc/ufw/; done
done
chmod 640 /etc/ufw/*.rules
"""
# The driver has the machine's files, and firewalld the host's: a file that one names, the other has to find.
_COMMAND = """\
#!/bin/sh
for word; do
    shift
    case $word in
        --new-zone-from-file=*) cp "${{word#*=}}" {run}/zone.xml; word=--new-zone-from-file=/run/zone.xml ;;
    esac
    set -- "$@" "$word"
done
exec {enter} firewall-cmd "$@"
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Firewalls:
    """What of other firewalls may run on a lab's host."""

    where: place.Place
    engine: engine.Engine

    @property
    def _bus(self) -> process.Process:
        return process.Process(self.where, "dbus")

    @property
    def _firewalld(self) -> process.Process:
        return process.Process(self.where, "firewalld")

    def run(self, *command: str) -> str:
        """Run a command with the host's own files."""
        return commands.run([*self.engine.enter, *command])

    def install(self) -> None:
        """Have them installed, and none of them run."""
        if commands.works([*self.engine.enter, "test", "-e", "/etc/ufw/ufw.conf"]):
            return
        layer = layers.ensure(trees.ENGINES[self.engine.version], "firewalls", "ufw", "firewalld")
        root = pathlib.Path("/proc") / (self.where.run / "holder.pid").read_text().strip() / "root"
        unpack = 'tar -C "$1" -cf - . | tar -C "$2" --keep-directory-symlink -xf -'
        commands.run(["sh", "-euc", unpack, "sh", str(layer), str(root)])
        self.run("sh", "-euc", _SETUP)
        file = self.where.root / "bin" / "firewall-cmd"
        file.write_text(_COMMAND.format(run=self.where.run, enter=" ".join(self.engine.enter)))
        file.chmod(0o755)

    def start_firewalld(self) -> None:
        """Start firewalld, with a bus of its own, and wait until it runs."""
        config = self.where.run / "dbus" / "lab.conf"
        config.write_text(_BUS)
        (self.where.run / "dbus" / "system_bus_socket").unlink(missing_ok=True)
        self._bus.start([*self.engine.enter, "dbus-daemon", "--config-file=/run/dbus/lab.conf", "--nofork"])
        self._bus.until("listen", (self.where.run / "dbus" / "system_bus_socket").exists)
        self._firewalld.start([*self.engine.enter, "firewalld", "--nofork", "--nopid"])
        running = [*self.engine.enter, "firewall-cmd", "--state"]
        self._firewalld.until("run", lambda: commands.works(running))

    def stop_firewalld(self) -> None:
        """Stop it: it takes its table along."""
        self._firewalld.stop()
        self._bus.stop()

    def clear(self, at: host.Host) -> None:
        """Have none of them, and no rule of anybody, as after a boot; an engine that starts makes its own.

        It makes its policy DROP only where it is the one who turns forwarding on.
        """
        self.stop_firewalld()
        self.run("update-alternatives", "--auto", "iptables")
        for key in ("net.ipv4.ip_forward", "net.bridge.bridge-nf-call-iptables"):
            at.run("sysctl", "-qw", f"{key}=0")
        commands.works([*self.engine.enter, "ufw", "--force", "disable"])
        for variant in ("iptables-nft", "iptables-legacy"):
            for table in ("filter", "nat", "raw", "mangle"):
                for word in ("-F", "-X"):
                    at.works(variant, "-t", table, word)
            for chain in ("INPUT", "FORWARD", "OUTPUT"):
                at.works(variant, "-P", chain, "ACCEPT")
        at.run("nft", "flush", "ruleset")
