"""In which order machines start, and that they do."""

import itertools
import threading

import hypothesis
import hypothesis.strategies as st
import pytest

from launcher import model, parallel, specification, turns


def _specs(**machines: specification.Spec) -> dict[str, specification.Spec]:
    return machines


def _spec(*after: str, priority: int = 0, delay: float = 0.0) -> specification.Spec:
    return specification.Spec(image="i", network="n", after=after, priority=priority, delay=delay)


def test_those_that_are_needed_come_with_those_that_need_them() -> None:
    specs = _specs(web=_spec("app"), app=_spec("db", "cache"), db=_spec(), cache=_spec("db"), other=_spec())
    assert turns.needed(("web", "unknown"), specs) == ("web", "unknown", "app", "db", "cache")


def test_a_circle_is_refused_and_shown() -> None:
    specs = _specs(a=_spec("b"), b=_spec("c"), c=_spec("a"), d=_spec("a"), e=_spec())
    with pytest.raises(model.Cannot, match=r"cannot order the machines: (\w) after \w after \w after \1$") as caught:
        turns.needed(("d",), specs)
    circle = str(caught.value).removeprefix("cannot order the machines: ").split(" after ")
    assert all(later in specs[earlier].after for earlier, later in itertools.pairwise(circle))
    assert turns.needed(("e",), specs) == ("e",)


def test_the_highest_priority_goes_first_and_takes_those_with_it_that_it_needs() -> None:
    order = turns.decide("abc", _specs(a=_spec("c", priority=5), b=_spec(priority=1), c=_spec()))
    assert order["c"] == turns.Turn()
    assert order["a"] == turns.Turn(after=frozenset("c"))
    assert order["b"] == turns.Turn(behind=frozenset("ac"))


def test_who_is_not_in_it_is_not_waited_for() -> None:
    assert turns.decide(("a", "x"), _specs(a=_spec("b"), b=_spec())) == {"a": turns.Turn(), "x": turns.Turn()}


_NAMES = [f"n{number}" for number in range(6)]


@hypothesis.given(
    edges=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)).filter(lambda edge: edge[0] > edge[1])),
    priorities=st.lists(st.integers(-2, 2), min_size=6, max_size=6),
    failing=st.sets(st.sampled_from(_NAMES)),
)
@hypothesis.settings(max_examples=60, deadline=None)
def test_everybody_has_a_turn_after_those_it_needs(
    edges: set[tuple[int, int]], priorities: list[int], failing: set[str]
) -> None:
    specs = {
        name: _spec(*(_NAMES[low] for high, low in edges if high == number), priority=priorities[number])
        for number, name in enumerate(_NAMES)
    }
    ended: list[str] = []

    def act(name: str) -> model.Result:
        assert set(specs[name].after) <= set(ended) - failing
        ended.append(name)
        if name in failing:
            raise model.Cannot(f"cannot start {name}")
        return model.Result(name=name, done="created")

    results = _each(turns.decide(_NAMES, specs), act)
    assert [result.name for result in results] == _NAMES
    held = {result.name for result in results if result.name not in ended}
    bad = held | failing
    assert held == {name for name in _NAMES if set(specs[name].after) & bad}
    assert all(result.refused for result in results if result.name in bad)


def _each(
    order: dict[str, turns.Turn] | object, act: parallel.Act, rested: list[tuple[str, float]] | None = None
) -> tuple[model.Result, ...]:
    assert isinstance(order, dict)
    rests = [] if rested is None else rested
    return parallel.each(
        order, act, rest=lambda name, seconds: rests.append((name, seconds)), interrupted=threading.Event()
    )


def test_a_failure_holds_those_that_come_after_it_and_no_others() -> None:
    specs = _specs(db=_spec(), app=_spec("db"), web=_spec("app"), low=_spec(priority=-1))

    def act(name: str) -> model.Result:
        if name == "db":
            raise model.Cannot("cannot start db: it is broken")
        return model.Result(name=name, done="created")

    db, app, web, low = _each(turns.decide(specs, specs), act)
    assert str(db.refused) == "cannot start db: it is broken"
    assert str(app.refused) == "cannot start app: it comes after db, which failed"
    assert app.refused is not None
    assert app.refused.hint == "mend db, then: fhv start app"
    assert str(web.refused) == "cannot start web: it comes after app, which failed"
    assert low.done == "created"


def test_the_delay_passes_where_somebody_waits_and_something_was_done() -> None:
    specs = _specs(db=_spec(delay=3.0), up=_spec(delay=4.0), app=_spec("db", "up", delay=5.0))
    rested: list[tuple[str, float]] = []
    _each(
        turns.decide(specs, specs),
        lambda name: model.Result(name=name, done="up already" if name == "up" else "created"),
        rested,
    )
    assert rested == [("db", 3.0)]


def test_what_is_interrupted_ends_without_beginning_more() -> None:
    specs = _specs(db=_spec(), app=_spec("db"))
    interrupted, begun = threading.Event(), list[str]()

    def act(name: str) -> model.Result:
        begun.append(name)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parallel.each(turns.decide(specs, specs), act, rest=lambda name, seconds: None, interrupted=interrupted)
    assert interrupted.is_set()
    assert begun == ["db"]
