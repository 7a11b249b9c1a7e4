"""How long a call may take: one budget for all that it does, made at the edge and spent at the leaves.

The engine waits for its driver without end (pkg/plugins of moby), so the driver has to. Timeouts of single steps would
add up; a budget does not: 2.7 s to do what is asked, 1.2 s to undo what failed, and at 4.5 s the asker has an answer
even where a step cannot be interrupted, such as a write to a disk that hangs.
"""

import concurrent.futures
import contextlib
import contextvars
import time
import typing
from collections.abc import Callable, Iterator

from netplugin import model

WORK_SECONDS, UNDO_SECONDS, ANSWER_SECONDS = 2.7, 1.2, 4.5
_MOST_CALLS = 256  # at once; those of a disk that hangs stay for as long as it does

P = typing.ParamSpec("P")
A = typing.TypeVar("A")
T = typing.TypeVar("T")

_end: contextvars.ContextVar[float | None] = contextvars.ContextVar("_end", default=None)


def left(what: str, *, at_most: float) -> float:
    """Return how many seconds a step may take: what is left of the call's budget, and never more than `at_most`.

    Outside of a call, in the keeper, there is no budget. Where nothing is left, the step is refused.
    """
    end = _end.get()
    if end is None:
        return at_most
    if (seconds := end - time.monotonic()) <= 0:
        raise model.Cannot(
            what,
            why=f"the {WORK_SECONDS:g} s of the call are over, and what was waited for did not answer",
            hint="see the driver's log and fhv status, and try again",
            reason=model.Reason.UNAVAILABLE,
        )
    return min(seconds, at_most)


def bounded() -> bool:
    """Tell whether a call waits: what takes seconds is the keeper's then."""
    return _end.get() is not None


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what is done inside a budget of its own, in this thread."""
    token = _end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _end.reset(token)


def undo(act: Callable[P, None], *arguments: P.args, **named: P.kwargs) -> None:
    """Undo something within a budget of its own: the one of the work may be what has failed."""
    if _end.get() is None:
        act(*arguments, **named)
        return
    with within(UNDO_SECONDS):
        act(*arguments, **named)


class Overseer:
    """Has calls done by threads of its own, and answers in time for one that hangs beyond its budget."""

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="call")

    def bounded(self, call: Callable[[A], T]) -> Callable[[A], T]:
        """Return the call within ANSWER_SECONDS; what was not begun by then never is."""

        def overseen(asked: A) -> T:
            future = self._threads.submit(_budgeted, call, asked)
            done, _ = concurrent.futures.wait([future], ANSWER_SECONDS)
            if done:
                return future.result()
            future.cancel()
            raise model.Cannot(
                "serve the call",
                why=f"it hangs for {ANSWER_SECONDS:g} s",
                hint="see that the disk of the driver's state can be written, and try again",
                reason=model.Reason.UNAVAILABLE,
            )

        return overseen


def _budgeted(call: Callable[[A], T], asked: A) -> T:
    with within(WORK_SECONDS):
        return call(asked)
