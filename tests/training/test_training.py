from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from tiny_network import tiny_model

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.errors import TrainingError
from zooactive.foundation.writing import this_host
from zooactive.models import GalaxyModel, load_model
from zooactive.models.backbones.register import nested_layers
from zooactive.posterior.loss import constant_concentrations, constant_negative_log_likelihood
from zooactive.training.augmentation import Augmentation
from zooactive.training.config import TrainingConfig
from zooactive.training.train import train
from zooactive.training.weights import label_weights
from zooactive.tree import load_tree

SHORT = TrainingConfig(epochs=3, batch_size=8, learning_rate=3e-3, warmup_epochs=1, patience=5)


@dataclass(frozen=True)
class Finished:
    """A run that came to its end, and what came out of it. Tests that go on in its folder take a copy."""

    folder: Path
    model: GalaxyModel
    history: pd.DataFrame
    parts: tuple[Catalogue, Catalogue]

    def copy(self, folder: Path) -> Path:
        return Path(shutil.copytree(self.folder, folder))


@pytest.fixture(scope="module")
def finished(tree, galaxies_in, tmp_path_factory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    learning, judging = galaxies_in(16, folder / "images").split((0.6, 0.4))
    model = tiny_model(tree)
    history = train(model, learning, validation=judging, run_dir=folder / "run", config=SHORT)
    return Finished(folder / "run", model, history, (learning, judging))


def test_training_starts_at_the_best_constant_and_ends_below_it_on_what_it_learns_from(tree, galaxies, tmp_path):
    catalogue = galaxies(24)
    model = tiny_model(tree)
    config = replace(SHORT, epochs=12, batch_size=24, learning_rate=0.02)
    history = train(model, catalogue, run_dir=tmp_path / "run", config=config)
    constant = constant_concentrations(catalogue.votes, tree)
    baseline = constant_negative_log_likelihood(constant, catalogue.votes, tree).mean()
    assert history["loss"].iloc[0] < 1.3 * baseline
    assert history["loss"].min() < baseline
    assert list(history.columns) == ["epoch", "loss", "val_loss", "learning_rate"]


def test_the_learning_rate_warms_up_and_then_decays_to_nothing(tree, galaxies, tmp_path):
    config = replace(SHORT, epochs=5, warmup_epochs=2)
    rates = train(tiny_model(tree), galaxies(8), run_dir=tmp_path, config=config)["learning_rate"].to_numpy()
    assert np.argmax(rates) == 1
    assert rates[1] == pytest.approx(config.learning_rate)
    assert rates[0] == pytest.approx(config.learning_rate / 2)
    assert rates[-1] == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("precision", [pytest.param("float32", marks=pytest.mark.graph), "mixed_float16"])
def test_a_run_that_is_killed_goes_on_to_the_losses_of_an_undisturbed_one(tree, finished, tmp_path, precision):
    def killed(epoch: int, losses: dict[str, float]) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    def run(folder: str, progress=None) -> pd.DataFrame:
        model, (learning, judging) = tiny_model(tree, precision=precision), finished.parts
        return train(model, learning, validation=judging, run_dir=tmp_path / folder, config=SHORT, progress=progress)

    whole = finished.history if precision == "float32" else run("whole")
    with pytest.raises(KeyboardInterrupt):
        run("killed", killed)
    resumed = run("killed")
    assert list(resumed["epoch"]) == [1, 2, 3]
    # The order, the orientations and the dropout are the same; the sums of many threads may differ in the last bits.
    assert np.allclose(resumed[["loss", "val_loss"]], whole[["loss", "val_loss"]], rtol=2e-3)


def test_where_epochs_are_shorter_than_writing_a_checkpoint_few_are_written_and_nothing_else_changes(
    tree, galaxies, tmp_path, monkeypatch
):
    parts = galaxies(24).split((0.6, 0.4))
    config = replace(SHORT, epochs=5, batch_size=16, learning_rate=0.02)
    files: list[list[str]] = []

    def run(folder: str, *, until: int = 5) -> pd.DataFrame:
        def seen(epoch: int, losses: dict[str, float]) -> None:
            files.append(sorted(file.name for file in (tmp_path / folder / "checkpoint").glob("*.h5")))
            if epoch == until < 5:
                raise KeyboardInterrupt

        model = tiny_model(tree)
        history = train(model, parts[0], validation=parts[1], run_dir=tmp_path / folder, config=config, progress=seen)
        assert load_model(tmp_path / folder).fingerprint() == model.fingerprint()
        return history

    every = run("every")
    monkeypatch.setattr("zooactive.training.keeper._QUICK", 0)
    monkeypatch.setattr("zooactive.training.keeper._PACE", 1e9)
    few = run("few")
    assert files[5:] == [["1.weights.h5"]] * 4 + [["0.weights.h5", "1.weights.h5"]]
    with pytest.raises(KeyboardInterrupt):
        run("killed", until=4)
    resumed = run("killed")
    for history in (few, resumed):
        assert list(history["epoch"]) == [1, 2, 3, 4, 5]
        assert np.allclose(history[["loss", "val_loss"]], every[["loss", "val_loss"]], rtol=2e-3)
    best = [load_model(tmp_path / folder).linear_head().kernel for folder in ("every", "few", "killed")]
    for kernel in best[1:]:
        np.testing.assert_allclose(kernel, best[0], atol=2e-3)


def test_the_model_ends_with_the_weights_of_the_best_epoch_which_lie_in_the_run_directory(finished):
    assert load_model(finished.folder).fingerprint() == finished.model.fingerprint()
    assert (finished.folder / "how.json").exists()


def test_training_stops_when_the_validation_loss_has_not_fallen_for_long(tree, galaxies, tmp_path):
    parts = galaxies(24).split((0.6, 0.4))
    config = replace(SHORT, epochs=18, patience=2, learning_rate=0.05)
    history = train(tiny_model(tree), parts[0], validation=parts[1], run_dir=tmp_path, config=config)
    assert len(history) == history["val_loss"].argmin() + 1 + 2 < 18


def test_a_head_that_is_fitted_anew_is_kept_only_where_it_predicts_better(tree, finished, tmp_path):
    plain, refitted, history = finished.model, tiny_model(tree), finished.history
    learning, judging = finished.parts
    config = replace(SHORT, head_epochs=20)
    train(refitted, learning, validation=judging, run_dir=tmp_path / "refitted", config=config)
    state = json.loads((tmp_path / "refitted" / "checkpoint" / "state.json").read_text())
    assert np.isfinite(state["head_val_loss"])
    better = state["head_val_loss"] < history["val_loss"].min() - 0.05  # threads move the last bits of both
    changed = not np.allclose(refitted.linear_head().kernel, plain.linear_head().kernel, atol=1e-2)
    assert better == changed
    pixels = np.zeros((1, 16, 16, 3), np.float32)
    np.testing.assert_allclose(np.asarray(refitted.encoder(pixels)), np.asarray(plain.encoder(pixels)), atol=1e-3)


def test_a_head_that_was_kept_before_the_run_was_killed_is_not_fitted_again(tree, galaxies, tmp_path, monkeypatch):
    def fit_head(model, *parts, **options):
        calls.append(1)
        model.head.bias.assign(model.head.bias + 1)
        return [{"val_loss": 0.0}]

    calls: list[int] = []
    monkeypatch.setattr(sys.modules["zooactive.training.train"], "fit_head", fit_head)
    parts, config = galaxies(24).split((0.6, 0.4)), replace(SHORT, epochs=1, head_epochs=2)
    first, again = tiny_model(tree), tiny_model(tree)
    train(first, parts[0], validation=parts[1], run_dir=tmp_path, config=config)
    state = json.loads((tmp_path / "checkpoint" / "state.json").read_text())
    (tmp_path / "checkpoint" / "state.json").write_text(json.dumps({**state, "finished": False}))
    train(again, parts[0], validation=parts[1], run_dir=tmp_path, config=config)
    assert len(calls) == 1
    assert again.fingerprint() == first.fingerprint()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"state\.json is damaged"),
        ("{", r"state\.json is damaged"),
        ("[]", r"state\.json is damaged"),
        ("{}", "fingerprint is missing"),
        ('{"fingerprint": "a", "start": "b", "finished": false, "writes": 1, "epochs": [{}]}', "an epoch has no val_loss"),
        ('{"fingerprint": "a", "start": "b", "finished": true, "writes": 1, "epochs": []}', "finished without an epoch"),
        ('{"format": 99}', "format 99, but this version"),
    ],
)
def test_a_damaged_state_is_refused_in_a_sentence_and_left_as_it_is(tree, finished, tmp_path, content, told):
    state = tmp_path / "checkpoint" / "state.json"
    state.parent.mkdir()
    state.write_text(content)
    with pytest.raises(TrainingError, match=told):
        train(tiny_model(tree), finished.parts[0], validation=finished.parts[1], run_dir=tmp_path, config=SHORT)
    assert state.read_text() == content


