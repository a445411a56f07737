"""Embeddings of any encoder: every form of file gives the same numbers, and a head on them does all that follows."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_network import tiny_model

import zooactive as za
from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import AcquisitionError, CatalogueError, ModelError, PosteriorError, TrainingError
from zooactive.models import EmbeddingModel, load_model
from zooactive.models.head.feature_scale import FeatureScale
from zooactive.prediction import Embeddings, find_similar, open_predictions, read_embeddings
from zooactive.prediction.timm_embeddings import embed_with_timm
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.tasks import Task, load_task

GALAXIES, WIDTH = 60, 8
IDS = [f"58773257831245{i:04d}" for i in range(GALAXIES)]  # 18 digits, which no float holds


def features(seed: int = 0, galaxies: int = GALAXIES) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(galaxies, WIDTH)).astype(np.float32)


def lists(values: np.ndarray, kind: str = "fixed") -> pa.Array:
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pa.array(list(values), pa.list_(pa.float64() if kind == "doubles" else pa.float32()))


def parquet(path, values=None, ids=IDS, kind="fixed", **others):
    values = features() if values is None else values
    pq.write_table(pa.table({"id_str": ids, "features": lists(values, kind), **others}), path)


def one_a_column(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"id": IDS} | {f"feat_{i}": values[:, i] for i in reversed(range(WIDTH))} | {"mag_r": 17.5})


def write_npy(folder):
    np.save(folder / "e.npy", features())
    pd.DataFrame({"id": IDS, "mag_r": 17.5}).to_csv(folder / "e.csv", index=False)
    return folder / "e.npy"


def write_hdf5(folder):
    """As Zoobot writes representations: predictions (galaxy, feature, sample), id_str and label_cols."""
    with h5py.File(folder / "e.hdf5", "w") as file:
        file.create_dataset("predictions", data=features()[:, :, None])
        file.create_dataset("id_str", data=IDS, dtype=h5py.string_dtype())
        file.create_dataset("label_cols", data=[f"feat_{i}" for i in range(WIDTH)], dtype=h5py.string_dtype())
    return folder / "e.hdf5"


def write_dataset(folder):
    """As `datasets.Dataset.save_to_disk` does: a stream of Arrow's in batches, and what names it."""
    table = pa.table({"id_str": IDS, "embeddings": lists(features(), "floats"), "text": ["a galaxy"] * GALAXIES})
    with pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as out, pa.ipc.new_stream(out, table.schema) as stream:
        stream.write_table(table, max_chunksize=7)
    (folder / "cache-0123.arrow").write_bytes(b"what was computed once")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    return folder


def write_parquet(folder, kind="fixed"):
    parquet(folder / "e.parquet", kind=kind)
    return folder / "e.parquet"


def write_parts(folder):
    for part in range(3):
        rows = slice(20 * part, 20 * (part + 1))
        parquet(folder / f"train-{part}.parquet", features()[rows], IDS[rows])
    return folder


def write_columns(folder):
    one_a_column(features()).to_parquet(folder / "e.parquet", index=False)
    return folder / "e.parquet"


def write_csv(folder):
    one_a_column(features()).to_csv(folder / "e.csv", index=False)
    return folder / "e.csv"


def write_feather(folder):
    table = pa.table({"id": pa.array(list(map(int, IDS))), "representation": lists(features())})
    with pa.OSFile(str(folder / "e.feather"), "wb") as out, pa.ipc.new_file(out, table.schema) as file:
        file.write_table(table)
    return folder / "e.feather"


