"""What the suites counted: a table at the end of a run, which the README quotes."""

import collections
import enum
from collections.abc import Callable, Iterable

import pytest
from rich import console, table

PROPERTY = "tally"
_MATRIX = "matrix"


class Matrix(enum.StrEnum):
    """A table of what was tried with what, by its title."""

    INITS = "How each init ended its machine: exit code, time, capabilities added"
    FIREWALLS = "Beside other firewalls: kept, and of how many engines"


class Promise(enum.StrEnum):
    """What is promised, in the words of the table."""

    STARTS = "starts with the address of their own name"
    FAULTS = "faults after which nothing is left and every later start is right"
    REQUESTS = "hostile requests answered with a sentence and no change"
    ENDPOINTS = "endpoints made and deleted by protocol alone"
    INITS = "machines booted, ended by their own init and booted again, of eight kinds of init"
    REGISTRATIONS = "names registered at once by two engines that share a name server, each with an address of its own"
    SPOOFS = "frames with which a machine is another, stopped"
    DEADLINES = "calls answered in time while DNS, the engine, a command or the disk hangs"


class Tally:
    """The counts of one test; they travel with its report, from another process too."""

    def __init__(self, record: Callable[[str, object], None]) -> None:
        self._record = record

    def add(self, promise: Promise, *, kept: int, of: int) -> None:
        """Add what was tried, and how often the promise was kept; a test that fails afterwards still counts."""
        self._record(PROPERTY, [promise.value, kept, of])

    def cell(self, *, row: str, column: str, text: str, of: Matrix = Matrix.INITS) -> None:
        """Write into a matrix: how it went with one on one engine."""
        self._record(_MATRIX, [of.value, row, column, text])

    def pair(self, *, row: str, column: str, kept: bool) -> None:
        """Count in the matrix of firewalls."""
        self.cell(row=row, column=column, text="1" if kept else "0", of=Matrix.FIREWALLS)


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


def matrix(reports: Iterable[pytest.TestReport], of: Matrix) -> dict[str, dict[str, list[str]]]:
    """Return what was written into the cells of a matrix, by row and column, over the reports of a run."""
    rows: dict[str, dict[str, list[str]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for report in reports:
        for name, value in report.user_properties:
            if name == _MATRIX and report.when == "call" and isinstance(value, list):
                title, row, column, text = value
                if title == of:
                    rows[row][column].append(text)
    return rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables, where a suite of this run counted anything."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    terminalreporter.ensure_newline()
    for shown in filter(None, (_kept(totals(reports)), *(_matrix(reports, of) for of in Matrix))):
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


def _matrix(reports: Iterable[pytest.TestReport], of: Matrix) -> table.Table | None:
    rows = matrix(reports, of)
    columns = sorted({column for cells in rows.values() for column in cells})
    shown = table.Table("", *columns, title=of, title_justify="left")
    for row, cells in sorted(rows.items()):
        shown.add_row(row, *[_cell(cells[column], of) for column in columns])
    return shown if rows else None


def _cell(texts: list[str], of: Matrix) -> str:
    """Return what a cell shows: of firewalls how many of the engines kept it, of inits how it went last."""
    if of is Matrix.FIREWALLS and texts:
        return f"{texts.count('1')} of {len(texts)}"
    return texts[-1] if texts else ""