def test_what_killed_trainings_left_half_written_goes_at_the_next_run(tree, finished, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    left = [
        tmp_path / place / f".part-{this_host()}-{ended.stdout.strip()}-01234567-0.weights.h5"
        for place in (".", "checkpoint", "model")
    ]
    for file in left:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"half")
    config = replace(SHORT, epochs=1)
    train(tiny_model(tree), finished.parts[0], validation=finished.parts[1], run_dir=tmp_path, config=config)
    assert not any(file.exists() for file in left)


def test_rare_labels_weigh_more_by_a_power_of_their_frequency():
    tree = load_tree("zhu5")
    votes = np.eye(5, dtype=np.float32)[[0] * 90 + [2] * 10]
    for balance, ratio in ((0.0, 1.0), (0.5, 3.0), (1.0, 9.0)):
        weights = label_weights(votes, votes, tree, balance)
        assert weights.mean() == pytest.approx(1)
        assert weights[-1] / weights[0] == pytest.approx(ratio)
        # Other galaxies are weighed by what was learnt from, however rare their own labels are.
        np.testing.assert_allclose(label_weights(votes[-1:], votes, tree, balance), weights[-1:])


def test_a_label_that_was_not_learnt_weighs_as_a_single_one_would():
    tree = load_tree("zhu5")
    learnt = np.eye(5, dtype=np.float32)[[0] * 64]
    weights = label_weights(np.eye(5, dtype=np.float32)[[0, 2]], learnt, tree, 0.5)
    assert weights[1] / weights[0] == pytest.approx(8)


