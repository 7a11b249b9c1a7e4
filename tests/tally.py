"""What the suites counted: a table at the end of a run, which the README quotes."""

import collections
import enum
from collections.abc import Callable, Iterable

import pytest
from rich import console, table

PROPERTY = "tally"


class Promise(enum.StrEnum):
    """What is promised, in the words of the table."""

    STARTS = "starts with the address of their own name"
    FAULTS = "faults after which nothing is left and every later start is right"
    REQUESTS = "hostile requests answered with a sentence and no change"
    ENDPOINTS = "endpoints made and deleted by protocol alone"
    DEADLINES = "calls answered in time while DNS, the engine, a command or the disk hangs"


class Tally:
    """The counts of one test; they travel with its report, from another process too."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def add(self, promise: Promise, *, kept: int, of: int) -> None:
        """Add what was tried, and how often the promise was kept; a test that fails afterwards still counts."""
        self._record(PROPERTY, [promise.value, kept, of])


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Give the counts of this test."""
    return Tally(record_property)


def totals(reports: Iterable[pytest.TestReport]) -> dict[str, tuple[int, int]]:
    """Return kept and tried by promise, over the reports of a run."""
    counts: dict[str, list[int]] = collections.defaultdict(lambda: [0, 0])
    for report in reports:
        for name, value in report.user_properties:
            if name == PROPERTY and report.when == "call" and isinstance(value, list):
                promise, kept, of = value
                counts[promise][0] += kept
                counts[promise][1] += of
    return {promise: (kept, of) for promise, (kept, of) in counts.items()}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table, where a suite of this run counted anything."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    found = totals(reports)
    if not found:
        return
    shown = table.Table("promise", "kept", "of", title="What was promised, and kept", title_justify="left")
    for column in shown.columns[1:]:
        column.justify = "right"
    for promise in Promise:
        if promise.value in found:
            kept, of = found[promise.value]
            shown.add_row(promise.value, f"{kept:,}", f"{of:,}")
    terminalreporter.ensure_newline()
    console.Console(width=100).print(shown)
