"""Trees, tasks, class rules, recipes, wordings and workspaces: TOML that somebody writes by hand."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import effort
import pytest
from hostile import as_toml, damaged, fuzzed, misfilled, miswritten, read_or_refused
from hypothesis import given
from hypothesis import strategies as st

from zooactive.catalogue import load_rule
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.foundation.errors import TreeError, WorkspaceError
from zooactive.labels import load_wording
from zooactive.training.finetuning.tasks import load_task
from zooactive.training.recipes import load_recipe
from zooactive.tree import DecisionTree, load_tree
from zooactive.workspace.file import load_settings

CATALOGS = catalogs_folder()
WORKSPACE = """\
recipe = "zhu5"
[survey]
tree = "gz2"
catalogue = "galaxies.csv"
images = "images"
volunteers = 40
min_votes = 30.0
where = "mag_r < 17"
split = [0.7, 0.2, 0.1]
[model]
backbone = "small_cnn"
image_size = 64
scales = [1.0, 0.8]
questions = ["bar"]
start = "bundled"
[training]
epochs = 3
batch_size = 16
learning_rate = 1e-3
[training.augmentation]
flips = true
[pool]
catalogue = "~/pool.parquet"
draws = 8
[acquire]
n = 10
target = "bar_yes"
[loop]
learner = "head"
[tasks.rings]
labels = "rings.csv"
column = "ring"
[tasks.own]
task = "~/own.toml"
"""
WORDING = """\
tree = "rings"
[[workflow]]
id = 77
versions = ["2.0", "3.99"]
galaxy = ["#id", "iauname"]
[workflow.questions.ring]
task = "T0"
answers = ["Yes", ["No", "Not at all"]]
"""
SOUND: dict[str, tuple[Callable[[Path], Any], str]] = {
    "tree": (load_tree, (CATALOGS / "trees" / "gz2_kaggle.toml").read_text()),
    "short_tree": (load_tree, (CATALOGS / "trees" / "rings.toml").read_text()),
    "task": (load_task, (CATALOGS / "tasks" / "rings.toml").read_text()),
    "task_of_its_own": (load_task, (CATALOGS / "tasks" / "candels.toml").read_text()),
    "rule": (load_rule, (CATALOGS / "rules" / "zhu2019.toml").read_text()),
    "recipe": (load_recipe, (CATALOGS / "recipes" / "walmsley2020.toml").read_text()),
    "wording": (load_wording, WORDING),
    "workspace": (load_settings, WORKSPACE),
}
every_reader = pytest.mark.parametrize("name", SOUND)


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / ("zooactive.toml" if name == "workspace" else f"{name}.toml")
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


@every_reader
def test_what_is_damaged_here_is_sound(name: str, tmp_path: Path):
    read, sound = SOUND[name]
    assert read(written(tmp_path, name, sound)) is not None
    assert tomllib.loads(as_toml(tomllib.loads(sound))) == tomllib.loads(sound)


@every_reader
@fuzzed(20)
@given(data=st.data())
def test_damaged_toml_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject):
    read, sound = SOUND[name]
    content = data.draw(damaged(sound.encode()) | miswritten(sound, "=,"))
    with read_or_refused():
        read(written(tmp_path, name, content))


@every_reader
@fuzzed(20)
@given(data=st.data())
def test_toml_with_odd_entries_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject):
    read, sound = SOUND[name]
    values = data.draw(misfilled(tomllib.loads(sound)))
    with read_or_refused():
        read(written(tmp_path, name, as_toml(values) if isinstance(values, dict) else str(values)))


WORDS = st.sampled_from(("a", "b", "c", "d", "a_b", "b_c", ""))
COLUMNS = st.builds("{}_{}".format, WORDS, WORDS)
QUESTIONS = st.fixed_dictionaries(
    {"name": WORDS, "answers": st.lists(WORDS, min_size=1, max_size=4)},
    optional={
        "asked_after": st.lists(COLUMNS, max_size=3),
        "scaled_by": st.lists(COLUMNS, max_size=2),
        "single_label": st.booleans(),
        "aliases": st.dictionaries(WORDS, st.lists(WORDS, max_size=2), max_size=2),
    },
)


@fuzzed(50)
@given(questions=st.lists(QUESTIONS, max_size=6), suffix=WORDS)
def test_questions_that_wait_for_each_other_or_share_names_are_refused_and_others_are_a_tree(
    tmp_path: Path, questions: list[dict[str, Any]], suffix: str
):
    path = written(tmp_path, "random", as_toml({"name": "random", "suffix": suffix, "question": questions}))
    with read_or_refused():
        tree = load_tree(path)
        assert sorted(tree.order) == list(range(len(tree.questions)))
        assert all(tree.order.index(parent) < tree.order.index(q) for q, parent in enumerate(tree.parents) if parent >= 0)
        assert DecisionTree.from_dict(tree.to_dict()) == tree


def test_a_number_with_more_digits_than_python_reads_is_refused(tmp_path: Path):
    with pytest.raises(TreeError, match=r"long\.toml is not valid TOML"):
        load_tree(written(tmp_path, "long", f'name = "t"\nmin_votes = {"9" * 5000}\n'))


def test_lists_that_are_nested_without_end_are_refused(tmp_path: Path):
    with pytest.raises(TreeError, match=r"deep\.toml is not valid TOML: .*nested"):
        load_tree(written(tmp_path, "deep", "name = " + "[" * 100_000))


@pytest.mark.parametrize("start", ["[", "[[", "", "a = {", "a = {b = 1, ", "[x]\n"])
@pytest.mark.parametrize("part", ["a.", '"a" . ', "'a'.", "a-1 ."])
def test_a_name_of_very_many_parts_is_refused_at_once(tmp_path: Path, start: str, part: str):
    (tmp_path / "tree.toml").write_text(f"{start}{part * 100_000}a = 1\n")
    with effort.at_most(400), pytest.raises(TreeError, match="a name in it has more than 100 parts"):
        load_tree(tmp_path / "tree.toml")


def test_texts_with_many_full_stops_are_texts(tmp_path: Path):
    notes = ".".join("abc" for _ in range(500))
    (tmp_path / "tree.toml").write_text(f'name = "t"\ntitle = "{notes}"\n[[question]]\nname = "q"\nanswers = ["a", "b"]\n')
    assert load_tree(tmp_path / "tree.toml").columns == ("q_a", "q_b")


def test_a_recipe_that_is_no_text_is_refused(tmp_path: Path):
    with pytest.raises(WorkspaceError, match=r"recipe = 5; give the name of a recipe"):
        load_settings(written(tmp_path, "zooactive", "recipe = 5\n"))