def test_a_finished_run_is_not_trained_again(tree, finished, tmp_path):
    learning, judging = finished.parts
    told: list[int] = []
    again = train(
        tiny_model(tree),
        learning,
        validation=judging,
        run_dir=finished.copy(tmp_path / "run"),
        config=SHORT,
        progress=lambda epoch, losses: told.append(epoch),
    )
    assert told == []
    pd.testing.assert_frame_equal(finished.history, again)


def test_a_finished_run_goes_on_when_more_epochs_are_asked_for(tree, finished, tmp_path):
    learning, judging, run_dir = *finished.parts, finished.copy(tmp_path / "run")
    longer = replace(SHORT, epochs=SHORT.epochs + 1)
    history = train(tiny_model(tree), learning, validation=judging, run_dir=run_dir, config=longer)
    assert len(history) == longer.epochs
    assert history["loss"][: SHORT.epochs].tolist() == finished.history["loss"].tolist()
    with pytest.raises(TrainingError, match="other galaxies, images or settings"):
        train(tiny_model(tree), learning, validation=judging, run_dir=run_dir, config=SHORT)


def test_a_run_directory_of_other_settings_or_galaxies_is_refused(tree, finished, tmp_path):
    (learning, judging), run_dir = finished.parts, finished.copy(tmp_path / "run")
    with pytest.raises(TrainingError, match="another run directory"):
        train(tiny_model(tree), learning, validation=judging, run_dir=run_dir, config=replace(SHORT, seed=1))
    with pytest.raises(TrainingError, match="another run directory"):
        train(tiny_model(tree), learning.take(range(1, len(learning))), validation=judging, run_dir=run_dir, config=SHORT)


def test_a_loss_that_is_not_finite_stops_with_the_ids_of_the_batch(tree, galaxies, tmp_path):
    exploding = replace(SHORT, learning_rate=1e30, warmup_epochs=0, batch_size=4)
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch \d.*of the previous one: g00\d(, g00\d){3,7}$"):
        train(tiny_model(tree), galaxies(8), run_dir=tmp_path, config=exploding)


def test_a_validation_loss_that_is_not_finite_stops_too_and_is_no_epoch(tree, galaxies, tmp_path):
    exploding = replace(SHORT, learning_rate=1e30, warmup_epochs=0)  # one step an epoch: its own loss came before it
    parts = galaxies(16).split((0.5, 0.5))
    with pytest.raises(TrainingError, match=r"the validation loss is nan after epoch 1.*g0\d\d(, g0\d\d)+$"):
        train(tiny_model(tree), parts[0], validation=parts[1], run_dir=tmp_path, config=replace(exploding, batch_size=64))
    assert not (tmp_path / "checkpoint").exists()


