"""Updates of the zones (RFC 2136), signed with a key that driver and server share (TSIG, RFC 8945). Bounded, always."""

import base64
import binascii
import dataclasses
import os
import pathlib
import stat

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.update

from netplugin import deadline, model, nameserver, registration

SECONDS = 2.0  # for one update with its answer; BIND writes its journal to the disk before it answers
_ALGORITHMS = {
    "hmac-sha224": dns.tsig.HMAC_SHA224,
    "hmac-sha256": dns.tsig.HMAC_SHA256,
    "hmac-sha384": dns.tsig.HMAC_SHA384,
    "hmac-sha512": dns.tsig.HMAC_SHA512,
}
# RFC 2136, 2.2: a prerequisite does not hold. Everything else is a failure.
_UNMET = {dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN}
_FINAL = {dns.rcode.REFUSED, dns.rcode.NOTAUTH}  # nothing was changed, nor will be until somebody mends the server
_IP6, _OF_64 = dns.name.from_text("ip6.arpa"), 16 + 3  # labels: half of the address's digits, ip6, arpa, root
_SHORTEST_REVERSE = 4  # labels with the root's: in-addr.arpa itself is nobody's to update


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """A TSIG key: its name, which the server knows it by, its algorithm, and the secret, which nobody is shown."""

    name: str
    algorithm: str
    secret: bytes = dataclasses.field(repr=False)


def read_key(path: pathlib.Path) -> Key:
    """Read the key from a file with one line `[hmac:]keyname:secret`, as `nsupdate -y` takes it; root's alone."""
    what = f"use the update key in {path}"
    try:
        with path.open(encoding="ascii") as file:
            state = os.fstat(file.fileno())
            line = file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise model.Cannot(what, why=str(error), hint="see FULLHOST_UPDATE_KEY_FILE") from None
    if state.st_mode & (stat.S_IRWXO | stat.S_IWGRP) or state.st_uid not in {0, os.geteuid()}:
        raise model.Cannot(
            what, why="others than root may read or write it", hint=f"chown root {path}; chmod 600 {path}"
        )
    *algorithm, name, secret = line.split(":") if line.count(":") in {1, 2} else ("", "", "")
    try:
        octets = base64.b64decode(secret, validate=True)
        host = dns.name.from_text(name)
    except (binascii.Error, ValueError, dns.exception.DNSException):
        octets, host = b"", dns.name.root
    chosen = (algorithm or ["hmac-sha256"])[0].lower()
    if not octets or host == dns.name.root or chosen not in _ALGORITHMS:
        raise model.Cannot(
            what,
            why=f"it is not one line of the form [ALGORITHM:]NAME:SECRET with one of {', '.join(_ALGORITHMS)}",
            hint="make one: tsig-keygen NAME, and write NAME:SECRET into the file",
        )
    return Key(name=name, algorithm=chosen, secret=octets)


