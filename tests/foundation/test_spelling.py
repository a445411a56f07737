"""Texts of others on terminals, in spreadsheets and as names of files."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.spelling import (
    control_in,
    file_name,
    for_people,
    for_spreadsheet,
    for_terminal,
    from_spreadsheet,
    write_csv,
)

FORMULAS = ("=1+1", "+1", "-1+2", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "'=1", "''=1", "-")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_a_text_and_read_back_as_it_was(text: str) -> None:
    written = for_spreadsheet(text)
    assert written == f"'{text}"
    assert from_spreadsheet(written) == text


@pytest.mark.parametrize("text", ["", "J0123", "'", "'quoted'", "a=b", "587732578312454276", "é", " =1"])
def test_other_texts_stay_as_they_are_both_ways(text: str) -> None:
    assert for_spreadsheet(text) == text == from_spreadsheet(text)


@given(st.text())
def test_every_text_comes_back_from_a_spreadsheet(text: str) -> None:
    written = for_spreadsheet(text)
    assert from_spreadsheet(written) == text
    assert written[:1] not in ("=", "+", "-", "@", "\t", "\r")


def test_numbers_in_a_table_stay_numbers_and_the_table_stays_as_it_was(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"id": ["=a", "b"], "n": [-1.5, 2.0], "=head": ["@x", None], "odd": pd.Series([-1, "-1"], dtype=object)}
    )
    before = table.copy()
    write_csv(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "id,n,'=head,odd\n'=a,-1.5,'@x,-1\nb,2.0,,'-1\n"
    pd.testing.assert_frame_equal(table, before)
    assert for_people(table, only="id")["=head"].tolist()[0] == "@x"


@pytest.mark.parametrize("letter", ["\x1b", "\x00", "\x07", "\x08", "\r", "\x7f", "\x9b", "\u202e", "\u2028", "\ud800"])
def test_control_characters_are_told_to_a_terminal_and_not_sent(letter: str) -> None:
    told = for_terminal(f"a{letter}[31mb")
    assert letter not in told
    assert told == f"a{repr(letter)[1:-1]}[31mb"
    assert letter not in str(CatalogueError(f"the id 'a{letter}b' is unknown"))


def test_lines_and_tabs_reach_the_terminal() -> None:
    assert for_terminal("a\n\tb") == "a\n\tb"


@pytest.mark.parametrize("letter", ["\x00", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b", "\u2028", "\t", "\ud800"])
def test_no_id_may_hold_a_control_character(letter: str) -> None:
    assert control_in(f"a{letter}b") == repr(letter)[1:-1]


def test_names_of_files_are_short_plain_and_different_for_each_id() -> None:
    ids = [
        "a",
        "A",
        "x" * 300,
        "x" * 300 + "y",
        "../../etc/passwd",
        "..",
        "-rf",
        "=1",
        "é",
        "é" * 300,
        "a/b",
        "a_b",
        "CON",
        "",
    ]
    taken: set[str] = set()
    names = [file_name(galaxy_id, taken) for galaxy_id in ids]
    assert len({name.casefold() for name in names}) == len(ids)
    assert all(len(name.encode()) <= 120 and "/" not in name and not name.startswith(("-", ".", "+")) for name in names)
    assert file_name("J0123+45.6-7") == "J0123+45.6-7"
