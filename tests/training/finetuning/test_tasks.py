from __future__ import annotations

import json

import pandas as pd
import pytest

from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.foundation.errors import CatalogueError, TrainingError
from zooactive.training.finetuning.tasks import Task, list_tasks, load_task, task_of_column
from zooactive.tree import DecisionTree, Question


@pytest.fixture
def table(tmp_path):
    def write(**columns):
        rows = len(next(iter(columns.values())))
        frame = pd.DataFrame({"id": [f"g{i}" for i in range(rows)], "file_loc": "none.png", **columns})
        frame.to_csv(tmp_path / "labels.csv", index=False)
        return tmp_path / "labels.csv"

    return write


def test_every_bundled_task_loads_and_comes_back_from_plain_values():
    assert {"rings", "zhu5", "hubble", "candels"} <= set(list_tasks())
    for name in list_tasks():
        task = load_task(name)
        again = Task.from_dict(task.to_dict())
        assert again.load_tree() == task.load_tree()
        assert again.to_dict() == task.to_dict()


@pytest.mark.parametrize("entry", ["name", "tree"])
def test_a_saved_task_without_its_name_or_tree_is_refused(entry):
    with pytest.raises(TrainingError, match="needs the entries name and tree"):
        Task.from_dict({"name": "own", "tree": "rings", entry: None}, where="finetuned.json")


def test_tasks_are_found_by_name_or_file_and_mistakes_in_them_are_named(tmp_path):
    with pytest.raises(TrainingError, match="Did you mean 'rings'"):
        load_task("ring")
    (tmp_path / "mine.toml").write_text('name = "mine"\ntree = "rings"\nlabel_column = "ring"\ncrop = 0.5\n')
    assert load_task(tmp_path / "mine.toml").label_column == "ring"
    assert load_task(tmp_path / "mine.toml").preprocessing(Preprocessing(size=64)) == Preprocessing(size=64, crop=0.5)
    for text, said in (
        ('name = "bad"\ntree = "rings"\nlabels_column = "ring"\n', "label_column"),
        ('name = "bad"\n', "needs the entries name and tree"),
        ('name = "bad"\ntree = "rings"\ncrop = "half"\n', "crop = 'half'; give a number"),
        ('name = "bad"\ntree = "rings"\ncrop = 2\n', "crop = 2"),
        ('name = "bad"\n[tree]\nvotes = "class"\n[[tree.question]]\nname = "q"\nanswers = ["a"]\n', "at least two"),
        ("name = ", "not readable TOML"),
    ):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(TrainingError, match=said):
            load_task(tmp_path / "bad.toml")


def test_a_task_may_list_its_bands_whatever_the_encoder_saw(tmp_path):
    said = 'name = "mine"\ntree = "rings"\nbands = ["g", "z"]\nstretch = ["linear 0 1", "asinh 0 5 0.1"]\n'
    (tmp_path / "mine.toml").write_text(said)
    task = load_task(tmp_path / "mine.toml")
    wanted = Preprocessing(size=64, bands=("g", "z"), stretch=("linear 0 1", "asinh 0 5 0.1"))
    other = Preprocessing(size=64, bands=("u", "g", "r"), stretch="linear 0 9")
    assert task.preprocessing(Preprocessing(size=64)) == task.preprocessing(other) == wanted
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))).preprocessing(other) == wanted
    assert "bands" not in load_task("rings").to_dict()
    assert load_task("rings").preprocessing(other).listed == ("u", "g", "r")
    for text, reason in (
        (said.replace('["g", "z"]', '["g", "r", "z"]'), "2 stretches for the 3 bands g, r, z"),
        (said.replace('["g", "z"]', "5"), "bands = 5; give a text or a list of texts"),
        ('name = "mine"\ntree = "rings"\nbands = ["g", "z"]\n', 'give "linear LOW HIGH"'),
    ):
        (tmp_path / "bad.toml").write_text(text)
        with pytest.raises(TrainingError, match=reason):
            load_task(tmp_path / "bad.toml")


@pytest.mark.parametrize(
    "cells", [["yes", "no", "Yes"], [1, 0, 1], [True, False, True], [1.0, 0.0, 1.0], ["1", "no", "true"], [1.0, None, 0.0]]
)
def test_yes_and_no_are_known_however_they_are_written(table, cells):
    path = table(merger=cells)
    task = task_of_column(path, "merger")
    assert task.load_tree().columns == ("merger_yes", "merger_no")
    votes = task.read(path).votes
    wanted = [
        [0, 0] if cell is None else [1, 0] if str(cell).lower() in ("yes", "1", "true", "1.0") else [0, 1] for cell in cells
    ]
    assert votes.tolist() == wanted


def test_classes_keep_the_names_of_their_labels(table):
    path = table(kind=["spiral", "elliptical", "merger", "spiral"])
    task = task_of_column(path, "kind")
    assert task.load_tree().questions[0].answers == ("elliptical", "merger", "spiral")
    assert task.read(path).votes.argmax(1).tolist() == [2, 0, 1, 2]
    numbers = table(stage=[10, 2, 2, 7])
    assert task_of_column(numbers, "stage").load_tree().questions[0].answers == ("2", "7", "10")
    assert task_of_column(numbers, "stage").read(numbers).votes.argmax(1).tolist() == [2, 0, 0, 1]


