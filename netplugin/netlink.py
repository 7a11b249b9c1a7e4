"""The one door to the netlink library (pyroute2), through which links are made and changed.

It is loaded when something is to be made: it is a quarter of the driver's memory, and what is only looked at, every
five seconds, does without (netplugin.dump, netplugin.rtnetlink).
"""

import contextlib
import typing
from collections.abc import Iterator

if typing.TYPE_CHECKING:
    import pyroute2

Library: typing.TypeAlias = "pyroute2.IPRoute"


@contextlib.contextmanager
def opened() -> Iterator[Library]:
    """Open the library in the driver's network namespace; what the kernel refuses inside is OSError."""
    import pyroute2

    with refusals(), pyroute2.IPRoute() as library:
        yield library


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Have what the kernel refuses the library be OSError, with its number."""
    from pyroute2.netlink import exceptions

    try:
        yield
    except exceptions.NetlinkError as error:
        raise OSError(error.code, str(error)) from error
