"""What zooactive wrote and reads back: selections, posteriors, predictions, shards, heads, models, and others' weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hostile import as_json, damaged, fuzzed, misfilled, miswritten, read_or_refused
from hypothesis import given
from hypothesis import strategies as st

from zooactive.acquisition.selection_files import read_selection
from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.images import encode_png
from zooactive.catalogue.shards import write_shards
from zooactive.models import GalaxyModel, LaplaceHead, LinearHead, load_draws, load_model
from zooactive.models.head.scaled import ScaledDraws
from zooactive.models.published.encoders import read_timm
from zooactive.posterior import Posterior, read_posterior, write_posterior
from zooactive.prediction import PredictionConfig, find_similar, open_predictions
from zooactive.prediction.runs import write_predictions
from zooactive.training.finetuning.finetuned_model import FinetunedModel, load_finetuned
from zooactive.training.finetuning.tasks import Task
from zooactive.tree import DecisionTree, Question

TREE = DecisionTree("own", [Question("smooth", ["yes", "no"]), Question("bar", ["yes", "no"], ["smooth_no"])], min_votes=1)
IDS = [f"g{i}" for i in range(6)]
RNG = np.random.default_rng(0)
ODD_ARRAYS = (np.zeros(0), np.float32(1), np.array(["a"]), np.full((2, 4), np.nan), np.zeros((2, 4), complex))
SELECTION = "id,score,rank,arm,inclusion_probability\ng1,0.5,1,score,0.2\n0123,nan,2,random,0.1\n"


@pytest.fixture(scope="module")
def galaxies() -> Catalogue:
    pictures = tuple(encode_png(RNG.integers(0, 255, (16, 16, 3), dtype=np.uint8)) for _ in IDS)
    votes = np.tile([3.0, 5.0, 1.0, 4.0], (len(IDS), 1))
    return Catalogue(np.array(IDS, dtype=object), pictures, votes, TREE, pd.DataFrame({"mag": np.arange(6.0)}), "own")


@pytest.fixture(scope="module")
def model() -> GalaxyModel:
    return GalaxyModel(TREE, backbone="small_cnn", image_size=16)


@pytest.fixture(scope="module")
def sound(galaxies: Catalogue, model: GalaxyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one of everything."""
    place = tmp_path_factory.mktemp("sound")
    (place / "selection.csv").write_text(SELECTION)
    concentrations = RNG.uniform(1, 9, (3, len(IDS), len(TREE.columns)))
    write_posterior(Posterior(concentrations, IDS, TREE), place / "posterior.parquet")
    weights = RNG.uniform(0.1, 1, (3, len(IDS)))
    write_posterior(Posterior(concentrations, IDS, TREE, weights=weights), place / "weighted.parquet")
    config = PredictionConfig(draws=3, batch_size=4, rows_per_part=4)
    find_similar(write_predictions(model, galaxies, place / "predictions", config=config), "g1")
    write_shards(galaxies, place / "shards", Preprocessing(size=8), rows_per_shard=4)
    model.save(place / "model")
    head = model.linear_head()
    head.save(place / "head.npz")
    ScaledDraws(LinearHead(head.kernel, head.bias, 0.1, "softplus", TREE), np.array([2.0, 0.5])).save(place / "scaled.npz")
    axes = (np.eye(len(head.kernel) + 1), np.eye(len(head.bias)))
    precision = np.ones((len(head.kernel) + 1, len(head.bias)))
    LaplaceHead(head.kernel, head.bias, *axes, precision, "softplus", TREE).save(place / "laplace.npz")
    held_out = pd.DataFrame({"id": IDS} | dict.fromkeys(TREE.columns, 0.5) | {f"{name}_votes": 1 for name in TREE.columns})
    history = pd.DataFrame({"stage": ["head"], "epoch": [1], "loss": [0.5], "val_loss": [0.5]})
    FinetunedModel(model, Task("own", TREE), held_out, history, (0.5, 0.5), 0.1).save(place / "finetuned")
    return place


@pytest.fixture
def place(sound: Path, tmp_path: Path) -> Path:
    return shutil.copytree(sound, tmp_path / "place")


def use_predictions(folder: Path) -> None:
    predictions = open_predictions(folder)
    for posterior in predictions:
        assert np.isfinite(posterior.mean()).all()
    assert isinstance(len(predictions), int)
    predictions.known(IDS)
    list(predictions.screenings("mutual_information", artifacts=False))
    list(predictions.posteriors(["g1"]))
    predictions.catalogue()
    predictions.table()
    predictions.failures()
    find_similar(predictions, "g1")
    assert predictions.rows_per_part > 0
    assert predictions.encoder


def use_shards(folder: Path) -> None:
    catalogue = read_catalogue(folder)
    catalogue.decode(Preprocessing(size=8))


def use_head(path: Path) -> None:
    draws = load_draws(path)
    concentrations = draws.posterior_concentrations(np.ones((2, draws.features)), draws=2, seed=0)
    Posterior(concentrations, ["a", "b"], draws.tree)


def use_model(folder: Path) -> None:
    assert isinstance(load_model(folder).fingerprint(), str)


def use_finetuned(folder: Path) -> None:
    tuned = load_finetuned(folder)
    tuned.evaluate()
    tuned.questions()