def test_a_run_directory_of_other_images_or_first_weights_is_refused(tree, finished, tmp_path):
    (learning, judging), run_dir = finished.parts, finished.copy(tmp_path / "run")
    train(finished.model, learning, validation=judging, run_dir=run_dir, config=SHORT)  # with what it became
    shifted = tiny_model(tree)
    shifted.head.bias.assign(shifted.head.bias + 1)
    with pytest.raises(TrainingError, match="other weights to start from"):
        train(shifted, learning, validation=judging, run_dir=run_dir, config=SHORT)
    edited = Path(shutil.copy(learning.images[3], tmp_path))
    edited.write_bytes(edited.read_bytes() + b" ")
    images = (*learning.images[:3], edited, *learning.images[4:])
    with pytest.raises(TrainingError, match="other galaxies, images or settings"):
        train(tiny_model(tree), replace(learning, images=images), validation=judging, run_dir=run_dir, config=SHORT)


def test_a_run_that_is_killed_before_it_says_how_it_was_made_says_so_when_it_goes_on(tree, finished, tmp_path, monkeypatch):
    (learning, judging), run_dir = finished.parts, unfinished(finished.copy(tmp_path / "run"))
    (run_dir / "how.json").unlink()

    def killed(*given: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["zooactive.training.train"], "write_how", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_model(tree), learning, validation=judging, run_dir=run_dir, config=SHORT)
    train(tiny_model(tree), learning, validation=judging, run_dir=run_dir, config=SHORT)
    for name in ("how.json", "checkpoint/state.json", "history.csv"):
        assert (run_dir / name).read_bytes() == (finished.folder / name).read_bytes(), name


