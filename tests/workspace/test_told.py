"""Sentences about images that failed and rows that were set aside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive.catalogue import Preprocessing
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.foundation.parts_folder import failed_of
from zooactive.foundation.writing import write_how
from zooactive.models.config import Network
from zooactive.training.batches import Cutouts
from zooactive.training.finetuning.tasks import Task
from zooactive.tree import DecisionTree, Question, load_tree
from zooactive.workspace.finetuned import labels_of
from zooactive.workspace.prepare import prepare
from zooactive.workspace.sections import Survey
from zooactive.workspace.settings import Settings
from zooactive.workspace.told import failures_told

SMALL = Preprocessing(size=16)


def blank(path: Path, level: int) -> None:
    Image.new("RGB", (48, 48), (level, level, level)).save(path)


@pytest.mark.parametrize("preprocessing", [SMALL, None])
def test_images_that_show_nothing_are_left_out_of_shards_and_counted(galaxies, tmp_path, preprocessing) -> None:
    survey = galaxies(6)
    for row, level in ((1, 0), (4, 32)):
        blank(survey.images[row], level)
    survey.images[2].write_bytes(b"")
    result = write_shards(survey, tmp_path / "shards", preprocessing)
    assert result.galaxies == 3
    assert list(result.failures["id"]) == ["g001", "g002", "g004"]
    assert set(result.failures["kind"]) == {"permanent"}
    assert failures_told(result.failed(), result.failures, 0.5, "run it again") == (
        f"3 images could not be used; {tmp_path / 'shards' / 'failures.parquet'} names each with the reason; to try again, "
        "run it again; 2 of the 3 show one single value everywhere (off the survey, or empty frames)"
    )
    too_many = failures_told(result.failed(), result.failures, 0.05, "run it again")
    assert "3 of 6 galaxies (50%) failed, such as " in too_many
    assert too_many.endswith("run it again; 2 of the 3 show one single value everywhere (off the survey, or empty frames)")


def test_without_blank_images_none_are_spoken_of() -> None:
    table = pd.DataFrame({"id": ["a"], "path": ["a.jpg"], "reason": ["the image a.jpg is empty (0 bytes)"]})
    failed = failed_of(table, 100, Path("f"))
    listed = Path("f") / "failures.parquet"
    told = f"1 image could not be used; {listed} names each with the reason; to try again, run it again"
    assert failures_told(failed, table, 0.05, "run it again") == told


def test_training_names_an_image_that_shows_nothing_and_how_to_go_on(galaxies) -> None:
    survey = galaxies(4)
    blank(survey.images[3], 255)
    with pytest.raises(ImageError, match=r"one single value \(255\).* \(`zooactive prepare` leaves such galaxies out"):
        Cutouts(survey, SMALL)
    assert np.array_equal(Cutouts(survey.take([0, 1]), SMALL).rows(np.array([0])).shape, (1, 16, 16, 3))


def test_prepare_lists_rows_that_contradict_themselves_beside_the_shards(tmp_path, write_pictures) -> None:
    ids = [f"g{row}" for row in range(8)]
    write_pictures(ids)
    tree = load_tree("gz2")
    table = pd.DataFrame({"id": ids} | dict.fromkeys(tree.columns, 0))
    table[tree.columns[0]] = 40
    table.loc[5, "something-odd-gz2_yes"] = 99
    table.to_csv(tmp_path / "galaxies.csv", index=False)
    survey = Survey("gz2", tmp_path / "galaxies.csv", tmp_path / "images", shards=tmp_path / "shards")
    settings = Settings(tmp_path, survey=survey, model=Network(image_size=16))
    with pytest.raises(CatalogueError, match="1 of 8 rows contradict themselves"):
        prepare(settings)
    told: list[str] = []
    with pytest.warns(UserWarning, match="1 of 8 rows"):
        result = prepare(settings.with_options(survey={"max_set_aside": 0.2}), tell=told.append)
    assert result.galaxies == 7
    file = tmp_path / "shards" / "set_aside.csv"
    assert told == [f"1 row contradicts itself and is set aside; {file} names each with its id and the reason"]
    listed = pd.read_csv(file)
    assert listed[["row", "id"]].to_numpy().tolist() == [[6, "g5"]]
    assert len(settings.read_survey()) == 7  # from the shards, which hold sound rows alone


def test_a_task_reads_its_labels_again_with_the_share_that_it_was_learnt_with(tmp_path) -> None:
    table = pd.DataFrame({"id": [f"g{row}" for row in range(8)], "bar_yes": [20] * 7 + [-3], "bar_no": 20})
    table.to_csv(tmp_path / "labels.csv", index=False)
    task = Task("bar", DecisionTree("bar", [Question("bar", ["yes", "no"])]))
    read = {"task": task.to_dict(), "labels": tmp_path / "labels.csv", "images": None}
    write_how(tmp_path, command="finetune", options=read | {"max_set_aside": 0.2}, inputs={})
    with pytest.warns(UserWarning, match="1 of 8 rows"):
        assert len(labels_of(tmp_path)) == 7
    write_how(tmp_path, command="finetune", options=read, inputs={})  # as it was before shares were said
    with pytest.raises(CatalogueError, match="1 of 8 rows contradict themselves"):
        labels_of(tmp_path)