class Updater:
    """Sends updates with a key; remembers in which zone the addresses of a /24 have their pointers."""

    def __init__(self, key: Key) -> None:
        self._key = key
        self._signer = dns.tsig.Key(key.name, key.secret, _ALGORITHMS[key.algorithm])
        self._zones: dict[tuple[model.Server, dns.name.Name], dns.name.Name] = {}

    def send(self, change: registration.Change, server: model.Server) -> bool:
        """Make the update; False where a prerequisite does not hold, and nothing was changed."""
        name = dns.name.from_text(change.name)
        zone = dns.name.from_text(change.zone) if change.zone else self._zone(name, server)
        what = f"update the zone {zone.to_text(omit_final_dot=True)} for {name.to_text(omit_final_dot=True)}"
        message = _message(change, name, zone)
        message.use_tsig(self._signer)
        seconds = deadline.left(what, at_most=SECONDS)
        try:
            # By TCP: a datagram that is lost would leave it open whether the update was made.
            answer = dns.query.tcp(message, str(server.address), port=server.port, timeout=seconds)
        except (dns.exception.DNSException, OSError) as error:
            raise self._failed(what, server, self._said(error), zone) from error
        code = answer.rcode()
        if code in _UNMET:
            return False
        if code != dns.rcode.NOERROR:
            self._zones.clear()  # it may be that a zone was added or taken away
            final = model.Reason.INVALID if code in _FINAL else model.Reason.UNAVAILABLE
            raise self._failed(what, server, self._told(code), zone, reason=final)
        return True

    def _zone(self, name: dns.name.Name, server: model.Server) -> dns.name.Name:
        """Return the zone of a name, which is what its SOA record is of (RFC 2136, 7.16)."""
        place = (server, name.parent())
        if place not in self._zones:
            what = f"find the reverse zone of {name.to_text(omit_final_dot=True)}"
            question = dns.message.make_query(name, dns.rdatatype.SOA)
            seconds = deadline.left(what, at_most=SECONDS)
            try:
                answer = dns.query.tcp(question, str(server.address), port=server.port, timeout=seconds)
            except (dns.exception.DNSException, OSError) as error:
                raise self._failed(what, server, self._said(error), name.parent()) from error
            rrsets = [*answer.answer, *answer.authority]
            found = [rrset.name for rrset in rrsets if rrset.rdtype == dns.rdatatype.SOA]
            if not found or len(found[0]) < _SHORTEST_REVERSE or not name.is_subdomain(found[0]):
                raise model.Cannot(
                    what,
                    why=f"the DNS server {server} serves none, and an address is claimed by its pointer",
                    hint=f"add a zone such as {_usual(name).to_text(omit_final_dot=True)}, for the key"
                    f" {self._key.name} to update",
                )
            self._zones[place] = found[0]
        return self._zones[place]

    def _failed(
        self,
        what: str,
        server: model.Server,
        said: str,
        zone: dns.name.Name,
        *,
        reason: model.Reason = model.Reason.UNAVAILABLE,
    ) -> model.Cannot:
        return model.Cannot(
            what,
            why=f"the DNS server {server} {said}",
            hint=f"see its log, and that the update-policy of the zone {zone.to_text(omit_final_dot=True)} grants"
            f" {self._key.name} zonesub ANY",
            reason=reason,
        )

    def _told(self, code: dns.rcode.Rcode) -> str:
        """Return what the server did instead of making an update, in one short sentence."""
        match code:
            case dns.rcode.REFUSED:
                return f"does not let the key {self._key.name} do it (REFUSED)"
            case dns.rcode.NOTAUTH:
                return "is not the primary of that zone (NOTAUTH)"
            case dns.rcode.SERVFAIL:
                return "failed at it (SERVFAIL); can it write the zone's journal?"
            case _:
                return f"answered {dns.rcode.to_text(code)}"

    def _said(self, error: Exception) -> str:
        match error:
            case dns.tsig.PeerBadKey():
                return f"does not know the key {self._key.name} ({self._key.algorithm})"
            case dns.tsig.PeerBadSignature() | dns.tsig.BadSignature():
                return f"has another secret for the key {self._key.name}"
            case dns.tsig.PeerBadTime() | dns.tsig.BadTime():
                return "has another time than this host, by more than five minutes"
            case _:
                return nameserver.silence(error)


def _usual(name: dns.name.Name) -> dns.name.Name:
    """Return the reverse zone that people make for an address: of the /24, or of the /64."""
    return name.split(_OF_64)[1] if name.is_subdomain(_IP6) else name.parent()


def _message(change: registration.Change, name: dns.name.Name, zone: dns.name.Name) -> dns.update.UpdateMessage:
    message = dns.update.UpdateMessage(zone)
    if change.absent:
        message.absent(name)
    for kind in change.lacking:
        message.absent(name, kind.value)
    for datum in change.present:
        message.present(name, datum.kind.value, datum.text)
    for kind in change.clear:
        message.delete(name, kind.value)
    for datum in change.drop:
        message.delete(name, datum.kind.value, datum.text)
    for datum in change.add:
        message.add(name, registration.TTL, datum.kind.value, datum.text)
    return message
