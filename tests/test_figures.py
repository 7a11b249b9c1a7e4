"""The statistics of the benchmarks: medians of pairs, spread, goals."""

import pytest

from tests.bench import figures, report


def figure(goal: figures.Goal | None = None, **changed: tuple[float, ...]) -> figures.Figure:
    samples = {"ours": (1.0, 4.0, 3.0), "theirs": (2.0, 4.0, 1.0)} | changed
    return figures.Figure(what="start", unit="ms", against="bridge", goal=goal, **samples)


def test_the_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() -> None:
    assert figure().ratios == (0.5, 1.0, 3.0)
    assert figure(ours=(1.0, 10.0, 100.0), theirs=(1.0, 1.0, 100.0)).ratio == 1.0


def test_rounds_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        _ = figure(ours=(1.0,)).ratios


def test_nothing_compared_has_no_ratio() -> None:
    assert figure(theirs=()).ratio is None
    assert figure(figures.Goal(bound=1), theirs=()).met is None


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (None, None),
        (figures.Goal(bound=1.0), True),
        (figures.Goal(bound=0.9), False),
        (figures.Goal(bound=0.9, at_least=True), True),
        (figures.Goal(bound=3.0, absolute=True), True),
        (figures.Goal(bound=2.9, absolute=True), False),
    ],
)
def test_a_goal_is_a_bound_on_the_ratio_or_on_our_own_median(goal: figures.Goal | None, met: bool | None) -> None:
    assert figure(goal).met is met


def test_a_percentile_lies_between_samples() -> None:
    assert figures.percentile([3.0, 1.0, 2.0], 50) == 2.0
    assert figures.percentile([1.0, 2.0], 25) == 1.25
    assert figures.percentile([7.0], 99) == 7.0


def test_engines_weigh_the_same_together() -> None:
    assert figures.together([0.5, 2.0]) == pytest.approx(1.0)


def measured(engine: str, ours: float, goal: figures.Goal | None) -> report.Measured:
    one = figure(goal, ours=(ours,), theirs=(1.0,))
    return report.Measured(
        benchmark="start", engine=engine, seconds=1, load=(0, 0), outcome=figures.Outcome(figures=(one,))
    )


def test_the_table_has_a_line_for_all_engines_together_with_a_goal_of_its_own() -> None:
    goal = figures.Goal(bound=1.0, together=0.95)
    lines = list(report.rows([measured("20.10", 1.0, goal), measured("28.5", 0.98, goal)]))
    assert [(line[1], line[-2], line[-1]) for line in lines] == [
        ("20.10", "≤ 1", "yes"),
        ("28.5", "≤ 1", "yes"),
        ("all", "≤ 0.95", "NO"),
    ]
