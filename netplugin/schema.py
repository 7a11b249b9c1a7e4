"""The tables of the state file, and what makes an older file one of this version."""

VERSION = 5
_EXPOSURES = """
CREATE TABLE exposure (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT, endpoint_id TEXT, transport TEXT NOT NULL,
    host TEXT NOT NULL, host_port INTEGER NOT NULL, port INTEGER NOT NULL, PRIMARY KEY (transport, host, host_port)
) STRICT;
"""
_REGISTRATIONS = """
CREATE TABLE registration (
    network_id TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    name TEXT NOT NULL, address TEXT NOT NULL, phase TEXT NOT NULL, created TEXT NOT NULL, container TEXT,
    own INTEGER NOT NULL, PRIMARY KEY (network_id, address)
) STRICT;
CREATE TABLE identity (owner TEXT NOT NULL) STRICT;
"""
_REGISTERED6 = "ALTER TABLE registration ADD COLUMN address6 TEXT"
_IPV6 = "CREATE UNIQUE INDEX endpoint_address6 ON endpoint (network_id, address6)"
_BINDINGS = """
CREATE TABLE binding (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT NOT NULL, mac TEXT NOT NULL,
    server TEXT NOT NULL, obtained TEXT NOT NULL, expires TEXT NOT NULL, container TEXT, PRIMARY KEY (network_id, name)
) STRICT
"""
_TABLES = """
CREATE TABLE network (
    id TEXT PRIMARY KEY, bridge TEXT NOT NULL UNIQUE, bridge_made INTEGER NOT NULL, subnet TEXT NOT NULL,
    gateway TEXT NOT NULL, domain TEXT NOT NULL, dns_address TEXT NOT NULL, dns_port INTEGER NOT NULL,
    snat INTEGER NOT NULL, mtu INTEGER NOT NULL, range TEXT NOT NULL, stale TEXT NOT NULL, created TEXT NOT NULL,
    ipam TEXT NOT NULL, address TEXT, parent TEXT, vlan INTEGER, uplink_made INTEGER NOT NULL, unlisted TEXT NOT NULL,
    subnet6 TEXT, gateway6 TEXT, snat6 INTEGER NOT NULL, antispoof INTEGER NOT NULL, isolate INTEGER NOT NULL
) STRICT;
CREATE TABLE endpoint (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), name TEXT,
    address TEXT, mac TEXT NOT NULL, rung TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    settled INTEGER NOT NULL, sandbox TEXT, left INTEGER NOT NULL, address6 TEXT, antispoof INTEGER NOT NULL,
    UNIQUE (network_id, address)
) STRICT;
CREATE TABLE move (
    container TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), endpoint_id TEXT NOT NULL,
    name TEXT NOT NULL, aliases TEXT NOT NULL, options TEXT NOT NULL, address TEXT
) STRICT;
CREATE TABLE lease (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT, address6 TEXT,
    PRIMARY KEY (network_id, name)
) STRICT;
"""
_ENGINE = "CREATE TABLE engine (version TEXT NOT NULL) STRICT"
SCHEMA = (_TABLES, _EXPOSURES, _REGISTRATIONS, _REGISTERED6, _IPV6, _ENGINE, _BINDINGS)
# An IPv4 address that need not be there: SQLite takes NOT NULL from no column, so both tables are made anew.
_ENDPOINTS_4 = """
CREATE TABLE endpoint_4 (
    id TEXT PRIMARY KEY, network_id TEXT NOT NULL REFERENCES network (id), name TEXT,
    address TEXT, mac TEXT NOT NULL, rung TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL,
    settled INTEGER NOT NULL, sandbox TEXT, left INTEGER NOT NULL, address6 TEXT, antispoof INTEGER NOT NULL,
    UNIQUE (network_id, address)
) STRICT;
INSERT INTO endpoint_4 SELECT id, network_id, name, address, mac, rung, source, created, settled, sandbox, left,
    address6, antispoof FROM endpoint;
DROP TABLE endpoint;
ALTER TABLE endpoint_4 RENAME TO endpoint;
"""
_LEASES_4 = """
CREATE TABLE lease_4 (
    network_id TEXT NOT NULL REFERENCES network (id), name TEXT NOT NULL, address TEXT, address6 TEXT,
    PRIMARY KEY (network_id, name)
) STRICT;
INSERT INTO lease_4 SELECT network_id, name, address, address6 FROM lease;
DROP TABLE lease;
ALTER TABLE lease_4 RENAME TO lease;
"""
# By the version of a file, what makes it one of the next; a column that comes later is the last one here and there.
MIGRATIONS = {
    1: ("ALTER TABLE network ADD COLUMN ipam TEXT NOT NULL DEFAULT 'null'; ALTER TABLE move ADD COLUMN address TEXT",),
    2: (
        (
            "ALTER TABLE network ADD COLUMN address TEXT; UPDATE network SET address = gateway;"
            "ALTER TABLE network ADD COLUMN parent TEXT; ALTER TABLE network ADD COLUMN vlan INTEGER;"
            "ALTER TABLE network ADD COLUMN uplink_made INTEGER NOT NULL DEFAULT 0;"
            "ALTER TABLE network ADD COLUMN unlisted TEXT NOT NULL DEFAULT 'refuse';"
            "ALTER TABLE network ADD COLUMN subnet6 TEXT; ALTER TABLE network ADD COLUMN gateway6 TEXT;"
            "ALTER TABLE network ADD COLUMN snat6 INTEGER NOT NULL DEFAULT 1;"
            "ALTER TABLE endpoint ADD COLUMN address6 TEXT; ALTER TABLE lease ADD COLUMN address6 TEXT;"
            "ALTER TABLE network ADD COLUMN antispoof INTEGER NOT NULL DEFAULT 1;"
            "ALTER TABLE network ADD COLUMN isolate INTEGER NOT NULL DEFAULT 0;"
            "ALTER TABLE endpoint ADD COLUMN antispoof INTEGER NOT NULL DEFAULT 1"
        ),
        _EXPOSURES,
        _REGISTRATIONS,
        _IPV6,
    ),
    3: (_ENDPOINTS_4, _LEASES_4, _IPV6, _REGISTERED6, _ENGINE),
    4: (_BINDINGS,),
}


def statements(version: int) -> list[str]:
    """Return what a file of the version needs to be one of VERSION, in order; version 0 is a new file."""
    scripts = [script for old in range(version, VERSION) for script in MIGRATIONS[old]] if version else SCHEMA
    return [statement for statement in ";".join(scripts).split(";") if statement.strip()]
