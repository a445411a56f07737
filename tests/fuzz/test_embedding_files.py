"""Embeddings of other programs, damaged in every form that is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile import ODD_TEXTS, as_json, damaged, fuzzed, misfilled, miswritten, read_or_refused
from hypothesis import given
from hypothesis import strategies as st

from zooactive.models import EmbeddingModel, load_model
from zooactive.models.head.feature_scale import FeatureScale
from zooactive.prediction import read_embeddings

IDS = [f"g{i}" for i in range(6)]
FEATURES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each form, and a model on embeddings."""
    place = tmp_path_factory.mktemp("sound")
    lists = pa.FixedSizeListArray.from_arrays(pa.array(FEATURES.ravel()), 4)
    table = pa.table({"id": IDS, "features": lists, "mag": np.arange(6.0)})
    pq.write_table(table, place / "lists.parquet")
    columns = pd.DataFrame({"id": IDS} | {f"f{i}": FEATURES[:, i] for i in range(4)})
    columns.to_parquet(place / "columns.parquet", index=False)
    columns.to_csv(place / "columns.csv", index=False)
    for name, new in (("stream.arrow", pa.ipc.new_stream), ("file.feather", pa.ipc.new_file)):
        with pa.OSFile(str(place / name), "wb") as out, new(out, table.schema) as writer:
            writer.write_table(table)
    np.save(place / "array.npy", FEATURES)
    (place / "array.txt").write_text("\n".join(IDS))
    for name, options in (("plain.hdf5", {}), ("packed.h5", {"chunks": (2, 2), "compression": "gzip"})):
        with h5py.File(place / name, "w") as file:
            file.create_dataset("predictions", data=FEATURES, **options)
            file.create_dataset("id_str", data=IDS, dtype=h5py.string_dtype())
    EmbeddingModel("rings", features=4, scale=FeatureScale.of_features(FEATURES)).save(place / "model")
    return place


@pytest.mark.parametrize(
    "name",
    ["lists.parquet", "columns.parquet", "stream.arrow", "file.feather", "array.npy", "plain.hdf5", "packed.h5"],
)
@fuzzed(4)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject, sound: Path, tmp_path: Path, name: str):
    content = data.draw(damaged((sound / name).read_bytes()))
    (tmp_path / name).write_bytes(content)
    (tmp_path / "array.txt").write_text("\n".join(IDS))
    with read_or_refused():
        read_embeddings(tmp_path / name)


@fuzzed(4)
@given(data=st.data())
def test_miswritten_tables_are_read_or_refused(data: st.DataObject, sound: Path, tmp_path: Path):
    (tmp_path / "e.csv").write_text(data.draw(miswritten((sound / "columns.csv").read_text())), encoding="utf-8")
    with read_or_refused():
        read_embeddings(tmp_path / "e.csv")


@fuzzed(4)
@given(ids=st.lists(st.sampled_from(ODD_TEXTS), min_size=6, max_size=6))
def test_odd_ids_are_read_or_refused(ids: list[str], sound: Path, tmp_path: Path):
    shutil.copy(sound / "array.npy", tmp_path)
    (tmp_path / "array.txt").write_text("\n".join(ids), encoding="utf-8")
    with read_or_refused():
        read_embeddings(tmp_path / "array.npy")


@fuzzed(4)
@given(state=misfilled({"_data_files": [{"filename": "stream.arrow"}], "_split": "train"}))
def test_a_dataset_with_another_state_is_read_or_refused(state: object, sound: Path, tmp_path: Path):
    shutil.copy(sound / "stream.arrow", tmp_path)
    (tmp_path / "state.json").write_text(as_json(state))
    with read_or_refused():
        read_embeddings(tmp_path)


@fuzzed(4)
@given(data=st.data())
def test_a_model_on_embeddings_with_other_entries_is_loaded_or_refused(data: st.DataObject, sound: Path, tmp_path: Path):
    shutil.copytree(sound / "model", tmp_path / "model", dirs_exist_ok=True)
    about = data.draw(misfilled(json.loads((sound / "model" / "model.json").read_text())))
    (tmp_path / "model" / "model.json").write_text(as_json(about))
    if data.draw(st.booleans()):
        (tmp_path / "model" / "scale.npz").write_bytes(data.draw(damaged((sound / "model" / "scale.npz").read_bytes())))
    with read_or_refused():
        load_model(tmp_path / "model")