FORMS = {
    "parquet": write_parquet,
    "parquet of lists": lambda folder: write_parquet(folder, "floats"),
    "parquet of doubles": lambda folder: write_parquet(folder, "doubles"),
    "a folder of parquet": write_parts,
    "a column a feature": write_columns,
    "csv": write_csv,
    "npy beside its table": write_npy,
    "hdf5 of Zoobot": write_hdf5,
    "a saved dataset": write_dataset,
    "arrow with whole numbers as ids": write_feather,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_file_gives_the_same_ids_and_features(tmp_path, form):
    found = read_embeddings(FORMS[form](tmp_path), encoder="nano")
    assert list(found.ids) == IDS
    assert found.features.dtype == np.float32
    assert found.features == pytest.approx(features(), rel=1e-6)
    assert found.encoder == "nano"
    assert not found.as_stored


def test_float16_stays_float16_and_doubles_are_rounded_once(tmp_path):
    parquet(tmp_path / "half.parquet", features().astype(np.float16))
    half = read_embeddings(tmp_path / "half.parquet")
    assert half.features.dtype == np.float16
    assert np.array_equal(half.features, features().astype(np.float16))
    np.save(tmp_path / "e.npy", features().astype(np.float64) / 3)
    assert np.array_equal(
        read_embeddings(tmp_path / "e.npy", ids=IDS).features, (features().astype(np.float64) / 3).astype(np.float32)
    )


def test_other_columns_go_along_and_features_are_found_among_other_numbers(tmp_path):
    one_a_column(features()).assign(ra=1.5, dec=-2.5).to_parquet(tmp_path / "e.parquet", index=False)
    found = read_embeddings(tmp_path / "e.parquet")
    assert set(found.table.columns) == {"mag_r", "ra", "dec"}
    assert found.width == WIDTH


def with_nan(row: int) -> np.ndarray:
    values = features()
    values[row, 3] = np.nan
    return values


def ragged(path):
    cells = [*features()[:-1].tolist(), [1.0, 2.0]]
    pq.write_table(pa.table({"id": IDS, "features": pa.array(cells, pa.list_(pa.float32()))}), path)


def with_a_gap(path, inside: bool):
    cells = features().tolist()
    cells[7] = [None, *cells[7][1:]] if inside else None
    pq.write_table(pa.table({"id": IDS, "features": pa.array(cells, pa.list_(pa.float32()))}), path)


WRONG = {
    "not finite": (lambda path: parquet(path, with_nan(5)), f"galaxy '{IDS[5]}' are not all finite"),
    "too large for float32": (
        lambda path: parquet(path, features().astype(float) * 1e300, kind="doubles"),
        "not all finite",
    ),
    "an id twice": (lambda path: parquet(path, ids=[*IDS[:-1], IDS[0]]), f"the id '{IDS[0]}' is in rows 1 and 60"),
    "a blank id": (lambda path: parquet(path, ids=["", *IDS[1:]]), "row 1: the id (column 'id_str') is blank"),
    "ids that are floats": (
        lambda path: pq.write_table(pa.table({"id": [float(i) for i in IDS], "features": lists(features())}), path),
        "holds floats, which lose digits",
    ),
    "no ids": (lambda path: pq.write_table(pa.table({"features": lists(features())}), path), "none of the id columns"),
    "no features": (lambda path: pq.write_table(pa.table({"id": IDS}), path), "neither a column of lists of numbers"),
    "two columns of lists": (
        lambda path: pq.write_table(pa.table({"id": IDS, "a": lists(features()), "b": lists(features())}), path),
        "several columns of lists (a, b)",
    ),
    "two kinds of columns": (
        lambda path: pq.write_table(
            pa.table({"id": IDS} | {f"{p}{i}": [1.0] * GALAXIES for p in "ab" for i in (0, 1)}), path
        ),
        "'a' (2), 'b' (2)",
    ),
    "other widths": (ragged, f"galaxy '{IDS[-1]}' has 2 features"),
    "a galaxy without": (lambda path: with_a_gap(path, inside=False), f"features of galaxy '{IDS[7]}' are missing"),
    "a feature missing": (lambda path: with_a_gap(path, inside=True), f"a feature of galaxy '{IDS[7]}' is missing"),
    "no rows": (lambda path: parquet(path, features()[:0], []), "has no rows"),
    "damaged": (lambda path: path.write_bytes(b"PAR1 and no more"), "cannot be read as embeddings"),
    "words": (lambda path: pq.write_table(pa.table({"id": IDS, "features": ["a"] * GALAXIES}), path), "neither a column of"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_embeddings_is_said_in_a_sentence(tmp_path, what):
    write, said = WRONG[what]
    write(tmp_path / "e.parquet")
    with pytest.raises(CatalogueError) as told:
        read_embeddings(tmp_path / "e.parquet")
    assert said in str(told.value)


def test_a_column_can_be_named_where_several_could_be_meant(tmp_path):
    table = pa.table({"id": IDS, "a": lists(features()), "b": lists(features(1))})
    pq.write_table(table, tmp_path / "e.parquet")
    assert np.array_equal(read_embeddings(tmp_path / "e.parquet", column="b").features, features(1))
    with pytest.raises(CatalogueError, match="no column of lists 'c'"):
        read_embeddings(tmp_path / "e.parquet", column="c")


def test_an_npy_needs_ids_in_its_order(tmp_path):
    np.save(tmp_path / "e.npy", features())
    with pytest.raises(CatalogueError, match="has no ids of the galaxies"):
        read_embeddings(tmp_path / "e.npy")
    with pytest.raises(CatalogueError, match="60 rows, but 59 ids"):
        read_embeddings(tmp_path / "e.npy", ids=IDS[1:])
    (tmp_path / "names.txt").write_text("\n".join(IDS) + "\n")
    assert list(read_embeddings(tmp_path / "e.npy", ids=tmp_path / "names.txt").ids) == IDS
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(CatalogueError, match="cannot be read as embeddings"):
        read_embeddings(tmp_path / "objects.npy", ids=["a"])


def test_samples_of_a_network_with_dropout_are_refused(tmp_path):
    with h5py.File(tmp_path / "e.hdf5", "w") as file:
        file.create_dataset("predictions", data=np.zeros((2, 3, 5)))
        file.create_dataset("id_str", data=["a", "b"], dtype=h5py.string_dtype())
    with pytest.raises(CatalogueError, match="has 5 samples of each galaxy"):
        read_embeddings(tmp_path / "e.hdf5")


# Scale ----------------------------------------------------------------------------------------------------------------


def test_features_of_any_size_become_numbers_about_one():
    values = features() * np.geomspace(1e-6, 1e6, WIDTH).astype(np.float32) + np.float32(3.0)
    values[:, 0] = 1e6  # the same for all
    scale = FeatureScale.of_features(values)
    scaled = scale.of(values).astype(float)
    assert scaled[:, 0] == pytest.approx(0)
    assert scaled[:, 2:].std(0) == pytest.approx(1, abs=0.01)
    assert scaled.mean(0) == pytest.approx(0, abs=0.01)
    assert np.isfinite(scale.of(values * np.float32(1e30))).all()


def test_a_feature_far_from_zero_keeps_what_tells_galaxies_apart():
    values = (np.random.default_rng(0).normal(size=(5000, 1)) + 5000).astype(np.float32)
    assert FeatureScale.of_features(values).spread == pytest.approx(values.astype(float).std(), rel=1e-4)


# The model ------------------------------------------------------------------------------------------------------------


def labelled() -> Catalogue:
    """Yes and no by one of the features, as a table of labels says it."""
    task = load_task("rings")
    yes = features()[:, 2] > 0
    votes = np.stack([yes, ~yes], axis=1).astype(float)
    table = pd.DataFrame(index=range(GALAXIES))
    return Catalogue(np.array(IDS, dtype=object), (None,) * GALAXIES, votes, task.load_tree(), table, "labels", min_votes=1)


def given(scale: float = 1.0, **entries) -> Embeddings:
    return Embeddings(np.array(IDS, dtype=object), features() * np.float32(scale), **{"source": "file", **entries})


@pytest.fixture(scope="module")
def tuned():
    return za.finetune(None, labelled(), task="rings", embeddings=given(), progress=None)


def test_a_head_on_embeddings_learns_what_they_tell(tuned):
    assert isinstance(tuned.model, EmbeddingModel)
    assert tuned.evaluate()["auc"] > 0.9
    posterior = tuned.predict(given(), draws=8)
    assert list(posterior.ids) == IDS
    assert np.corrcoef(posterior.mean()[:, 0], features()[:, 2])[0, 1] > 0.7


def test_what_is_learnt_does_not_depend_on_the_units_of_the_features(tuned):
    other = za.finetune(None, labelled(), task="rings", embeddings=given(scale=1e5), progress=None)
    mine, theirs = (model.predict(some, draws=4).mean() for model, some in ((tuned, given()), (other, given(scale=1e5))))
    assert theirs == pytest.approx(mine, abs=1e-3)


def test_a_saved_model_predicts_the_same_bits(tuned, tmp_path):
    tuned.save(tmp_path / "ring")
    again = za.load_finetuned(tmp_path / "ring")
    assert again.model.fingerprint() == tuned.model.fingerprint()
    assert np.array_equal(again.predict(given(), draws=4).concentrations, tuned.predict(given(), draws=4).concentrations)
    (tmp_path / "ring" / "model" / "scale.npz").unlink()
    with pytest.raises(ModelError, match="is damaged"):
        load_model(tmp_path / "ring" / "model")


def test_embeddings_that_are_not_the_models_are_refused(tuned):
    with pytest.raises(PosteriorError, match="holds 3 features per galaxy, but the model was trained on 8"):
        tuned.predict(Embeddings(np.array(["a"], dtype=object), np.ones((1, 3), np.float32)))
    named = za.finetune(None, labelled(), task="rings", embeddings=given(encoder="nano"), progress=None)
    with pytest.raises(PosteriorError, match="embeddings of the encoder 'tiny'"):
        named.predict(given(encoder="tiny"))
    named.predict(given())  # nobody says that it is another


def test_images_are_refused_by_a_model_without_a_network(tuned, galaxies):
    with pytest.raises(ModelError, match=r"takes embeddings \(8 features\), not images"):
        tuned.predict(galaxies(2))
    config = FinetuneConfig(policy="staged")
    with pytest.raises(TrainingError, match="policy = 'staged' trains the encoder"):
        za.finetune(None, labelled(), task="rings", embeddings=given(), config=config, progress=None)


def test_labelled_galaxies_without_an_embedding_are_counted_and_left_out():
    some = given().take(np.arange(10, GALAXIES))
    with pytest.warns(UserWarning, match=f"labels: 10 of 60 galaxies are left out.*such as '{IDS[0]}'"):
        found = za.finetune(None, labelled(), task="rings", embeddings=some, progress=None)
    assert not set(found.held_out["id"]) & set(IDS[:10])
    strangers = replace(some, ids=np.array([f"other{i}" for i in range(50)], dtype=object))
    with pytest.raises(CatalogueError, match="none of the 60 galaxies of labels is in file"):
        za.finetune(None, labelled(), task="rings", embeddings=strangers, progress=None)


def test_predictions_on_disk_are_those_in_memory_and_go_on(tuned, tmp_path):
    stored = za.predict(tuned, given(table=pd.DataFrame({"mag_r": np.arange(60.0)})), out=tmp_path / "out", draws=8)
    assert np.array_equal(stored.posterior().concentrations, tuned.predict(given(), draws=8).concentrations)
    assert list(stored.table()["mag_r"]) == list(range(60))
    za.predict(tuned, given(table=pd.DataFrame({"mag_r": np.arange(60.0)})), out=tmp_path / "out", draws=8)
    moved = replace(given(table=pd.DataFrame({"mag_r": np.arange(60.0)})), features=features(1))
    with pytest.raises(PosteriorError, match="predictions of other images"):
        za.predict(tuned, moved, out=tmp_path / "out", draws=8)
    assert len(za.acquire(open_predictions(tmp_path / "out"), 5)) == 5
    assert repr(stored) == f"Predictions('{tmp_path / 'out'}': 60 galaxies, tree 'rings', 8 draws)"
    redrawn = stored.redraw(tuned.model, draws=4).posterior()
    assert np.array_equal(redrawn.concentrations, tuned.predict(given(), draws=4).concentrations)


def test_a_head_on_embeddings_is_calibrated_and_draws_by_laplace(draw_votes, tree):
    votes = draw_votes(GALAXIES)
    table = pd.DataFrame(index=range(GALAXIES))
    catalogue = Catalogue(np.array(IDS, dtype=object), (None,) * GALAXIES, votes, tree, table, "votes")
    head = za.finetune(None, catalogue, task=Task("small", tree), embeddings=given(), progress=None)
    learnt, others = catalogue.take(np.arange(40)), catalogue.take(np.arange(40, GALAXIES))
    draws = za.fit_draws(head, learnt, validation=others, embeddings=given(), progress=None)
    assert za.predict(head, given(), draws=4, draws_from=draws).draws == 4
    factors = za.calibrate(head.model, others, embeddings=given(), draws=8, progress=None)
    assert list(factors["question"]) == [question.name for question in tree.questions]
    with pytest.raises(ModelError, match="takes embeddings"):
        za.calibrate(head.model, others, progress=None)


def test_embeddings_are_made_of_what_numpy_takes_and_models_are_pickled(tuned):
    made = Embeddings(IDS, (features() * 8).astype(int).tolist())  # type: ignore[arg-type]
    assert made.features.dtype == np.float32
    assert list(made.rows_of([IDS[3], "nobody"])) == [3, -1]
    with pytest.raises(CatalogueError, match="features of the kind bool"):
        Embeddings(IDS, features() > 0)  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(tuned.model))
    assert again.fingerprint() == tuned.model.fingerprint()
    assert len(pickle.loads(pickle.dumps(given()))) == GALAXIES
    with pytest.raises(AcquisitionError, match=r"the pool is of type Embeddings.*zooactive.predict\(model"):
        za.acquire(given(), 3)  # type: ignore[arg-type]


def test_what_embeddings_and_their_models_show_in_a_notebook_runs_nothing(tuned):
    odd = given(encoder="<script>alert(1)</script>", table=pd.DataFrame({"<b>": range(GALAXIES)}))
    model = EmbeddingModel("rings", features=WIDTH, encoder="<script>alert(1)</script>")
    assert "60 galaxies, 8 features" in repr(odd)
    for shown in (odd, model, tuned.model):
        assert "<script>" not in shown._repr_html_()
        assert "<b>" not in shown._repr_html_()


# The encoder that is at hand ------------------------------------------------------------------------------------------


def test_embeddings_of_our_own_encoder_give_the_bits_of_its_predictions(tree, galaxies, draw_votes, tmp_path):
    model, catalogue = tiny_model(tree, seed=3), galaxies(30)
    stored = za.predict(model, catalogue, out=tmp_path / "predictions", draws=4)
    mine = za.embed(model, catalogue, tmp_path / "embeddings")
    again = za.embed(model, catalogue, tmp_path / "embeddings")
    assert np.array_equal(mine.features, again.features)
    assert mine.as_stored
    assert mine.encoder == model.encoder_fingerprint()
    assert list(mine.table) == list(catalogue.table)
    assert np.array_equal(read_embeddings(tmp_path / "predictions").features, mine.features)
    assert np.array_equal(za.predict(model, mine, draws=4).concentrations, stored.posterior().concentrations)
    head = za.finetune(None, catalogue.take(np.arange(25)), task=Task("small", tree), embeddings=mine, progress=None)
    assert np.array_equal(stored.redraw(head).posterior().concentrations, za.predict(head, mine, draws=4).concentrations)
    with pytest.raises(PosteriorError, match="holds only embeddings, without predictions"):
        open_predictions(tmp_path / "embeddings")
    with pytest.raises(PosteriorError, match="does not hold this model's own embeddings"):
        za.predict(tiny_model(tree, seed=4), mine)


def test_likeness_is_that_of_the_scaled_features():
    found = find_similar(given(), IDS[4], n=59)
    scaled = FeatureScale.of_features(features()).of(features()).astype(float)
    centred = scaled - scaled.mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    expected = dict(zip(IDS, unit @ unit[4], strict=True))
    assert found["similarity"].to_numpy() == pytest.approx([expected[name] for name in found["id"]], abs=5e-3)


def test_neither_tensorflow_nor_keras_is_loaded(tmp_path):
    parquet(tmp_path / "e.parquet")
    code = (
        "import sys; from zooactive.cli import app\n"
        "for words in (['finetune', 'labels.csv', '--column', 'ring', '--embeddings', 'e.parquet'],\n"
        "              ['acquire', '--task', 'ring', '--n', '3', '--exclude', 'none.csv'],\n"
        "              ['similar', sys.argv[1], '--embeddings', 'e.parquet']):\n"
        "    app(words, standalone_mode=False)\n"
        "print(sorted({'keras', 'tensorflow'} & set(sys.modules)))"
    )
    pd.DataFrame({"id": IDS, "ring": ["yes", "no"] * 15 + [""] * 30}).to_csv(tmp_path / "labels.csv", index=False)
    pd.DataFrame({"id": IDS[-1:]}).to_csv(tmp_path / "none.csv", index=False)
    done = subprocess.run([sys.executable, "-c", code, IDS[0]], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert len(pd.read_csv(tmp_path / "selection-ring.csv")) == 3


def test_networks_of_timm_say_what_to_install(galaxies, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "torch", sys)  # as if it had been loaded first
    with pytest.raises(ModelError, match=r"pip install 'zooactive\[timm\]'"):
        embed_with_timm("maxvit_tiny_rw_224", galaxies(2), tmp_path / "e.parquet")
    with pytest.raises(ModelError, match=r"ends in \.parquet"):
        embed_with_timm("maxvit_tiny_rw_224", galaxies(2), tmp_path / "e.csv")
