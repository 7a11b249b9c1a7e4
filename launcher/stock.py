"""The images that machines are made of, and those that are kept of machines."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """What machines start from; `size` in bytes, `created` in RFC 3339, `machines` are those made of it."""

    name: str
    init: str
    size: int
    created: str
    machines: tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The file system of a machine as it was; `image` is what that was made of, `size` that of its own layer, octets.

    `created` is ISO 8601. It holds no volumes, no memory, and nothing of a tmpfs.
    """

    machine: str
    tag: str
    created: str
    size: int
    image: str
    reference: str
