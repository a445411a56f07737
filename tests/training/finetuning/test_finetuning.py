from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_network import tiny_model

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import CatalogueError, ModelError, TrainingError
from zooactive.models import GalaxyModel
from zooactive.models.freezing import encoder_blocks, free_last_blocks, layer_rates
from zooactive.prediction import predict
from zooactive.training.batches import Cutouts
from zooactive.training.config import Optimisation
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.finetune import finetune
from zooactive.training.finetuning.finetuned_model import FinetunedModel, load_finetuned
from zooactive.training.finetuning.tasks import NumberTask, Task, load_task, task_of_column
from zooactive.training.network import training_network
from zooactive.training.short_fits import Stage, of_votes
from zooactive.training.weights import votes_of
from zooactive.tree import DecisionTree, Question

QUICK = FinetuneConfig(policy="head", copies=2, batch_size=16, patience=30)


@pytest.fixture(scope="module")
def encoder() -> GalaxyModel:
    return tiny_model("gz2", stages=2, seed=1)


@pytest.fixture(scope="module")
def finer() -> GalaxyModel:
    """An encoder with features enough for labels that the pictures hardly show."""
    return GalaxyModel("gz2", backbone="small_cnn", image_size=16, seed=1)


@pytest.fixture(scope="module")
def bright(tmp_path_factory) -> Path:
    """80 pictures, every second one bright, and a table that calls the bright ones rings."""
    folder = tmp_path_factory.mktemp("bright")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(80):
        pixels = rng.normal(40 + 120 * (i % 2), 15, (24, 24, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"r{i:02d}.png")
        rows.append({"id": f"r{i:02d}", "file_loc": f"r{i:02d}.png", "ring": i % 2})
    pd.DataFrame(rows).to_csv(folder / "rings.csv", index=False)
    return folder


@pytest.fixture
def labels(bright, tmp_path) -> Path:
    """The table, beside its pictures, to be changed."""
    return Path(shutil.copytree(bright, tmp_path / "labels")) / "rings.csv"


@pytest.fixture(scope="module")
def learnt(encoder, bright) -> FinetunedModel:
    """A head that has learnt the rings; not to be changed."""
    return finetune(encoder, bright / "rings.csv", task="rings", config=QUICK)


def test_a_separable_question_is_learnt_and_measured_on_galaxies_held_out(learnt):
    metrics = learnt.evaluate()
    assert metrics["accuracy"] > 0.9
    assert metrics["auc"] > 0.95
    assert metrics["galaxies"] == len(learnt.held_out) < 40
    assert set(learnt.truth()) == {0.0, 1.0}
    assert metrics["accuracy_low"] < metrics["accuracy"] <= metrics["accuracy_high"]
    assert metrics["baseline"] == 0.5  # every label's share is the same in each part


def test_the_given_model_is_not_changed_and_a_frozen_encoder_is_bit_identical_afterwards(encoder, labels):
    before = encoder.fingerprint()
    tuned = finetune(encoder, labels, task="rings", config=QUICK)
    assert encoder.fingerprint() == before
    for mine, theirs in zip(tuned.model.encoder.get_weights(), encoder.encoder.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_what_was_fine_tuned_before_is_a_start_too(learnt, bright):
    after, by_model = (finetune(start, bright / "rings.csv", task="rings", config=QUICK) for start in (learnt, learnt.model))
    pd.testing.assert_frame_equal(after.held_out, by_model.held_out)
    rows = pd.read_csv(bright / "rings.csv").assign(mass=np.random.default_rng(0).normal(10, 1, 80))
    rows.to_csv(bright / "masses.csv", index=False)
    number = finetune(learnt, bright / "masses.csv", task=NumberTask("mass", "mass"), config=FinetuneConfig(copies=1))
    of_number = finetune(number, bright / "rings.csv", task="rings", config=QUICK)
    pd.testing.assert_frame_equal(of_number.held_out, after.held_out)


@pytest.mark.parametrize(("policy", "learning"), [("head", 0), ("last", 1), ("staged", 2), ("all", 2)])
def test_frozen_means_frozen(encoder, labels, policy, learning):
    """Weights of frozen blocks, and scales, shifts and statistics of all batch norms, are bit-identical afterwards."""
    config = FinetuneConfig(policy=policy, blocks=1, unfreeze_epochs=1, copies=1, batch_size=16)
    tuned = finetune(encoder, labels, task="rings", config=config)
    changed = []
    blocks = encoder_blocks(tuned.model.encoder), encoder_blocks(encoder.encoder)
    for mine, theirs in zip(*(networks.values() for networks in blocks), strict=True):
        same = {"bn": True, "conv": True}
        for layer, before in zip(mine, theirs, strict=True):
            kind = "bn" if "bn" in layer.name else "conv"
            same[kind] &= all(map(np.array_equal, layer.get_weights(), before.get_weights()))
        assert same["bn"]
        changed.append(not same["conv"])
    assert changed == [False] * (2 - learning) + [True] * learning
    assert all(layer.trainable for layers in blocks[0].values() for layer in layers)


def test_stages_of_each_policy(encoder, labels):
    def stages(policy):
        config = FinetuneConfig(policy=policy, unfreeze_epochs=1, copies=1, batch_size=40)
        return list(finetune(encoder, labels, task="rings", config=config).history["stage"])

    assert [stages(policy) for policy in ("head", "staged", "all")] == [["head"], ["head", "encoder"], ["encoder"]]


def test_an_encoder_that_learns_nothing_useful_stays_as_it_was(encoder, labels):
    config = FinetuneConfig(policy="staged", unfreeze_epochs=2, unfreeze_learning_rate=0.3, copies=1, batch_size=16)
    tuned = finetune(encoder, labels, task="rings", config=config)
    losses = tuned.history.groupby("stage")["val_loss"].min()
    assert losses["encoder"] > losses["head"]
    for mine, theirs in zip(tuned.model.encoder.get_weights(), encoder.encoder.get_weights(), strict=True):
        assert np.array_equal(mine, theirs)
    head = finetune(encoder, labels, task="rings", config=replace(config, policy="head"))
    np.testing.assert_allclose(tuned.model.linear_head().kernel, head.model.linear_head().kernel, rtol=1e-3, atol=1e-5)


def test_each_galaxy_is_predicted_by_a_fold_that_it_had_no_part_in(encoder, labels):
    config = FinetuneConfig(**{**vars(QUICK), "folds": 4})
    tuned = finetune(encoder, labels, task="rings", config=config)
    assert sorted(tuned.held_out["id"]) == [f"r{i:02d}" for i in range(80)]
    assert (tuned.held_out.groupby("fold")["ring_yes_votes"].agg(["sum", "size"]) == [10, 20]).all(axis=None)
    assert tuned.evaluate()["galaxies"] == 80
    assert tuned.evaluate()["accuracy"] > 0.9


def test_all_labels_may_be_learnt_from_where_others_judge(encoder, labels):
    tuned = finetune(encoder, labels, task="rings", config=FinetuneConfig(**{**vars(QUICK), "ratios": (0.8, 0.2, 0.0)}))
    assert len(tuned.held_out) == 0
    assert tuned.evaluate()["galaxies"] == 0
    assert np.isnan(tuned.evaluate()["accuracy"])


def test_a_label_that_is_too_rare_for_the_folds_is_counted(encoder, labels):
    table = pd.read_csv(labels)
    pd.concat([table[table["ring"] == 0], table[table["ring"] == 1].head(2)]).to_csv(labels, index=False)
    with pytest.raises(TrainingError, match=r"2 galaxies are labelled 'ring_yes'.*without folds"):
        finetune(encoder, labels, task="rings", config=replace(QUICK, folds=5))


def test_a_prevalence_shifts_the_odds_and_nothing_else(finer, labels):
    plain = finetune(finer, labels, task="rings", config=QUICK)
    rare = finetune(finer, labels, task="rings", config=FinetuneConfig(**{**vars(QUICK), "prevalence": 0.02}))
    assert plain.prior == rare.prior == pytest.approx((0.5, 0.5))
    bias = rare.model.linear_head().bias - plain.model.linear_head().bias
    assert bias[0] - bias[1] == pytest.approx(np.log(0.02 / 0.98), abs=1e-5)
    assert np.array_equal(plain.model.linear_head().kernel, rare.model.linear_head().kernel)
    assert rare.held_out.equals(plain.held_out)
    assert 0 < rare.evaluate()["purity"] <= 1
    with pytest.raises(TrainingError, match="first of two labels"):
        finetune(
            finer,
            labels,
            task=Task("three", DecisionTree("three", [Question("ring", ["0", "1", "2"])], votes="class"), "ring"),
            config=FinetuneConfig(prevalence=0.1),
        )


@pytest.fixture(scope="module")
def rare(tmp_path_factory) -> Path:
    """One in ten is a ring, and rings are but a little brighter: no image is sure of its label."""
    folder = tmp_path_factory.mktemp("rare")
    rng = np.random.default_rng(3)
    rows = []
    for i in range(300):
        pixels = rng.normal(80 + 12 * (i % 10 == 0) + rng.normal(0, 12), 15, (24, 24, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"r{i:03d}.png")
        rows.append({"id": f"r{i:03d}", "file_loc": f"r{i:03d}.png", "ring": "y" if i % 10 == 0 else "n"})
    pd.DataFrame(rows).to_csv(folder / "rings.csv", index=False)
    return folder / "rings.csv"


@pytest.mark.parametrize("balance", [0.0, 1.0])
def test_where_labels_are_rare_in_the_table_the_probabilities_are_too(finer, rare, balance):
    task = task_of_column(rare, "ring")
    tuned = finetune(finer, rare, task=task, config=replace(QUICK, folds=5, balance=balance))
    assert tuned.held_out["ring_yes"].mean() == pytest.approx(0.1, abs=0.03)
    assert tuned.prior == pytest.approx((0.1, 0.9), abs=0.01)
    assert tuned.evaluate()["auc"] > 0.6


def test_fractions_are_not_weighed_by_how_rare_they_are(encoder, labels):
    table = pd.read_csv(labels)
    table.assign(p=0.04 + 0.1 * table["ring"]).to_csv(labels, index=False)
    told = [
        finetune(encoder, labels, task=task_of_column(labels, "p"), config=replace(QUICK, balance=balance)).held_out
        for balance in (0.0, 1.0)
    ]
    pd.testing.assert_frame_equal(*told)


def test_a_fraction_is_learnt_and_measured_by_correlation_and_mean_error(encoder, labels):
    table = pd.read_csv(labels)
    table.assign(p=0.1 + 0.7 * table["ring"]).to_csv(labels, index=False)
    config = FinetuneConfig(**{**vars(QUICK), "folds": 4})
    tuned = finetune(encoder, labels, task=task_of_column(labels, "p"), config=config)
    metrics = tuned.evaluate()
    assert metrics["correlation"] > 0.8
    assert metrics["mean_error"] < metrics["baseline_error"] == pytest.approx(0.35)
    assert tuned.prior is None


def test_images_unlike_those_of_the_encoder_are_warned_of(learnt, labels, recwarn):
    learnt = learnt.model
    finetune(learnt, labels, task="rings", config=QUICK)
    assert not [warning for warning in recwarn if "unlike" in str(warning.message)]
    for path in labels.parent.glob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path)) // 8).save(path)
    with pytest.warns(UserWarning, match=r"unlike those that the model was trained on: .*contrast"):
        finetune(learnt, labels, task="rings", config=QUICK)
    with pytest.warns(UserWarning, match=r"unlike those that the model was trained on: .*contrast"):
        predict(learnt, labels)
    with pytest.warns(UserWarning, match="contrast"):
        predict(learnt, labels, out=labels.parent / "pool")
    recwarn.clear()
    predict(learnt, labels, out=labels.parent / "pool")  # it is there already
    assert len(recwarn) == 0


def test_a_saved_result_predicts_the_same_after_loading(encoder, labels, tmp_path):
    odd = ["NA", "None", "nan", "null", "NULL", "N/A", "n/a", "NaN"]
    pd.read_csv(labels).replace({"id": {f"r{i:02d}": odd[i] for i in range(8)}}).to_csv(labels, index=False)
    tuned = finetune(encoder, labels, task="rings", config=FinetuneConfig(policy="head", copies=1))
    tuned.save(tmp_path / "saved")
    loaded = load_finetuned(tmp_path / "saved")
    assert list(loaded.held_out["id"]) == list(tuned.held_out["id"])
    assert set(odd) & set(loaded.held_out["id"])
    pool = [labels.parent / f"r{i:02d}.png" for i in range(3)]
    catalogue = Catalogue(np.array(["a", "b", "c"], dtype=object), tuple(pool), None, None, pd.DataFrame(index=range(3)), "")
    assert np.array_equal(loaded.predict(catalogue).concentrations, tuned.predict(catalogue).concentrations)
    assert loaded.evaluate() == pytest.approx(tuned.evaluate())
    assert loaded.model.images.to_dict() == tuned.model.images.to_dict()
    assert loaded.task.load_tree() == tuned.task.load_tree()
    with pytest.raises(ModelError, match="no fine-tuned model"):
        load_finetuned(tmp_path)


def test_a_single_label_makes_concentrations_of_fixed_sum(encoder, labels):
    tuned = finetune(encoder, labels, task="rings", config=FinetuneConfig(policy="head", copies=1))
    posterior = tuned.predict(labels)
    assert np.allclose(posterior.concentrations.sum(-1), 100, rtol=1e-5)


def test_labels_of_one_kind_are_refused(encoder, labels):
    table = pd.read_csv(labels)
    table.assign(ring=1).to_csv(labels, index=False)
    with pytest.raises(TrainingError, match=r"'ring_no'.*nothing to tell apart"):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_a_galaxy_without_a_readable_image_is_left_out_with_a_warning(encoder, labels):
    (labels.parent / "r07.png").unlink()
    (labels.parent / "r09.png").write_bytes(b"")
    config = FinetuneConfig(**{**vars(QUICK), "folds": 3})
    with pytest.warns(UserWarning, match=r"2 of 80 labelled galaxies are left out.*r07"):
        tuned = finetune(encoder, labels, task="rings", config=config)
    assert len(tuned.held_out) == 78


def test_too_few_labels_are_refused(encoder, labels):
    pd.read_csv(labels).head(2).to_csv(labels, index=False)
    with pytest.raises(TrainingError, match="too few for training"):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_a_missing_label_column_is_named(encoder, labels):
    pd.read_csv(labels).rename(columns={"ring": "rnig"}).to_csv(labels, index=False)
    with pytest.raises(CatalogueError, match="'ring'"):
        finetune(encoder, labels, task="rings", config=QUICK)
    pd.read_csv(labels).rename(columns={"rnig": "merger"}).to_csv(labels, index=False)
    with pytest.raises(
        CatalogueError, match=r"'ring' is missing.*It has id, file_loc, merger\. Name the column that.*--column"
    ):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_labels_of_a_kind_below_ten_are_warned_of(encoder, labels):
    few = pd.read_csv(labels)
    few.loc[few.index[1::2][9:], "ring"] = 0
    few.to_csv(labels, index=False)
    with pytest.warns(UserWarning, match=r"fewer than 10 galaxies \(9 ring_yes\)"):
        finetune(encoder, labels, task="rings", config=QUICK)


def test_lower_blocks_move_by_smaller_steps(encoder, labels):
    """Adam's first step is the learning rate, whatever the gradient: each block's is the share that the decay leaves."""
    catalogue = load_task("rings").read(labels)
    model = encoder.with_tree(catalogue.tree, concentrations="fraction")
    free_last_blocks(model.encoder)
    before = {weight.path: weight.numpy() for weight in (*model.encoder.weights, *model.head.weights)}
    how = Optimisation(epochs=1, batch_size=80, learning_rate=1e-5, weight_decay=0.0, warmup_epochs=0)
    stage = Stage("encoder", of_votes(model.tree), how, layer_rates(model.encoder, 0.5))
    images = Cutouts(catalogue, model.preprocessing)
    judging = images.rows(np.arange(80)), votes_of(catalogue), np.ones(80, np.float32)
    stage.fit(training_network(model, encoder_training=False), (images, votes_of(catalogue)), judging)
    steps = {
        weight.path: np.abs(weight.numpy() - before[weight.path]).max() / 1e-5
        for weight in (*model.encoder.weights, *model.head.weights)
    }
    blocks = list(encoder_blocks(model.encoder).values())
    for number, layers in enumerate(blocks):
        for weight in (weight for layer in layers for weight in layer.trainable_weights):
            assert steps[weight.path] == pytest.approx(0.5 ** (len(blocks) - number), rel=0.02)
    assert max(steps[weight.path] for weight in model.head.weights) == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"policy": "heads"}, "Did you mean 'head'"),
        ({"policy": "all", "unfreeze_epochs": 0}, "learns nothing"),
        ({"folds": 1}, "folds = 1"),
        ({"folds": 2}, "leaves no galaxies for training"),
        ({"prevalence": 1.0}, "between 0 and 1"),
        ({"copies": 9}, "1 to 8"),
        ({"layer_decay": 0.0}, "layer_decay = 0.0"),
        ({"ratios": (0.8, 0.3, 0.1)}, "sum to 1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, said):
    with pytest.raises(TrainingError, match=said):
        FinetuneConfig(**settings)


def test_the_held_out_table_says_what_predicting_says(encoder, labels):
    for policy in ("head", "staged"):
        config = FinetuneConfig(policy=policy, unfreeze_epochs=1, copies=2, batch_size=8)
        tuned = finetune(encoder, labels, task="rings", config=config)
        table = tuned.predict(labels).to_table().set_index("id").loc[tuned.held_out["id"]]
        assert tuned.held_out["ring_yes"].to_numpy() == pytest.approx(table["ring_yes"].to_numpy(), abs=1e-4)


def test_a_save_into_an_older_tasks_folder_leaves_nothing_old_even_when_it_is_interrupted(learnt, tmp_path, monkeypatch):
    learnt.save(tmp_path)
    (tmp_path / "how.json").write_text("{}")
    (tmp_path / "model" / "draws-laplace-0123abcd.npz").write_bytes(b"old")

    def full(model: GalaxyModel, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(GalaxyModel, "save", full)
        with pytest.raises(OSError, match="No space"):
            learnt.save(tmp_path)
    with pytest.raises(ModelError, match="holds no fine-tuned model"):
        load_finetuned(tmp_path)
    learnt.save(tmp_path)
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {
        "finetuned.json",
        "held_out.csv",
        "history.csv",
        *(f"model/{n}" for n in ("model.json", "encoder.npz", "head.npz")),
    }


def test_a_task_of_a_newer_version_is_refused_as_such(learnt, tmp_path):
    learnt.save(tmp_path)
    about = tmp_path / "finetuned.json"
    about.write_text(about.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(ModelError, match="format 99, but this version"):
        load_finetuned(tmp_path)
