"""What ssh reads: host keys that were seen, the configuration that rests on them, and the keys that may log in."""

import contextlib
import dataclasses
import ipaddress
import re
from collections.abc import Iterable

from launcher import model, pairs

CONFIG = "fhv_config"
KNOWN_HOSTS = "fhv_known_hosts"
IDENTITY = "id_fhv"
HOST_KEYS = tuple(f"/etc/ssh/ssh_host_{kind}_key.pub" for kind in ("ed25519", "ecdsa", "rsa"))

# What a machine hands out is not trusted: a line of its own making could otherwise speak for every host (`* ssh-rsa`).
_KEY = re.compile(r"(?:[a-z0-9@.,=\"-]+ )?((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+) ([A-Za-z0-9+/]+=*)(?: .*)?")
_HEADER = "# Made by fhv whenever it has brought a machine up; what is changed here is lost.\n"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Guest:
    """A machine as ssh knows it: full names, the machine's own first, its address, and its host keys as "TYPE KEY"."""

    names: tuple[str, ...]
    address: pairs.Address
    keys: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A user of a machine, as its /etc/passwd has it."""

    uid: int
    gid: int
    home: str


def guest(machine: model.Machine, public: Iterable[str]) -> Guest | None:
    """Make a guest of a machine and the public parts of its host keys; without any of them it has no ssh server."""
    found = tuple(key for text in public if (key := public_key(text)))
    address = next(iter(machine.addresses), None)
    if address is None or not found:
        return None
    names = tuple(f"{name}.{machine.domain}" for name in (machine.name, *machine.aliases))
    return Guest(names=names, address=address, keys=found)


def public_key(line: str) -> str:
    """Give type and key of a line of a public key file, without its comment; nothing where it is none."""
    match = _KEY.fullmatch(line.strip())
    return f"{match[1]} {match[2]}" if match else ""


def given(text: str, *, file: str) -> tuple[str, ...]:
    """Read the keys of a file that a person names."""
    if "PRIVATE KEY" in text:
        raise model.Cannot(f"cannot use {file} as a public key: it holds a private one", hint=f"give {file}.pub")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = tuple(filter(None, map(public_key, lines)))
    if not found or len(found) < len(lines):
        raise model.Cannot(
            f"cannot use {file} as a public key: it is not in the form of OpenSSH", hint="give one like ~/.ssh/id.pub"
        )
    return found


def known(text: str) -> tuple[Guest, ...]:
    """Read the file of host keys back; each line ends with the machine's address."""
    guests: dict[tuple[str, ...], Guest] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) != 4 or line.startswith("#"):
            continue
        names = tuple(words[0].split(","))
        before = guests[names].keys if names in guests else ()
        with contextlib.suppress(ValueError):  # whatever it is, fhv did not write it
            address = ipaddress.ip_address(words[3])
            guests[names] = Guest(names=names, address=address, keys=(*before, f"{words[1]} {words[2]}"))
    return tuple(guests.values())


def learned(guests: Iterable[Guest], new: Guest) -> tuple[Guest, ...]:
    """Put a guest in the place of whoever had its names or its address before."""
    others = []
    for old in guests:
        left = tuple(name for name in old.names if name not in new.names)
        if left[:1] == old.names[:1] and old.address != new.address:
            others.append(dataclasses.replace(old, names=left))
    return tuple(sorted((*others, new), key=lambda one: one.names))


def known_hosts(guests: Iterable[Guest]) -> str:
    """Write the file of host keys, in the form of sshd(8)."""
    lines = (f"{','.join(one.names)} {key} {one.address}\n" for one in guests for key in one.keys)
    return _HEADER + "".join(lines)


def config(guests: Iterable[Guest], *, folder: str) -> str:
    """Write the file that ssh_config includes: each machine's address and keys, and what holds for all of them."""
    there = tuple(guests)
    sections = [
        f"Host {' '.join(one.names)}\n    HostName {one.address}\n    HostKeyAlias {one.names[0]}\n" for one in there
    ]
    common = (
        "User root",
        f'IdentityFile "{folder}/{IDENTITY}"',
        "IdentitiesOnly yes",
        f'UserKnownHostsFile "{folder}/{KNOWN_HOSTS}"',
        "GlobalKnownHostsFile /dev/null",
        "StrictHostKeyChecking yes",
        "UpdateHostKeys no",
        "CheckHostIP no",
        "ControlMaster auto",
        f'ControlPath "{folder}/fhv-%C"',
        "ControlPersist 60",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 3",
        "ConnectTimeout 10",
    )
    if there:
        sections.append("".join([f"Host {_patterns(there)}\n", *(f"    {line}\n" for line in common)]))
    return "\n".join([_HEADER, *sections])


def _patterns(guests: tuple[Guest, ...]) -> str:
    """Say for whom it holds: all of a domain, but of `local` the machines alone, since mDNS has names there too.

    RFC 6762, section 3: a printer that is called so is to be reached as before.
    """
    patterns: list[str] = []
    for one in guests:
        domain = one.names[0].partition(".")[2]
        patterns += one.names if domain == "local" else [f"*.{domain}"]
    return " ".join(dict.fromkeys(patterns))


def includes(text: str) -> bool:
    """Tell whether a configuration reads what fhv wrote."""
    return any(line.split()[:1] == ["Include"] and CONFIG in line for line in text.splitlines())


def including(text: str, *, folder: str) -> str | None:
    """Put the include before all sections of a configuration; None where it is there, or was commented out."""
    if CONFIG in text:
        return None
    why = "# Machines of fullhost. Comment it out to be without; fhv does not put it in again then."
    return f'{why}\nInclude "{folder}/{CONFIG}"\n\n{text}'


def authorized(text: str, keys: Iterable[str]) -> str | None:
    """Add those keys that may not log in yet; None where all may. What else is there stays as it is."""
    there = set(text.split())
    missing = [key for key in dict.fromkeys(keys) if key.split()[1] not in there]
    if not missing:
        return None
    begin = text if not text or text.endswith("\n") else f"{text}\n"
    return begin + "".join(f"{key} fhv\n" for key in missing)


def account(passwd: str, user: str, *, machine: str) -> Account:
    """Find a user in the text of /etc/passwd, which is passwd(5)'s."""
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == 7 and fields[0] == user and fields[5].startswith("/"):
            return Account(uid=int(fields[2]), gid=int(fields[3]), home=fields[5])
    raise model.Cannot(
        f"cannot log in to {machine} as {user}: it has no such user", hint=f"fhv shell {machine} adduser {user}"
    )
