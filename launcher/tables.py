"""Tables and columns of facts: they fit a terminal, and whoever reads a pipe gets whole lines, uncoloured."""

import shutil
import sys
import typing
from collections.abc import Sequence

if typing.TYPE_CHECKING:
    import rich.table
    import rich.text

DASH = "-"
_UNBOUNDED = 10_000  # columns, where no terminal says how many there are
_GAP = 3
_READABLE = 8  # columns for each cell: with less of them a table is a heap of letters


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, columns: int | None = None) -> str:
    """Write rows under a header, no wider than `columns`, those of the terminal by default.

    Where it is too narrow, cells go on in the next line; where it is narrower still, each row is a column of facts.
    """
    import rich.cells
    import rich.table

    room = (columns or _columns()) - _GAP * (len(header) - 1)
    widths = [max(map(rich.cells.cell_len, column)) for column in zip(header, *rows, strict=True)]
    if room < min(sum(widths), _READABLE * len(header)):
        return "\n\n".join(facts(list(zip(header, row, strict=True)), columns=columns) for row in rows)
    shown = rich.table.Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="")
    for title in header:
        shown.add_column(title, overflow="fold")
    for row in rows:
        shown.add_row(*map(_plain, row))
    return _written(shown, columns)


def facts(rows: Sequence[tuple[str, str]], *, columns: int | None = None) -> str:
    """Write one fact a line: what it is of, and the fact; a dash where there is none."""
    import rich.table

    shown = rich.table.Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, fact in rows:
        shown.add_row(_plain(name), _plain(fact or DASH))
    return _written(shown, columns)


def _columns() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNBOUNDED


def _plain(text: str) -> "rich.text.Text":
    """Take a text as it is: brackets are no markup."""
    import rich.text

    return rich.text.Text(text)


def _written(shown: "rich.table.Table", columns: int | None) -> str:
    import rich.console

    console = rich.console.Console(width=columns or _columns())
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