def test_room_for_a_checkpoint_is_asked_for_before_it_is_written(tree, galaxies, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("zooactive.training.keeper.refuse_without_room", lambda _, size: asked.append(size))
    train(tiny_model(tree), galaxies(8), run_dir=tmp_path, config=replace(SHORT, epochs=1))
    written = (tmp_path / "checkpoint" / "1.weights.h5").stat().st_size
    assert written <= asked[0] < written + 4096 * 60


def unfinished(run: Path) -> Path:
    """Leave of a run what a kill before its end leaves."""
    state = run / "checkpoint" / "state.json"
    state.write_text(state.read_text().replace('"finished": true', '"finished": false'))
    return run


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", [Path, unfinished])
def test_a_run_goes_on_over_a_copy_of_its_images_but_not_over_images_changed_in_place(
    tree, galaxies_in, tmp_path, end, packed
):
    place = tmp_path / "images"
    survey = galaxies_in(16, place)

    def learn(folder: Path) -> pd.DataFrame:
        images = tuple(folder / source.name for source in survey.images)
        read = read_catalogue(folder / "shards", tree=tree) if packed else replace(survey, images=images)
        return train(tiny_model(tree), read, run_dir=tmp_path / "run", config=replace(SHORT, epochs=2))

    if packed:
        write_shards(survey, place / "shards", Preprocessing(size=16))
        shard = place / "shards" / "part-00000.parquet"
        pq.write_table(pq.read_table(shard), shard, compression="none")
    history = learn(place)
    end(tmp_path / "run")
    copied = Path(shutil.copytree(place, tmp_path / "copied", copy_function=shutil.copyfile))  # with times of their own
    assert learn(copied).equals(history)
    end(tmp_path / "run")
    changed = copied / survey.images[3].name
    if packed:
        changed = copied / "shards" / "part-00000.parquet"
    held = pq.read_table(changed)["image"][3]["bytes"].as_py() if packed else changed.read_bytes()
    changed.write_bytes(changed.read_bytes().replace(held, held[:-1] + b"?"))
    with pytest.raises(TrainingError, match="other images: 1 of 16, such as that of galaxy 'g003'"):
        learn(copied)


def test_a_run_of_before_there_were_marks_of_images_goes_on_with_a_warning(tree, finished, tmp_path):
    (learning, judging), run = finished.parts, unfinished(finished.copy(tmp_path / "run"))
    state = json.loads((run / "checkpoint" / "state.json").read_text())
    del state["images"], state["format"]
    (run / "checkpoint" / "state.json").write_text(json.dumps(state))
    with pytest.warns(UserWarning, match="begun before runs kept marks"):
        train(tiny_model(tree), learning, validation=judging, run_dir=run, config=SHORT)
    train(tiny_model(tree), learning, validation=judging, run_dir=run, config=SHORT)


def test_a_run_that_was_killed_when_patience_had_run_out_learns_no_further_epoch(tree, galaxies, tmp_path, monkeypatch):
    parts = galaxies(24).split((0.6, 0.4))
    config = replace(SHORT, epochs=18, patience=1, learning_rate=0.05, head_epochs=1)

    def killed(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["zooactive.training.train"], "_refit_head", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_model(tree), parts[0], validation=parts[1], run_dir=tmp_path, config=config)
    epochs = len(pd.read_csv(tmp_path / "history.csv"))
    history = train(tiny_model(tree), parts[0], validation=parts[1], run_dir=tmp_path, config=config)
    assert len(history) == epochs < 18


def test_two_half_batches_before_a_step_move_weights_as_one_whole_batch_does(tree, galaxies, tmp_path):
    catalogue, moved = galaxies(8), []
    still = Augmentation(flips=False, rotation="none")
    for size, parts in ((8, 1), (4, 2)):
        model = tiny_model(tree, dropout=0.0)
        for layer in nested_layers(model.encoder):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False  # it would see each half by itself
        config = replace(
            SHORT, epochs=1, batch_size=size, accumulate=parts, drops=(0.9,), optimizer="sgd", augmentation=still
        )
        before = model.linear_head().kernel.copy()
        train(model, catalogue, run_dir=tmp_path / str(parts), config=config)
        moved.append(model.linear_head().kernel - before)
    assert np.abs(moved[0]).max() > 1e-5
    np.testing.assert_allclose(moved[1], moved[0], rtol=1e-3, atol=1e-3 * np.abs(moved[0]).max())


def test_more_batches_before_a_step_than_an_epoch_has_are_refused(tree, galaxies, tmp_path):
    with pytest.raises(TrainingError, match="accumulate = 4, but an epoch has 2 batches of 8"):
        train(tiny_model(tree), galaxies(16), run_dir=tmp_path, config=replace(SHORT, accumulate=4))


def test_a_seed_may_be_a_date(tree, galaxies, tmp_path):
    model = tiny_model(tree, seed=20261126)
    history = train(model, galaxies(16), run_dir=tmp_path, config=replace(SHORT, epochs=1, seed=20261126))
    assert np.isfinite(history["loss"]).all()


@pytest.mark.parametrize("met", [MemoryError(), RuntimeError("RESOURCE_EXHAUSTED: failed to allocate 3 GiB")])
def test_a_batch_that_does_not_fit_is_answered_with_one_that_may(tree, galaxies, tmp_path, met):
    def full(epoch: int, losses: dict[str, float]) -> None:
        raise met

    config = replace(SHORT, accumulate=2)
    with pytest.raises(TrainingError, match=r"8 galaxies does not fit.*--batch-size 4 --accumulate 4"):
        train(tiny_model(tree), galaxies(16), run_dir=tmp_path, config=config, progress=full)
    with pytest.raises(TrainingError, match="--image-size"):
        train(tiny_model(tree), galaxies(8), run_dir=tmp_path / "b", config=replace(SHORT, batch_size=2), progress=full)


def test_other_errors_stay_what_they_are(tree, galaxies, tmp_path):
    def broken(epoch: int, losses: dict[str, float]) -> None:
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        train(tiny_model(tree), galaxies(8), run_dir=tmp_path, config=SHORT, progress=broken)


def test_galaxies_without_enough_votes_are_left_out_and_none_at_all_is_refused(tree, galaxies, tmp_path):
    catalogue = galaxies(8)
    catalogue.votes[:] = 0
    with pytest.raises(TrainingError, match="none of 8 galaxies has 30 votes"):
        train(tiny_model(tree), catalogue, run_dir=tmp_path, config=SHORT)


def test_votes_of_another_tree_are_refused(galaxies, tmp_path):
    model = tiny_model("rings")
    with pytest.raises(Exception, match="rings"):
        train(model, galaxies(8), run_dir=tmp_path, config=SHORT)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": -1}, {"learning_rate": 0.0}, {"weight_decay": -1.0}])
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        TrainingConfig(**wrong)


def test_tensorboard_finds_the_curves_of_a_run(finished):
    pytest.importorskip("tensorboard")
    assert list((finished.folder / "tensorboard").rglob("events.out.tfevents.*"))


def test_curves_that_cannot_be_written_are_told_in_a_sentence(tmp_path):
    from zooactive.foundation.errors import OutputError
    from zooactive.training.keeper import curves_explained

    with pytest.raises(OutputError, match="tensorboard cannot be written; is the disk full"), curves_explained(tmp_path):
        raise RuntimeError(
            "{{function_node}} runs/events.v2\n\tCould not initialize events writer. [Op:CreateSummaryFileWriter]"
        )
    with pytest.raises(RuntimeError, match="something else"), curves_explained(tmp_path):
        raise RuntimeError("something else")
