"""Tables for people: as wide as the terminal, whole words, three digits, and on terminals that know only ASCII."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from zooactive.cli import app, console, signs
from zooactive.cli.evaluate import _of_several, _worth
from zooactive.cli.show import _print
from zooactive.cli.tables import columns_of, fitted, numbers
from zooactive.foundation.errors import TreeError
from zooactive.tree import list_trees, load_tree

SELECTION = pd.DataFrame(
    {
        "id": [f"5877356663961030{i:02}" for i in range(24)],
        "score": [0.9 + 0.01 * i for i in range(24)],
        "rank": range(1, 25),
        "arm": ["acquired"] * 22 + ["random"] * 2,
        "inclusion_probability": [0.968] * 24,
        "question": ["smooth-or-featured-gz2"] * 24,
        "question_share": [0.317] * 24,
        "clicks": [123.628] * 24,
    }
)


@pytest.mark.parametrize("width", [30, 60, 80, 100, 120])
def test_a_table_is_no_wider_than_the_terminal_and_cuts_no_word(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    console.print_table(SELECTION, as_json=False, rows=10, file="selection.csv")
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum("58773566639610300" in line for line in lines) == 10  # each id whole
    assert "14 more rows in selection.csv" in said.err
    shown = [name for name in SELECTION.columns if name in lines[0] or all(piece in said.out for piece in name.split("_"))]
    for name in set(SELECTION.columns) - set(shown):
        assert name in said.err


def test_a_file_gets_every_column(monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    console.print_table(pd.DataFrame({f"column-number-{i}": [i] for i in range(30)}), as_json=False)
    said = capsys.readouterr()
    assert all(f"column-number-{i}" in said.out.splitlines()[0] for i in range(30))
    assert said.err == ""


def test_both_ends_of_an_interval_are_shown_or_neither():
    columns = columns_of(pd.DataFrame({"id": ["a" * 20], "auc_low": [0.1], "auc_high": [0.9]}))
    for width in range(20, 45):
        assert len(fitted(columns, width)[0]) in (1, 3)


def test_sentences_are_wrapped_between_words(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "30")
    why = "the votes that came in already say enough"
    console.print_table(pd.DataFrame({"id": ["g1"], "why": [why]}), as_json=False)
    out = capsys.readouterr().out
    assert all(word in out.split() for word in why.split())
    assert max(map(len, out.splitlines())) <= 30


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.95, 0.1234, 1.0], ["0.950", "0.123", "1.000"]),
        ([27.62, 3.0], ["27.6", "3.0"]),
        ([123.628, 99.2], ["124", "99"]),
        ([40.0, 3.0], ["40", "3"]),
        ([0.5, 0.00001], ["0.500", "1e-5"]),
        ([0.0000123], ["1e-5"]),
        ([-0.5, math.nan, math.inf, 0.0], ["-0.500", "-", "inf", "0.000"]),
        ([0.123, 155.7], ["0.123", "156"]),
        ([], []),
    ],
)
def test_numbers_have_three_digits_where_three_mean_something(values, said):
    assert numbers(values) == said


def test_whole_numbers_stay_whole_and_truths_are_words(capsys):
    console.print_table(pd.DataFrame({"n": [123456789], "kept": [True], "x": ["-"]}), as_json=False)
    assert {"123456789", "yes"} <= set(capsys.readouterr().out.split())


def test_a_selection_is_shown_by_its_scores_and_says_so(capsys):
    mixed = SELECTION.sample(24, random_state=1)
    mixed.attrs["file"] = "selection.csv"
    console.print_selection(mixed, as_json=False)
    said = capsys.readouterr()
    ids = [line.split()[0] for line in said.out.splitlines()[2:] if line.startswith("5877")]
    assert ids == [f"5877356663961030{i:02}" for i in range(21, 11, -1)]  # the last two were drawn at random
    assert "highest scores first" in said.err


def test_nothing_is_said_of_one_galaxy_but_that_it_is_one():
    table = pd.DataFrame({"question": ["a", "b"], "galaxies": [1, 2], "accuracy": [1.0, 0.5]})
    assert _of_several(table)["accuracy"].isna().tolist() == [True, False]


def test_an_interval_without_an_end_says_what_it_begins_with():
    class Found:
        worth = pd.DataFrame(
            {
                "question": ["a", "b", "c"],
                "galaxies": [1, 9, 9],
                "volunteers": [27.6, 30.0, 5.0],
                "volunteers_low": [27.6, 17.2, 3.0],
                "volunteers_high": [27.6, math.inf, 8.0],
            }
        )
        confident = pd.DataFrame({"confident": [1, 4, 4], "confident_accuracy": [1.0, 0.75, 0.5]})

    table = _worth(Found())
    assert table["95%"].tolist() == ["-", "above 17.2", "3.0-8.0"]
    assert table["volunteers"].tolist() == ["-", "30.0", "5.0"]
    assert math.isnan(table["accuracy there"][0])


@pytest.mark.parametrize("width", [60, 80, 100])
def test_one_galaxy_fits_the_terminal_with_every_answer_whole(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    answers = ["smooth", "featured-or-disk", "artifact"]
    rows = [("smooth-or-featured", name, 1.0) for name in answers] + [("bulge-size", "just-noticeable", 0.2)]
    table = pd.DataFrame(rows, columns=["question", "answer", "asked"]).assign(fraction=0.5, low=0.1, high=0.9, votes=12)
    _print(table, "587732582593134645")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert {*answers, "smooth-or-featured", "just-noticeable", "1.00", "0.20", "12"} <= set(out.split())


def test_a_question_of_yes_and_no_is_an_answer():
    tree = load_tree("gz2")
    assert tree.resolve("bar") == tree.resolve("bar_yes") == tree.resolve("bar-gz2") == "bar-gz2_yes"
    with pytest.raises(TreeError, match="'spiral-winding' is a question; give one of its answers: spiral-winding_tight"):
        tree.resolve("spiral-winding")
    with pytest.raises(TreeError, match="give one of its answers: bar_strong, bar_weak, bar_no"):
        load_tree("decals_dr5").resolve("bar")


def test_trees_draws_tasks_of_the_package_and_of_a_file(tmp_path: Path):
    runner = CliRunner()
    assert "completely-round" in runner.invoke(app, ["trees", "zhu5"]).stdout
    task = tmp_path / "merging.toml"
    task.write_text(
        'name = "merging"\nlabel_column = "m"\n[tree]\nvotes = "class"\nmin_votes = 1\n'
        '[[tree.question]]\nname = "merging"\nanswers = ["yes", "no"]\n'
    )
    found = runner.invoke(app, ["trees", str(task)])
    assert found.exit_code == 0
    assert "merging" in found.stdout
    wrong = runner.invoke(app, ["trees", "hubbel"])
    assert wrong.exit_code == 1
    assert "Did you mean 'hubble'?" in wrong.output


def test_what_a_terminal_cannot_show_is_spelt_out(monkeypatch):
    for encoding, said in (("ascii", "# \\xe9 -> 3 deg"), ("latin-1", "# \xe9 -> 3\xb0"), ("utf-8", "█ é → 3°")):
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
        for name, stream in zip(("stdout", "stderr"), streams, strict=True):
            monkeypatch.setattr(sys, name, stream)
        signs.show_what_can_be_shown()
        for stream in streams:
            print("█ é → 3°", file=stream, flush=True)
        monkeypatch.undo()
        assert [stream.buffer.getvalue().decode(encoding).strip() for stream in streams] == [said, said]


@pytest.mark.parametrize(
    "setting",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
)
def test_no_traceback_on_a_terminal_of_ascii(setting, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nimport pandas as pd\nfrom zooactive.cli import console, main, show\n"
        "from zooactive.cli.signs import show_what_can_be_shown\nshow_what_can_be_shown()\n"
        "console.print_table(pd.DataFrame({'id': ['Sérsic → 3°'], 'x': [0.5]}), as_json=False, title='très')\n"
        "row = {'question': 'anneau', 'asked': 0.9, 'answer': 'é', 'fraction': 0.5, 'low': 0.1, 'high': 0.9}\n"
        "show._print(pd.DataFrame([row]), 'é')\nconsole.last_line('µ → 3°', 'é')\n"
        "sys.argv = ['zooactive', 'trees', 'gz2']\nmain()\n",
        encoding="utf-8",
    )
    environment = {**os.environ, **setting}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"#" * 10 in done.stdout
    assert b"smooth-or-featured" in done.stdout


def test_trees_draws_a_task_that_was_learnt_in_the_workspace(tmp_path, monkeypatch):
    monkeypatch.setattr("zooactive.cli.trees._tasks_here", lambda: {"is_ring": load_tree("rings")})
    found = CliRunner().invoke(app, ["trees", "is_ring"])
    assert found.exit_code == 0
    assert "ring" in found.stdout
    assert "Did you mean 'is_ring'?" in CliRunner().invoke(app, ["trees", "is_rin"]).output


def test_trees_are_listed_and_a_tree_is_told_as_json():
    rows = json.loads(CliRunner().invoke(app, ["trees", "--json"]).stdout)
    trees = [load_tree(name) for name in list_trees()]
    assert [(row["tree"], row["questions"], row["answers"]) for row in rows] == [
        (tree.name, len(tree.questions), len(tree.columns)) for tree in trees
    ]
    listed = CliRunner().invoke(app, ["trees"])
    assert f"{len(trees)} decision trees." in listed.stderr
    assert json.loads(CliRunner().invoke(app, ["trees", "gz2", "--json"]).stdout) == load_tree("gz2").to_dict()
