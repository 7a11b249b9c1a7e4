"""How long a call may take: one budget for all that it does, made at the edge and spent at the leaves.

The engine waits for its driver without end (pkg/plugins of moby), so the driver has to. Timeouts of single steps would
add up; a budget does not: 2.7 s to do what is asked, 1.2 s to undo what failed, and at 4.5 s the asker has an answer
even where a step cannot be interrupted, such as a write to a disk that hangs.

One kind of call has more, once: a start that asks a DHCP server has 5 s for that. dnsmasq, of all servers the one that
most people have, looks for 3 s whether anybody has an address before it offers it for the first time (PING_WAIT), and a
start that is refused so that the next one works is nothing that anybody expects.
"""

import concurrent.futures
import contextlib
import contextvars
import dataclasses
import time
import typing
from collections.abc import Callable, Iterator

from netplugin import model

WORK_SECONDS, UNDO_SECONDS, ANSWER_SECONDS = 2.7, 1.2, 4.5
LEASE_SECONDS = 5.0
_MOST_CALLS = 256  # at once; those of a disk that hangs stay for as long as it does

P = typing.ParamSpec("P")
A = typing.TypeVar("A")
T = typing.TypeVar("T")


@dataclasses.dataclass(slots=True)
class _Budget:
    """How long something may take that has begun: `seconds` in all, until `end`."""

    seconds: float
    end: float = 0
    lengthened: bool = False

    def __post_init__(self) -> None:
        self.end = time.monotonic() + self.seconds

    @property
    def answer(self) -> float:
        """When the asker has an answer at the latest."""
        return self.end + ANSWER_SECONDS - WORK_SECONDS


_budget: contextvars.ContextVar[_Budget | None] = contextvars.ContextVar("_budget", default=None)


def left(what: str, *, at_most: float) -> float:
    """Return how many seconds a step may take: what is left of the call's budget, and never more than `at_most`.

    Outside of a call, in the keeper, there is no budget. Where nothing is left, the step is refused.
    """
    budget = _budget.get()
    if budget is None:
        return at_most
    if (seconds := budget.end - time.monotonic()) <= 0:
        raise model.Cannot(
            what,
            why=f"the {budget.seconds:g} s of the call are over, and what was waited for did not answer",
            hint="see the driver's log and fhv status, and try again",
            reason=model.Reason.UNAVAILABLE,
        )
    return min(seconds, at_most)


def bounded() -> bool:
    """Tell whether a call waits: what takes seconds is the keeper's then."""
    return _budget.get() is not None


def lengthen() -> None:
    """Give the call LEASE_SECONDS more, once: it is one that waits for a DHCP server."""
    budget = _budget.get()
    if budget is not None and not budget.lengthened:
        budget.end, budget.seconds, budget.lengthened = budget.end + LEASE_SECONDS, budget.seconds + LEASE_SECONDS, True


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give what is done inside a budget of its own, in this thread."""
    with _spending(_Budget(seconds)):
        yield


def undo(act: Callable[P, object], *arguments: P.args, **named: P.kwargs) -> None:
    """Undo something within a budget of its own: the one of the work may be what has failed."""
    if _budget.get() is None:
        act(*arguments, **named)
        return
    with within(UNDO_SECONDS):
        act(*arguments, **named)


class Overseer:
    """Has calls done by threads of its own, and answers in time for one that hangs beyond its budget."""

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(_MOST_CALLS, thread_name_prefix="call")

    def bounded(self, call: Callable[[A], T]) -> Callable[[A], T]:
        """Return the call within ANSWER_SECONDS, or LEASE_SECONDS more; what was not begun by then never is."""

        def overseen(asked: A) -> T:
            budget = _Budget(WORK_SECONDS)
            future = self._threads.submit(_budgeted, call, asked, budget)
            while (seconds := budget.answer - time.monotonic()) > 0:  # which may have been lengthened meanwhile
                try:
                    return future.result(seconds)
                except TimeoutError:
                    if future.done():  # it is the call's own
                        return future.result()
            future.cancel()
            raise model.Cannot(
                "serve the call",
                why=f"it hangs for {budget.seconds + ANSWER_SECONDS - WORK_SECONDS:g} s",
                hint="see that the disk of the driver's state can be written, and try again",
                reason=model.Reason.UNAVAILABLE,
            )

        return overseen


def _budgeted(call: Callable[[A], T], asked: A, budget: _Budget) -> T:
    with _spending(budget):
        return call(asked)


@contextlib.contextmanager
def _spending(budget: _Budget) -> Iterator[None]:
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)
