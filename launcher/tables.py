"""Tables and columns of facts: they fit a terminal, and whoever reads a pipe gets whole lines, uncoloured."""

import itertools
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence

DASH = "-"
_UNBOUNDED = 10_000  # columns, where no terminal says how many there are
_GAP = 3
_READABLE = 8  # columns for each cell: with less of them a table is a heap of letters


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, columns: int | None = None) -> str:
    """Write rows under a header, no wider than `columns`, those of the terminal by default.

    Where it is too narrow, cells go on in the next line; where it is narrower still, each row is a column of facts.
    """
    room = (columns or _columns()) - _GAP * (len(header) - 1)
    widths = [max(map(_width, column)) for column in zip(header, *rows, strict=True)]
    if room < min(sum(widths), _READABLE * len(header)):
        return "\n\n".join(facts(list(zip(header, row, strict=True)), columns=columns) for row in rows)
    widths = _fitting(widths, room)
    return "\n".join(line for row in (header, *rows) for line in _row(row, widths, _GAP))


def facts(rows: Sequence[tuple[str, str]], *, columns: int | None = None) -> str:
    """Write one fact a line: what it is of, and the fact; a dash where there is none."""
    of = max((_width(name) for name, _ in rows), default=0)
    room = max(_READABLE, (columns or _columns()) - of - 2)
    return "\n".join(line for name, fact in rows for line in _row((name, fact or DASH), [of, room], 2))


def _columns() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _UNBOUNDED


def _fitting(widths: list[int], room: int) -> list[int]:
    """Give the widths that fit the room together: only the widest become narrower."""
    most = max(widths, default=0)
    while sum(min(width, most) for width in widths) > room and most > 1:
        most -= 1
    return [min(width, most) for width in widths]


def _row(cells: Sequence[str], widths: Sequence[int], gap: int) -> Iterator[str]:
    folded = [tuple(_folded(cell, width)) for cell, width in zip(cells, widths, strict=True)]
    for parts in itertools.zip_longest(*folded, fillvalue=""):
        padded = [part + " " * (width - _width(part) + gap) for part, width in zip(parts, widths, strict=True)]
        yield "".join(padded).rstrip()


def _folded(cell: str, width: int) -> Iterator[str]:
    """Give a cell in pieces that are no wider, broken after a blank where there is one."""
    for line in cell.splitlines() or [""]:
        left = line
        while _width(left) > width:
            end = next(end for end in range(len(left), 0, -1) if end == 1 or _width(left[:end]) <= width)
            blank = left.rfind(" ", 1, end + 1)
            cut = blank if blank > 0 else end
            yield left[:cut]
            left = left[cut:].removeprefix(" ")
        yield left


def _width(text: str) -> int:
    """Tell how many columns a text takes: letters of East Asia take two, and marks above others none (UAX 11)."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
