from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zooactive.catalogue import Catalogue
from zooactive.errors import CatalogueError, ModelError, TrainingError
from zooactive.finetuning import FinetuneConfig, finetune, list_tasks, load_finetuned, load_task
from zooactive.models import GalaxyModel

QUICK = FinetuneConfig(head_epochs=30, copies=2, batch_size=8, patience=30)


@pytest.fixture(scope="module")
def encoder() -> GalaxyModel:
    return GalaxyModel("gz2", backbone="small_cnn", image_size=16, seed=1)


@pytest.fixture
def labels(tmp_path):
    """80 pictures, every second one bright, and a table that calls the bright ones rings."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(80):
        pixels = rng.normal(40 + 120 * (i % 2), 15, (24, 24, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"r{i:02d}.png")
        rows.append({"id": f"r{i:02d}", "file_loc": f"r{i:02d}.png", "ring": i % 2})
    pd.DataFrame(rows).to_csv(tmp_path / "rings.csv", index=False)
    return tmp_path / "rings.csv"


def test_a_separable_question_is_learnt_and_measured_on_galaxies_held_out(encoder, labels):
    tuned = finetune(encoder, labels, task="rings", config=QUICK)
    metrics = tuned.evaluate()
    assert metrics["accuracy"] > 0.9
    assert metrics["auc"] > 0.95
    assert metrics["galaxies"] == len(tuned.held_out) < 40
    assert set(tuned.held_out["truth"]) == {0.0, 1.0}


def test_the_given_model_is_not_changed_and_a_frozen_encoder_is_bit_identical_afterwards(encoder, labels):
    before = encoder.fingerprint()
    tuned = finetune(encoder, labels, task="rings", config=QUICK)
    assert encoder.fingerprint() == before
    for mine, theirs in zip(tuned.model.encoder.get_weights(), encoder.encoder.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_unfreezing_trains_the_convolutions_and_leaves_every_batch_norm_as_it_was(encoder, labels):
    config = FinetuneConfig(head_epochs=2, unfreeze_epochs=2, copies=1, batch_size=8)
    tuned = finetune(encoder, labels, task="rings", config=config)
    assert set(tuned.history["stage"]) == {"head", "all"}
    changed = {"bn": False, "conv": False}
    for layer, before in zip(tuned.model.encoder.layers, encoder.encoder.layers, strict=True):
        for mine, theirs in zip(layer.get_weights(), before.get_weights(), strict=True):
            kind = "bn" if "bn" in layer.name else "conv"
            changed[kind] |= not np.array_equal(mine, theirs)
    assert changed == {"bn": False, "conv": True}


def test_a_saved_result_predicts_the_same_after_loading(encoder, labels, tmp_path):
    tuned = finetune(encoder, labels, task="rings", config=FinetuneConfig(head_epochs=2, copies=1))
    tuned.save(tmp_path / "saved")
    loaded = load_finetuned(tmp_path / "saved")
    pool = [tmp_path / f"r{i:02d}.png" for i in range(3)]
    catalogue = Catalogue(np.array(["a", "b", "c"], dtype=object), tuple(pool), None, None, pd.DataFrame(index=range(3)), "")
    assert np.array_equal(loaded.predict(catalogue).concentrations, tuned.predict(catalogue).concentrations)
    assert loaded.evaluate() == pytest.approx(tuned.evaluate())
    with pytest.raises(ModelError, match="no fine-tuned model"):
        load_finetuned(tmp_path)


def test_a_single_label_makes_concentrations_of_fixed_sum(encoder, labels):
    tuned = finetune(encoder, labels, task="rings", config=FinetuneConfig(head_epochs=1, copies=1))
    posterior = tuned.predict(labels)
    assert np.allclose(posterior.concentrations.sum(-1), 100, rtol=1e-5)


def test_labels_of_one_kind_are_refused(encoder, labels):
    table = pd.read_csv(labels)
    table.assign(ring=1).to_csv(labels, index=False)
    with pytest.raises(TrainingError, match=r"'ring_no'.*nothing to tell apart"):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_too_few_labels_are_refused(encoder, labels):
    pd.read_csv(labels).head(2).to_csv(labels, index=False)
    with pytest.raises(TrainingError, match="bring more labels"):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_a_missing_label_column_is_named(encoder, labels):
    pd.read_csv(labels).rename(columns={"ring": "rnig"}).to_csv(labels, index=False)
    with pytest.raises(CatalogueError, match="ring"):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_tasks_are_found_by_name_or_file_and_mistakes_in_them_are_named(tmp_path):
    assert "rings" in list_tasks()
    with pytest.raises(TrainingError, match="Did you mean 'rings'"):
        load_task("ring")
    (tmp_path / "mine.toml").write_text('name = "mine"\ntree = "rings"\nlabel_column = "ring"\n')
    assert load_task(tmp_path / "mine.toml").label_column == "ring"
    (tmp_path / "bad.toml").write_text('name = "bad"\ntree = "rings"\nlabels_column = "ring"\n')
    with pytest.raises(TrainingError, match="label_column"):
        load_task(tmp_path / "bad.toml")
