"""What the suites counted: a table at the end of a run, which the README quotes."""

import collections
import enum
from collections.abc import Callable, Iterable

import pytest
from rich import console, table

PROPERTY = "tally"
_MATRIX = "matrix"


class Promise(enum.StrEnum):
    """What is promised, in the words of the table."""

    STARTS = "starts with the address of their own name"
    FAULTS = "faults after which nothing is left and every later start is right"
    REQUESTS = "hostile requests answered with a sentence and no change"
    ENDPOINTS = "endpoints made and deleted by protocol alone"
    INITS = "machines booted, ended by their own init and booted again, of eight kinds of init"
    REGISTRATIONS = "names registered at once by two engines that share a name server, each with an address of its own"
    DEADLINES = "calls answered in time while DNS, the engine, a command or the disk hangs"


class Tally:
    """The counts of one test; they travel with its report, from another process too."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def add(self, promise: Promise, *, kept: int, of: int) -> None:
        """Add what was tried, and how often the promise was kept; a test that fails afterwards still counts."""
        self._record(PROPERTY, [promise.value, kept, of])

    def cell(self, *, row: str, column: str, text: str) -> None:
        """Write into the matrix of inits: how it went with one on one engine."""
        self._record(_MATRIX, [row, column, text])


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


def matrix(reports: Iterable[pytest.TestReport]) -> dict[str, dict[str, str]]:
    """Return the cells by row and column, over the reports of a run."""
    rows: dict[str, dict[str, str]] = collections.defaultdict(dict)
    for report in reports:
        for name, value in report.user_properties:
            if name == _MATRIX and report.when == "call" and isinstance(value, list):
                row, column, text = value
                rows[row][column] = text
    return rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables, where a suite of this run counted anything."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    terminalreporter.ensure_newline()
    for shown in filter(None, (_kept(totals(reports)), _inits(matrix(reports)))):
        console.Console(width=120).print(shown)


def _kept(found: dict[str, tuple[int, int]]) -> table.Table | None:
    shown = table.Table("promise", "kept", "of", title="What was promised, and kept", title_justify="left")
    for column in shown.columns[1:]:
        column.justify = "right"
    for promise in Promise:
        if promise.value in found:
            kept, of = found[promise.value]
            shown.add_row(promise.value, f"{kept:,}", f"{of:,}")
    return shown if found else None


def _inits(rows: dict[str, dict[str, str]]) -> table.Table | None:
    columns = sorted({column for cells in rows.values() for column in cells})
    title = "How each init ended its machine: exit code, time, capabilities added"
    shown = table.Table("init", *columns, title=title, title_justify="left")
    for row, cells in sorted(rows.items()):
        shown.add_row(row, *[cells.get(column, "") for column in columns])
    return shown if rows else None