def test_none_is_a_class_among_classes_and_no_answer_beside_yes_and_no(table):
    path = table(bar=["strong", "none", "weak", "None"])
    task = task_of_column(path, "bar")
    assert task.load_tree().questions[0].answers == ("none", "strong", "weak")
    assert task.read(path).votes.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    path = table(merger=["yes", "none", "no", "None"])
    assert task_of_column(path, "merger").read(path).votes.tolist() == [[1, 0], [0, 0], [0, 1], [0, 0]]
    with pytest.raises(CatalogueError, match="blank in every row"):
        task_of_column(table(merger=["none", "none"]), "merger")


def test_a_table_may_call_its_ids_and_images_otherwise(table):
    path = table(merger=[1, 0], name=["NGC 1", "NGC 2"], picture=["a.png", "b.png"])
    task = task_of_column(path, "merger", id_column="name", image_column="picture")
    catalogue = Task.from_dict(task.to_dict()).read(path)
    assert catalogue.ids.tolist() == ["NGC 1", "NGC 2"]
    assert [image.name for image in catalogue.images] == ["a.png", "b.png"]


def test_a_catalogue_of_another_tree_is_no_table_of_this_task(table):
    path = table(merger=[1, 0])
    merger = task_of_column(path, "merger")
    assert len(merger.read(merger.read(path))) == 2
    for catalogue in (merger.read(path), read_catalogue(path)):
        with pytest.raises(CatalogueError, match="no labels of task 'rings', which are ring_yes, ring_no"):
            load_task("rings").read(catalogue)


def test_fractions_become_votes_of_as_many_volunteers_as_are_known(table):
    path = table(p=[0.25, 1.0, None, -999], seen=[8, 4, 5, 5])
    assert task_of_column(path, "p").read(path).votes.tolist() == [[10, 30], [40, 0], [0, 0], [0, 0]]
    counted = task_of_column(path, "p", volunteers="seen").read(path)
    assert counted.votes.tolist() == [[2, 6], [4, 0], [0, 0], [0, 0]]
    assert counted.labelled.tolist() == [True, True, False, False]
    with pytest.raises(CatalogueError, match=r"1.5 is above 1"):
        read_catalogue(
            table(p_features=[0.5, 1.5]), tree=load_task("hubble").load_tree(), label_column="p_features", volunteers=40
        )


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([1.5, 2.25, 0.3], None),
        ([None, None], "blank in every row"),
        (["a", "a"], "all 2 labels are 'a'"),
        ([f"c{i}" for i in range(21)], "21 different values"),
    ],
)
def test_a_column_that_is_no_label_is_refused_in_a_sentence(table, cells, said):
    path = table(x=cells)
    if said is None:  # few numbers are classes, however odd
        assert len(task_of_column(path, "x").load_tree().columns) == 3
        return
    with pytest.raises(CatalogueError, match=said):
        task_of_column(path, "x")


def test_an_unknown_column_is_named_with_the_nearest(table):
    with pytest.raises(CatalogueError, match=r"'mergre' is missing.*Did you mean 'merger'"):
        task_of_column(table(merger=[1, 0]), "mergre")


@pytest.mark.parametrize(
    ("cells", "classes", "votes"),
    [
        (["Merger", "merger", "Merger", "Spiral"], ("Merger", "Spiral"), [3, 1]),
        ([" merger", "MERGER ", "merger", "spiral"], ("merger", "spiral"), [3, 1]),
        (["No ring", "no  ring", "Ring", "Ring"], ("No ring", "Ring"), [2, 2]),
        (["Straße", "STRASSE", "E", "E"], ("E", "STRASSE"), [2, 2]),
        (["no\u00a0ring", "no ring", "ring", "ring"], ("no ring", "ring"), [2, 2]),
        (["2", "2.0", "02", "x"], ("02", "x"), [3, 1]),
    ],
)
def test_labels_that_differ_in_case_or_white_space_are_one_class(tmp_path, cells, classes, votes):
    path = tmp_path / "labels.csv"
    pd.DataFrame({"id": list("abcd"), "kind": cells}).to_csv(path, index=False)
    task = task_of_column(path, "kind")
    assert task.load_tree().questions[0].answers == classes
    assert task.read(path).votes.sum(0).tolist() == votes


def test_a_task_whose_answers_no_label_can_tell_apart_is_refused(table):
    path = table(kind=["merger", "Merger"])
    tree = DecisionTree("kinds", (Question("kind", ("Merger", "merger")),), votes="class", min_votes=1)
    with pytest.raises(CatalogueError, match="'Merger' and 'merger' are the same label"):
        Task("kinds", tree, "kind").read(path)


def test_a_column_of_one_class_in_two_spellings_has_nothing_to_tell_apart(table):
    with pytest.raises(CatalogueError, match="nothing to tell apart"):
        task_of_column(table(kind=["Merger", "merger"]), "kind")
