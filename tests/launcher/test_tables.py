"""Tables: whole lines for a pipe, folded cells for a narrow terminal, and nothing read as markup."""

import pytest

from launcher import tables

_LONG = "fullhost/debian:bookworm-with-a-long-tag"


def test_a_pipe_gets_whole_lines() -> None:
    assert tables.table(("NAME", "IMAGE"), [("web", _LONG * 9)]).splitlines() == ["NAME   IMAGE", f"web    {_LONG * 9}"]


def test_a_narrow_terminal_gets_all_of_it_in_more_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "30", "LINES": "24", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    lines = tables.table(("NAME", "IMAGE"), [("web", _LONG)]).splitlines()
    assert max(map(len, lines)) <= 30
    assert "".join(line[7:] for line in lines[1:]) == _LONG


def test_brackets_are_no_markup() -> None:
    assert tables.table(("NAME",), [("[bold]web[/bold]",)]).splitlines() == ["NAME", "[bold]web[/bold]"]
    assert tables.facts([("why", "[red]"), ("nothing", "")]).splitlines() == ["why      [red]", "nothing  -"]
