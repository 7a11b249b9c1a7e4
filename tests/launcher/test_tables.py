"""Tables: whole lines for a pipe, folded cells for a narrow terminal, and nothing read as markup."""

import hypothesis
import hypothesis.strategies as st
from rich import cells

from launcher import tables

_LONG = "fullhost/debian:bookworm-with-a-long-tag"


def test_a_pipe_gets_whole_lines() -> None:
    assert tables.table(("NAME", "IMAGE"), [("web", _LONG * 9)]).splitlines() == ["NAME   IMAGE", f"web    {_LONG * 9}"]
    assert tables.table(("NAME", "IMAGE"), []) == "NAME   IMAGE"
    assert tables.facts([]) == ""


def test_a_narrow_terminal_gets_all_of_it_in_more_lines() -> None:
    lines = tables.table(("NAME", "IMAGE"), [("web", _LONG)], columns=30).splitlines()
    assert max(map(len, lines)) <= 30
    assert "".join(line[7:] for line in lines[1:]) == _LONG
    assert tables.table(("NAME", "WHY"), [("web", "it is not there")], columns=20).splitlines() == [
        "NAME   WHY",
        "web    it is not",
        "       there",
    ]


def test_a_terminal_that_is_narrower_still_gets_a_column_of_facts() -> None:
    header, rows = ("NAME", "ADDRESS", "STATE"), [("web", "172.31.0.2", "up"), ("database", "172.31.0.3", "up")]
    assert tables.table(header, rows, columns=21).splitlines() == [
        "NAME     web",
        "ADDRESS  172.31.0.2",
        "STATE    up",
        "",
        "NAME     database",
        "ADDRESS  172.31.0.3",
        "STATE    up",
    ]
    assert tables.table(header, rows, columns=29).splitlines()[0] == "NAME       ADDRESS      STATE"


def test_brackets_are_no_markup_and_lines_stay_lines() -> None:
    assert tables.table(("NAME",), [("[bold]web[/bold]",)]).splitlines() == ["NAME", "[bold]web[/bold]"]
    assert tables.facts([("why", "[red]"), ("nothing", "")]).splitlines() == ["why      [red]", "nothing  -"]
    assert tables.facts([("why", "one\ntwo")]).splitlines() == ["why  one", "     two"]


def test_letters_that_take_two_columns_do() -> None:
    assert tables.table(("A", "B"), [("\u6a5f\u68b0", "x"), ("e\u0301", "y")]).splitlines() == [
        "A      B",
        "\u6a5f\u68b0   x",
        "e\u0301      y",
    ]


@hypothesis.given(
    rows=st.lists(st.tuples(*[st.text("ab \u6a5f", max_size=40)] * 3), max_size=4), columns=st.integers(40, 120)
)
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(rows: list[tuple[str, str, str]], columns: int) -> None:
    shown = tables.table(("ONE", "TWO", "THREE"), rows, columns=columns)
    assert all(cells.cell_len(line) <= columns for line in shown.splitlines())
    letters = sorted("".join("".join(row) for row in rows).replace(" ", ""))
    assert sorted(letter for letter in shown if letter in "ab\u6a5f") == letters
