"""Names of the zone as the driver lists them: their addresses, what the pointers say, and whose they are."""

import dataclasses

from launcher import model


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pointed:
    """An address, and the name of the domain that its PTR record gives; None where there is no such."""

    address: str
    pointer: str | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A name; a driver has registered it, `here` that of this host, or a person wrote it (`registered_by` is None)."""

    name: str
    addresses: tuple[Pointed, ...]
    registered_by: str | None
    here: bool

    @property
    def whose(self) -> str:
        """Whose it is, in a word or two."""
        if self.registered_by is None:
            return "zone"
        return "fullhost" if self.here else f"fullhost on {self.registered_by}"

    def pointing(self, at: Pointed) -> str:
        """Tell what the pointer of an address says: yes, the name; no, nothing; else whom it names instead."""
        return "yes" if at.pointer == self.name else at.pointer or "no"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What was removed of a name, and what is left of it, in sentences."""

    addresses: tuple[str, ...]
    left: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Updates:
    """Whether names that the zone lacks are registered, and what stands against it, zone by zone."""

    wished: bool
    refused: tuple[model.Cannot, ...]
