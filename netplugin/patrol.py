"""Passes that are made again and again, each kind in a thread of its own, whatever becomes of one of them."""

import logging
import threading
import time
import typing
from collections.abc import Callable

from netplugin import model

_log = logging.getLogger("fullhost")
_turn = threading.Lock()


def for_ever(look: Callable[[], None], *, seconds: float, name: str, count: Callable[[str], None]) -> typing.NoReturn:
    """Make a pass every so many seconds, for ever; one that fails is told under the name, and counted.

    Nobody else would hear of it, and the next pass may go well.
    """
    while True:
        time.sleep(seconds)
        try:
            look()
        except model.Cannot as error:
            count(f"{name}.pass.failed")
            _log.error("%s: %s", name, error)
        except Exception:
            count(f"{name}.pass.failed")
            _log.exception("%s: the pass failed", name)


def in_turn(look: Callable[[], None], *, seconds: float) -> None:
    """Make a pass that holds much, after another such one: of a thousand machines each has 2 MB, and now the same ones.

    It waits no longer than its interval: what another one waits for may hang.
    """
    mine = _turn.acquire(timeout=seconds)
    try:
        look()
    finally:
        if mine:
            _turn.release()
