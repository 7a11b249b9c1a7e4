"""Passes that go on whatever becomes of one of them."""

import logging

import pytest

from netplugin import model, patrol


class EndError(BaseException):
    """What ends a patrol, as nothing else does."""


def test_a_pass_that_fails_is_counted_and_told_and_the_next_one_is_made(caplog: pytest.LogCaptureFixture) -> None:
    refusal = model.Cannot("see", why="it is dark", hint="make light")
    outcomes, counts = [refusal, RuntimeError("a mistake"), None, EndError()], list[str]()

    def look() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    with caplog.at_level(logging.ERROR), pytest.raises(EndError):
        patrol.for_ever(look, seconds=0, name="night", count=counts.append)
    assert (outcomes, counts) == ([], ["night.pass.failed"] * 2)
    sentence, mistake = caplog.records
    assert sentence.getMessage() == "night: cannot see: it is dark; make light"
    assert (mistake.getMessage(), mistake.exc_info is None) == ("night: the pass failed", False)
