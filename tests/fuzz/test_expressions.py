"""Comparisons of columns, put together from what is allowed and what is not."""

from __future__ import annotations

import pandas as pd
from hostile import fuzzed, read_or_refused
from hypothesis import given
from hypothesis import strategies as st

from zooactive.catalogue.where import rows_where

FRAME = pd.DataFrame(
    {"m": [1.0, None, 3.0], "n": [1, 2, 3], "kind": ["E", None, "S"], "a b": [True, False, True], "any": [b"x", [1], {}]}
)
PIECES = (
    "m", "n", "kind", "`a b`", "any", "x", "1", "2.5", "1e999", "'E'", '"', "'", "`", "True", "None", "inf", "nan", "[1, 2]",
    " < ", " <= ", " == ", " != ", " in ", " not in ", " and ", " or ", " not ", " & ", " | ", "~", "+", "-", "*", "/", "//",
    "%", "**", "()", "(", ")", "[", "]", "{", "}", ".", ",", "=", ":=", "@", "#", ";", "\\", "\n", "\x00", "é", "𝒢",
    "\ud800", " if ", " else ", "lambda:", "__import__", ".__class__", "9" * 40, "f'{n}'", "await ", "yield ", "*n", " is ",
)  # fmt: skip


@fuzzed(200)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_an_expression_gives_rows_or_a_sentence(expression: str) -> None:
    with read_or_refused():
        assert len(rows_where(FRAME, expression, "t.csv")) == len(FRAME)