READERS: dict[str, tuple[Callable[[Path], Any], str, int]] = {
    "selection.csv": (read_selection, "selection.csv", 30),
    "posterior.parquet": (read_posterior, "posterior.parquet", 30),
    "weighted.parquet": (read_posterior, "weighted.parquet", 30),
    "predictions/journal.json": (use_predictions, "predictions", 15),
    "predictions/head.npz": (use_predictions, "predictions", 10),
    "predictions/part-00000.parquet": (use_predictions, "predictions", 20),
    "predictions/similar.parquet": (use_predictions, "predictions", 10),
    "predictions/failures.parquet": (use_predictions, "predictions", 10),
    "shards/part-00001.parquet": (use_shards, "shards", 30),
    "head.npz": (use_head, "head.npz", 30),
    "scaled.npz": (use_head, "scaled.npz", 15),
    "laplace.npz": (use_head, "laplace.npz", 15),
    "model/model.json": (use_model, "model", 10),
    "model/encoder.npz": (use_model, "model", 10),
    "model/head.npz": (use_model, "model", 10),
    "finetuned/finetuned.json": (use_finetuned, "finetuned", 10),
    "finetuned/held_out.csv": (use_finetuned, "finetuned", 10),
    "finetuned/history.csv": (use_finetuned, "finetuned", 10),
}


def test_what_is_damaged_here_is_sound(place: Path):
    for read, target, _ in READERS.values():
        read(place / target)


@pytest.mark.parametrize("file", READERS)
def test_a_damaged_result_is_read_or_refused(file: str, sound: Path, place: Path):
    read, target, few = READERS[file]
    content = (sound / file).read_bytes()
    inputs = damaged(content)
    if file.endswith(".csv"):
        inputs |= miswritten(content.decode(), ",").map(str.encode)
    if file.endswith(".json"):
        inputs |= misfilled(json.loads(content)).map(lambda values: as_json(values).encode())

    @fuzzed(few)
    @given(changed=inputs)
    def check(changed: bytes) -> None:
        (place / file).write_bytes(changed)
        with read_or_refused():
            read(place / target)

    check()


# What files say about themselves --------------------------------------------------------------------------------------

ABOUT = ("posterior.parquet", "predictions/part-00000.parquet", "predictions/similar.parquet", "shards/part-00000.parquet")


@pytest.mark.parametrize("file", ABOUT)
def test_parquet_that_says_odd_things_about_itself_is_read_or_refused(file: str, sound: Path, place: Path):
    read, target, few = READERS[file.replace("part-00000", "part-00001") if file.startswith("shards") else file]
    table = pq.read_table(sound / file)
    about = json.loads(table.schema.metadata[b"zooactive"])

    @fuzzed(few)
    @given(changed=misfilled(about), dropped=st.none() | st.sampled_from(table.column_names))
    def check(changed: Any, dropped: str | None) -> None:
        left = table if dropped is None else table.drop_columns([dropped])
        pq.write_table(left.replace_schema_metadata({"zooactive": as_json(changed)}), place / file)
        with read_or_refused():
            read(place / target)

    check()


@pytest.mark.parametrize("file", ["head.npz", "scaled.npz", "laplace.npz"])
def test_a_head_with_odd_settings_or_arrays_is_read_or_refused(file: str, sound: Path, place: Path):
    with np.load(sound / file) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays.pop("about")))
    odd = st.sampled_from((*ODD_ARRAYS, np.zeros((3, 2, 4)), np.full(2, 1e300)))

    @fuzzed(30)
    @given(changed=st.just(about) | misfilled(about), name=st.sampled_from((None, *arrays)), array=st.none() | odd)
    def check(changed: Any, name: str | None, array: Any) -> None:
        kept = {key: value for key, value in arrays.items() if key != name}
        kept |= {} if name is None or array is None else {name: array}
        np.savez(place / file, about=np.array(as_json(changed)), **kept)
        with read_or_refused():
            use_head(place / file)

    check()


# Others' weights ------------------------------------------------------------------------------------------------------

STEM = np.ones((32, 3, 3, 3), np.float32)


def safetensors(header: Any, data: bytes) -> bytes:
    """The file's form: the length of a JSON header, the header, and the numbers."""
    text = header if isinstance(header, bytes) else as_json(header).encode()
    return len(text).to_bytes(8, "little") + text + data


HEADER = {
    "__metadata__": {"format": "pt"},
    "encoder.conv_stem.weight": {"dtype": "F32", "shape": list(STEM.shape), "data_offsets": [0, STEM.nbytes]},
    "encoder.bn1.bias": {"dtype": "F16", "shape": [2], "data_offsets": [STEM.nbytes, STEM.nbytes + 4]},
}
SOUND_WEIGHTS = safetensors(HEADER, STEM.tobytes() + bytes(4))


@fuzzed(30)
@given(
    content=damaged(SOUND_WEIGHTS) | misfilled(HEADER).map(lambda header: safetensors(header, STEM.tobytes() + bytes(4))),
    config=st.sampled_from(
        (
            b"{}",
            b"{}",
            b"",
            b"[]",
            b'{"architecture": []}',
            b'{"architecture": "resnet50"}',
            b"[" * 5000,
            b'{"architecture": "x"}',
            b"\xff",
        )
    ),
)
def test_damaged_safetensors_are_read_or_refused(tmp_path: Path, content: bytes, config: bytes):
    pytest.importorskip("safetensors")
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    (tmp_path / "config.json").write_bytes(config)
    with read_or_refused():
        assert all(array.dtype == np.float32 for array in read_timm(path).arrays.values())
