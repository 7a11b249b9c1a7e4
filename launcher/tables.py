"""Tables and columns of facts: they fit a terminal, and whoever reads a pipe gets whole lines, uncoloured."""

import typing
from collections.abc import Sequence

if typing.TYPE_CHECKING:
    import rich.table
    import rich.text

DASH = "-"
_UNBOUNDED = 10_000  # columns, where no terminal says how many there are


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows under a header; on a terminal that is too narrow, cells go on in the next line."""
    import rich.table

    shown = rich.table.Table(box=None, padding=(0, 3, 0, 0), pad_edge=False, header_style="")
    for title in header:
        shown.add_column(title, overflow="fold")
    for row in rows:
        shown.add_row(*(_plain(cell) for cell in row))
    return _written(shown)


def facts(rows: Sequence[tuple[str, str]]) -> str:
    """Write one fact a line: what it is of, and the fact; a dash where there is none."""
    import rich.table

    shown = rich.table.Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, fact in rows:
        shown.add_row(_plain(name), _plain(fact or DASH))
    return _written(shown)


def _plain(text: str) -> "rich.text.Text":
    """Take a text as it is: brackets are no markup."""
    import rich.text

    return rich.text.Text(text)


def _written(shown: "rich.table.Table") -> str:
    import rich.console

    console = rich.console.Console()
    if not console.is_terminal:
        console.width = _UNBOUNDED
    with console.capture() as captured:
        console.print(shown)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
