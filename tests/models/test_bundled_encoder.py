"""The encoder that comes with the package: small, whole, described, and good for what it is there for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import zooactive as za
from zooactive.catalogue import Preprocessing
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.models.saved_form import BUNDLED

FOLDER = catalogs_folder() / "encoder"


@pytest.fixture(scope="module")
def encoder() -> za.GalaxyModel:
    return za.load_model(BUNDLED)


def test_it_takes_less_than_ten_megabytes_and_has_a_card():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 10e6
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in FOLDER.iterdir()} == {"README.md", "model.json", "encoder.npz", "head.npz"}
    for said in ("CC BY", "Limits", "test tenth", "Hart et al. 2016", "Zhu et al. 2019", "Apache"):
        assert said in card


def test_its_kernels_are_stored_in_half_precision_and_its_vectors_are_not():
    with np.load(FOLDER / "encoder.npz") as arrays:
        kinds = {arrays[name].ndim > 1: arrays[name].dtype.name for name in arrays.files if arrays[name].dtype.kind == "f"}
    assert kinds == {True: "float16", False: "float32"}


def test_it_is_an_efficientnet_that_answers_the_trees_it_was_trained_on(encoder):
    assert encoder.backbone == "efficientnet_lite0"
    assert encoder.preprocessing == Preprocessing(size=192, crop=0.85)
    columns = [*za.load_tree("gz2_kaggle").columns, *za.load_tree("zhu5").columns]
    assert list(encoder.tree.columns) == columns


@pytest.mark.filterwarnings("ignore:.*taken for rounding")
def test_it_tells_smooth_galaxies_from_spirals_that_it_never_saw(encoder):
    """Galaxies of the sample, which are of Galaxy Zoo 2 but among none of those it learnt from."""
    sample = za.read_catalogue(catalogs_folder() / "samples" / "gz2_votes.parquet", tree="gz2").take(range(32))
    assert sample.votes is not None
    with pytest.warns(UserWarning, match="82 pixels on a side instead of 204"):  # the sample is small, to come along
        smooth = za.predict(encoder, sample, draws=4).mean()[:, 0]
    observed = sample.votes[:, 0] / sample.votes[:, :3].sum(1)
    assert np.corrcoef(smooth, observed)[0, 1] > 0.8


def test_finetuning_starts_from_it_where_no_model_is_given(galaxies, monkeypatch):
    asked, task = [], za.tasks.load_task("rings")
    labelled = galaxies(12)
    votes = np.tile([[1.0, 0.0], [0.0, 1.0]], (6, 1))
    labelled = replace(labelled, votes=votes, tree=task.load_tree(), min_votes=1)

    def load(name: str) -> None:
        asked.append(name)
        raise KeyboardInterrupt

    monkeypatch.setattr("zooactive.training.finetuning.finetune.load_network", load)
    with pytest.raises(KeyboardInterrupt):
        za.finetune(None, labelled, task="rings")
    assert asked == [BUNDLED]
