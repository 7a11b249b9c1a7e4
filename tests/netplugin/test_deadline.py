"""The budget of a call: what is left of it, what is undone after it, and an answer whatever hangs."""

import threading
import time

import pytest

from netplugin import deadline, model


def test_outside_of_a_call_a_step_has_its_own_time() -> None:
    assert deadline.left("do it", at_most=2.5) == 2.5


def test_in_a_call_a_step_has_what_is_left_and_then_nothing() -> None:
    with deadline.within(0.1):
        assert 0 < deadline.left("do it", at_most=2.5) <= 0.1
        assert deadline.left("do it", at_most=0.001) == 0.001
        time.sleep(0.11)
        with pytest.raises(model.Cannot, match=r"cannot do it: the 0\.1 s of the call are over") as caught:
            deadline.left("do it", at_most=2.5)
        assert caught.value.reason is model.Reason.UNAVAILABLE
        undone = list[float]()
        deadline.undo(lambda: undone.append(deadline.left("undo it", at_most=9)))
        assert undone[0] > 1
    deadline.undo(lambda: undone.append(deadline.left("undo it", at_most=9)))
    assert undone[1] == 9


def test_each_call_has_a_budget_of_its_own() -> None:
    def ask(most: float) -> float:
        return deadline.left("do it", at_most=most)

    left = deadline.Overseer().bounded(ask)
    assert left(9) <= deadline.WORK_SECONDS
    assert left(1) == 1


def test_who_asks_a_dhcp_server_has_more_time_once() -> None:
    deadline.lengthen()  # outside of a call, where there is nothing to lengthen

    def ask(times: int) -> float:
        for _ in range(times):
            deadline.lengthen()
        return deadline.left("do it", at_most=99)

    left, more = deadline.Overseer().bounded(ask), deadline.WORK_SECONDS + deadline.LEASE_SECONDS
    assert left(0) <= deadline.WORK_SECONDS < left(1) <= more
    assert left(9) <= more


def test_who_asks_a_dhcp_server_is_answered_later() -> None:
    def ask(seconds: float) -> str:
        deadline.lengthen()
        time.sleep(seconds)
        return "leased"

    assert deadline.Overseer().bounded(ask)(deadline.ANSWER_SECONDS + 0.5) == "leased"


def test_what_a_call_raises_is_raised() -> None:
    def fail(_: object) -> None:
        raise model.Cannot("do it", why="no", hint="none")

    with pytest.raises(model.Cannot, match="cannot do it"):
        deadline.Overseer().bounded(fail)(None)


def test_a_timeout_of_the_call_s_own_is_no_hang() -> None:
    def ask(what: str) -> str:
        raise TimeoutError(what)

    began = time.monotonic()
    with pytest.raises(TimeoutError, match="the disk"):
        deadline.Overseer().bounded(ask)("the disk")
    assert time.monotonic() - began < deadline.WORK_SECONDS


def test_a_call_that_hangs_beyond_its_budget_is_answered() -> None:
    hung = threading.Event()
    began = time.monotonic()
    with pytest.raises(model.Cannot, match=r"cannot serve the call: it hangs for 4\.5 s"):
        deadline.Overseer().bounded(hung.wait)(None)
    hung.set()
    assert 4 < time.monotonic() - began < 10
