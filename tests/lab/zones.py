"""Zones for the name server: the seed's own example, and how to spoil it."""

import dataclasses

_HEADER = """\
$TTL 60
@ IN SOA host.local. hostmaster.local. {serial} 3600 600 86400 60
@ IN NS host.local.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """A zone by its origin, without the last dot, and its records as (owner, "TYPE data"), in order."""

    origin: str
    records: tuple[tuple[str, str], ...]

    def replacing(self, owner: str, *data: str) -> "Zone":
        """Return the zone with `data` as all the records of `owner`; none at all takes the name away."""
        others = tuple(record for record in self.records if record[0] != owner)
        return Zone(self.origin, others + tuple((owner, text) for text in data))

    def text(self, serial: int) -> str:
        """Return the zone file."""
        lines = (f"{owner} IN {data}\n" for owner, data in self.records)
        return _HEADER.format(serial=serial) + "".join(lines)


LOCAL = Zone(
    "local",
    (
        ("host", "A 172.31.0.1"),
        ("database", "A 172.31.0.2"),
        ("webserver", "A 172.31.0.3"),
        ("monitor", "A 172.31.0.4"),
        ("influxdb", "A 172.31.0.4"),
        ("grafana", "A 172.31.0.4"),
        ("docs", "A 172.31.0.5"),
        ("ubuntu", "A 172.31.0.6"),
        ("tester", "A 172.31.0.7"),
        ("workers", "A 172.31.0.8"),
        ("services", "A 172.31.0.9"),
        ("build", "A 172.31.0.10"),
        ("keyserver", "A 172.31.0.10"),
        ("repository", "A 172.31.0.10"),
    ),
)
REVERSE = Zone(
    "0.31.172.in-addr.arpa",
    (
        ("1", "PTR host.local."),
        ("2", "PTR database.local."),
        ("3", "PTR webserver.local."),
        ("4", "PTR monitor.local."),
        ("5", "PTR docs.local."),
        ("6", "PTR ubuntu.local."),
        ("7", "PTR tester.local."),
        ("8", "PTR workers.local."),
        ("9", "PTR services.local."),
        ("10", "PTR build.local."),
    ),
)
SEED = (LOCAL, REVERSE)
