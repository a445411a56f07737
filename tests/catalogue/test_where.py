"""Comparisons of columns: the values of `DataFrame.eval` for what is allowed, and a sentence with the place for the rest."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zooactive.catalogue import read_catalogue
from zooactive.catalogue.where import LONGEST, rows_where
from zooactive.foundation.errors import CatalogueError

FRAME = pd.DataFrame(
    {
        "mag_r": [17.0, np.nan, 18.5, 15.25, -3.0],
        "faint": np.array([17.7, 17.1, np.nan, 0.1, 1e30], dtype=np.float32),
        "n": [0, 1, 2, -3, 587732578312454276],
        "few": pd.array([1, None, 3, 4, None], dtype="Int64"),
        "kind": ["E", "S", None, "E & `S`", "é=|ü"],
        "flag": [True, False, True, False, True],
        "odd flag": pd.Series([True, None, False, True, None], dtype=object),
        "perhaps": pd.array([True, None, False, True, None], dtype="boolean"),
        "smooth-or-featured_smooth": [0.0, 12.0, 40.0, 11.0, 10.0],
        "seen": pd.to_datetime(["2020-01-01", "2021-01-01", None, "2019-05-05", "2022-02-02"]),
        "class": ["a", "b", "c", "d", "e"],
        "prix": [Decimal("1.1"), Decimal("2.2"), None, Decimal("3.3"), Decimal("4.4")],
    }
)

SAME = (
    "mag_r < 17.7",
    "17.7 > mag_r",
    "mag_r != 17",
    "faint <= 17.7",
    "faint == 0.1",
    "faint < 17 + 0.7",
    "15 < mag_r <= 18.5 < 100",
    "mag_r < 17.7 and kind == 'E'",
    "mag_r < 17.7 & kind == 'E'",
    "mag_r < 17.7 | n > 1 & flag",
    "(mag_r < 17.7) | (n > 1) & flag",
    "not mag_r < 17.7",
    "~(mag_r < 17.7)",
    "~flag",
    "flag",
    "not flag or perhaps",
    "perhaps",
    "`odd flag` == True",
    "`odd flag` != False",
    "kind != 'S'",
    "kind < 'F'",
    'kind == "E & `S`"',
    "kind == 'é=|ü' or n == 2",
    "kind in ['E', 'S']",
    "kind not in ('E', 'S')",
    "kind == ['E', 'S']",
    "kind != ['E', 'S']",
    "'E' in kind",
    "kind in 'E'",
    "n in [1, -3, 2]",
    "n == 587732578312454276",
    "n == 587732578312454275",
    "few > 1",
    "few != 1",
    "not few > 1",
    "few in [1, 3]",
    "`smooth-or-featured_smooth` > 10",
    "`smooth-or-featured_smooth`>10&`mag_r`<18",
    "mag_r + n * 2 - 1 > 3",
    "mag_r / n > 3",
    "mag_r // 2 == 8 or mag_r % 2 == 0.5",
    "mag_r ** 2 > 300",
    "n ** 2 > 3",
    "2 ** few > 3",
    "-mag_r < -17",
    "+mag_r < 17",
    "mag_r < inf",
    "mag_r == None",
    "seen > '2020-06-01'",
    "seen < '2020-06-01' or seen != seen",
    "`class` == 'b'",
    "n * 10 > mag_r > -10",
    "(n > 1) == flag",
    "n == True",
    "mag_r > -1e400",
    "n < 10000000000000000000000000",
    "prix == prix",
)


@pytest.mark.parametrize("expression", SAME)
def test_what_is_allowed_has_the_values_of_pandas(expression: str) -> None:
    by_pandas = FRAME.eval(expression, engine="python").fillna(False).to_numpy(dtype=bool)
    assert rows_where(FRAME, expression, "t.csv").tolist() == by_pandas.tolist()


REFUSED = (
    ("mag_r.__init__.__globals__['x'] > 1", "subscripts are not allowed (character 1)"),
    ("mag_r.size > 1", "attributes are not allowed"),
    ("mag_r.__class__ == 1", "attributes are not allowed"),
    ("n > 1 and __import__('os').system('true') == 0", "calls of functions are not allowed (character 11)"),
    ("sin(mag_r) > 0", "calls of functions"),
    ("mag_r[0] > 1", "subscripts"),
    ("(lambda: 1) == n", "functions are not allowed"),
    ("@mag_r > 1", "invalid syntax (character 1)"),
    ("n > 1 if flag else n < 1", "if and else"),
    ("[x for x in n] == n", "loops"),
    ("n == {1: 2}", "dictionaries"),
    ("n in {1, 2}", "sets"),
    ("kind == f'{n}'", "formatted texts"),
    ("(y := n) > 1", "write == to compare"),
    ("n = 1", "write == to compare (character 3)"),
    ("n in [*kind]", "stars"),
    ("n is None", "'is' is not allowed"),
    ("n == b'x'", "this is not allowed"),
    ("n == 1j", "this is not allowed"),
    ("n == ...", "this is not allowed"),
    ("n << 3 > 1", "this is not allowed"),
    ("`mag r` < 3", "there is no column 'mag r'. Did you mean 'mag_r'?"),
    ("flag and mag_g < 3", "there is no column 'mag_g'. Did you mean 'mag_r'? (character 10)"),
    ("flag & `mag_g` < 3", "(character 8)"),
    ("kind == 'é' and nn > 1", "there is no column 'nn'. Did you mean 'n'? (character 17)"),
    ("n`few` > 1", "invalid syntax"),
    ("`n > 1", "invalid syntax"),
    ("mag_r <", "invalid syntax"),
    ("n > 1; n > 2", "invalid syntax"),
    ("n > 1\nn > 2", "'\\n' is no letter or sign (character 6)"),
    ("n > 1 \x1b[2J", "'\\x1b' is no letter or sign (character 7)"),
    ("`n\x1b` > 1", "'\\x1b' is no letter or sign (character 3)"),
    ("n > \x00", "'\\x00' is no letter or sign"),
    ("n > \ud800", "is no letter or sign"),
    ("kind * 1000000000 == 'a'", "arithmetic needs numbers (character 1)"),
    ("'a' * 1000000000 == kind", "arithmetic needs numbers"),
    ("[1] * 1000000000 == n", "arithmetic needs numbers"),
    ("'%999999999d' % n == kind", "arithmetic needs numbers"),
    ("n > 9 ** 9 ** 9 ** 9", "out of range"),
    ("n > 1 / 0", "division"),
    ("mag_r < 'x'", "character 1"),
    ("n in 3", "'in' needs a column, and a list"),
    ("n in [[1]]", "a list may hold only numbers and texts"),
    ("n < [1, 2]", "a list can only be compared with a column"),
    ("1 < 2", "is not a comparison"),
    ("'a' in 'b'", "'in' needs a column"),
    ("[1] == [1]", "a list can only be compared with a column"),
    ("kind + 'x' == 'Ex'", "arithmetic needs numbers"),
    ("not True and flag", "'not' needs a comparison"),
    ("True and False", "'and' and 'or' need comparisons"),
    ("True", "is not a comparison"),
    ("n + 1", "is not a comparison"),
    ("", "it is empty"),
    ("   ", "it is empty"),
    ("(" * 400 + "n > 1" + ")" * 400, "nested"),
    ("not " * 200 + "flag", "within each other"),
    ("-" * 900 + "n > 1", "cannot be applied"),
    ("+".join("n" * 90) + " > 1", "within each other"),
    ("n > " + "1" * LONGEST, "at most 1000"),
    ("n in [" + "1, " * 500 + "]", "at most 1000"),
)


@pytest.mark.parametrize(("expression", "sentence"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_everything_else_is_refused_with_its_place(expression: str, sentence: str) -> None:
    started = time.perf_counter()
    with pytest.raises(CatalogueError, match=re.escape(sentence)):
        rows_where(FRAME, expression, "t.csv")
    assert time.perf_counter() - started < 2


def test_an_expression_of_a_file_runs_no_command(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,mag\na,1\nb,2\n")
    mark = tmp_path / "mark"
    run = f"mag.__init__.__globals__['__builtins__']['__import__']('os').popen('touch {mark}').read() == ''"
    for where in (run, f"@pd.io.common.os.system('touch {mark}') == 0", f"__import__('os').system('touch {mark}') == 0"):
        with pytest.raises(CatalogueError, match=r"not allowed|syntax"):
            read_catalogue(tmp_path / "t.csv", where=where)
    assert not mark.exists()


def test_a_where_that_is_no_text_is_refused() -> None:
    with pytest.raises(CatalogueError, match="is not a text"):
        rows_where(FRAME, 3, "t.csv")  # type: ignore[arg-type]


def test_letters_that_python_writes_in_another_way_name_their_own_column() -> None:
    frame = pd.DataFrame({"ﬁ": [1, 2], "fi": [2, 1]})
    assert rows_where(frame, "ﬁ == 1", "t.csv").tolist() == [True, False]
    assert rows_where(frame, "fi == 1", "t.csv").tolist() == [False, True]


def test_of_columns_with_one_name_the_last_is_compared() -> None:
    assert rows_where(pd.DataFrame([[1, 5]], columns=["a", "a"]), "a > 3", "t.csv").tolist() == [True]


@pytest.mark.parametrize(
    "where",
    ["mag.__class__ == 1", "mag.to_csv('mark') == 1", "@mag > 1", "__import__('os').system('touch mark') == 0"],
)
@pytest.mark.parametrize("section", ["survey", "pool"])
def test_a_workspace_whose_where_would_run_code_is_refused(where: str, section: str, tmp_path: Path, monkeypatch) -> None:
    from zooactive.workspace.file import load_settings

    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("id,mag\na,1\n")
    wheres = {section: f"where = {json.dumps(where)}\n"}
    survey = f'[survey]\ntree = "gz2"\ncatalogue = "t.csv"\n{wheres.get("survey", "")}'
    (tmp_path / "zooactive.toml").write_text(f'{survey}[pool]\ncatalogue = "t.csv"\n{wheres.get("pool", "")}')
    settings = load_settings(tmp_path / "zooactive.toml")
    with pytest.raises(CatalogueError, match=r"where '.*cannot be applied to .*t\.csv: .*\(character \d+\)"):
        settings.read_survey() if section == "survey" else settings.read_pool()
    assert not (tmp_path / "mark").exists()
