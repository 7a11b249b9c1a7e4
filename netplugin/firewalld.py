"""The zone of firewalld that bridges are in: its own table rejects what is in none, whatever ours accept.

An accept in one table overrules no reject in another, and firewalld's table can be written by nobody else (its flag
`owner`). So a bridge goes into a zone, `fullhost`, made as libvirt makes its own: machines get out (the target ACCEPT),
and of the host they reach its name server and its echo alone (the last rule rejects the rest). That is less than
`trusted` and Docker's zone `docker` let in, which is everything. A bridge that somebody put into a zone stays there.
"""

import pathlib
import re
import tempfile

from netplugin import deadline, model, programs

ZONE = "fullhost"
TEXT = """\
<?xml version="1.0" encoding="utf-8"?>
<zone target="ACCEPT">
  <short>fullhost</short>
  <description>Machines of Docker networks of the driver fullhost: out into the world; of this host they reach its name
  server alone.</description>
  <service name="dns"/>
  <protocol value="icmp"/>
  <protocol value="ipv6-icmp"/>
  <rule priority="32767"><reject/></rule>
</zone>
"""
_LISTING = ["nft", "list", "table", "inet", "firewalld"]


def missing(network: model.Network) -> tuple[str, ...]:
    """Return what firewalld, if it runs, has not of a network that this host routes; touch nothing.

    A bridge that only leads to a LAN is not looked at: its frames are bridged, and the host behind it is what it was.
    """
    if not network.routed_here or (listed := programs.attempt(_LISTING)) is None:
        return ()
    zoned = re.search(rf'iifname "{re.escape(network.bridge)}" (?:jump|goto) filter_IN_', listed)
    return () if zoned else (f"the zone of {network.bridge} in firewalld",)


def ensure(network: model.Network) -> None:
    """Put the bridge into the zone; a reload of firewalld takes it out again.

    The zone is made when it is missing, by the keeper: that takes three times what a call may last on a busy machine.
    """
    if missing(network):
        join = ["firewall-cmd", f"--zone={ZONE}", f"--change-interface={network.bridge}"]
        if programs.attempt(join) is None and not deadline.bounded():
            _make_zone()
            programs.run(join)


def leave(network: model.Network) -> None:
    """Take the bridge out of the zone; where it is in none, or in another, that is fine."""
    if network.routed_here and programs.attempt(_LISTING) is not None:
        programs.attempt(["firewall-cmd", f"--zone={ZONE}", f"--remove-interface={network.bridge}"])


def _make_zone() -> None:
    """Make the zone, once for a host: it is there from the next reload on."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / f"{ZONE}.xml"
        file.write_text(TEXT)
        programs.attempt(["firewall-cmd", "--permanent", f"--new-zone-from-file={file}", f"--name={ZONE}"])
    programs.run(["firewall-cmd", "--reload"])
