"""What a converted file holds, and what is refused; `nox -s export` writes such files and runs them."""

from __future__ import annotations

import errno
import json
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from tiny_network import tiny_model, tiny_network

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import ModelError, OutputError
from zooactive.models import EmbeddingModel, GalaxyModel
from zooactive.models.convert import KEY, convert, description, network_with_outputs

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def outputs(model: GalaxyModel) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in network_with_outputs(model)(PIXELS).items()}


@pytest.fixture
def fake_export(monkeypatch):
    """Let Keras' converter write a few bytes, or fail."""
    done = SimpleNamespace(error=None, networks=[])

    def export(self, path: str, **options) -> None:
        done.networks.append(self)
        Path(path).write_bytes(b"a model")
        if done.error is not None:
            raise done.error

    monkeypatch.setattr(keras.Model, "export", export)
    return done


@pytest.mark.parametrize("concentrations", ["softplus", "fraction"])
def test_outputs_are_the_embedding_and_the_shares_of_each_questions_concentrations(tree, concentrations):
    model = tiny_model(tree, concentrations=concentrations)
    found = outputs(model)
    features = np.asarray(model.encoder(PIXELS / np.float32(255)))
    np.testing.assert_allclose(found["embedding"], features, atol=1e-5)
    alpha = np.asarray(model.head(features))
    for where in tree.slices:
        np.testing.assert_allclose(
            found["fractions"][:, where], alpha[:, where] / alpha[:, where].sum(1, keepdims=True), atol=1e-6
        )


def test_a_calibrated_models_fractions_are_those_without_its_factors(tree):
    model = tiny_model(tree, dropout=0.0)
    before = outputs(model)["fractions"]
    model.factors = np.array([0.3, 1.0, 4.0, 25.0])
    features = np.asarray(model.encoder(PIXELS / np.float32(255)))
    drawn = model.scaled(model.linear_head()).posterior_concentrations(features, draws=1, seed=0)[0]
    np.testing.assert_allclose(tree.fractions(drawn), before, atol=1e-5)
    np.testing.assert_array_equal(outputs(model)["fractions"], before)


def test_the_description_names_columns_and_how_cutouts_are_made(tree):
    about = description(tiny_model(tree, preprocessing=Preprocessing(size=16, crop=0.8, scales=(0.5,)), image_size=224))
    assert about["input"]["shape"] == ["batch", 16, 16, 3]
    assert about["outputs"]["fractions"]["columns"] == list(tree.columns)
    assert about["questions"]["edge-on"] == ["edge-on_yes", "edge-on_no"]
    assert about["outputs"]["embedding"]["shape"] == ["batch", 16]
    assert about["cutouts"]["crop"] == 0.4
    json.dumps(about)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "red, green, blue"),
        ({"channels": 1}, "grey"),
        ({"bands": list("grizy"), "stretch": "asinh -0.1 5 0.05"}, "g, r, i, z, y"),
    ],
)
def test_the_description_names_the_channels(tree, settings, told):
    model = GalaxyModel(tree, backbone=tiny_network(), preprocessing=Preprocessing(size=16, **settings))
    about = description(model)
    assert about["input"]["channels"] == told
    assert about["input"]["shape"][3] == len(told.split(", "))
    assert about["preprocessing"].get("bands") == (("g", "r", "i", "z", "y") if "bands" in settings else None)


def test_the_file_is_replaced_whole_and_describes_itself(tree, tmp_path, fake_export):
    model, path = tiny_model(tree), tmp_path / "new" / "model.tflite"
    for _ in range(2):
        assert convert(model, str(path)) == path
    told = json.loads((tmp_path / "new" / "model.tflite.json").read_text())
    with zipfile.ZipFile(path) as archive:
        assert json.loads(archive.read(f"{KEY}.json")) == told
    assert path.read_bytes().startswith(b"a model")
    assert told["model"]["fingerprint"] == model.fingerprint()
    assert sorted(file.name for file in path.parent.iterdir()) == ["model.tflite", "model.tflite.json"]


def test_what_holds_a_model_and_computes_in_half_precision_is_written_in_float32(tree, tmp_path, fake_export):
    model = tiny_model(tree, precision="mixed_bfloat16")
    convert(SimpleNamespace(model=model), tmp_path / "model.tflite")
    (network,) = fake_export.networks
    assert {str(weight.dtype) for weight in network.weights} == {"float32"}
    as_float32 = tiny_model(tree)
    as_float32.encoder.set_weights(model.encoder.get_weights())
    np.testing.assert_allclose(np.asarray(network(PIXELS)["embedding"]), outputs(as_float32)["embedding"], atol=1e-6)
    assert json.loads((tmp_path / "model.tflite.json").read_text())["model"]["fingerprint"] == model.fingerprint()


@pytest.mark.parametrize("name", ["model", "model.h5", "model.ONNX", ".onnx"])
def test_a_name_without_a_known_ending_is_refused(tree, name):
    with pytest.raises(OutputError, match=r"end it in \.onnx for ONNX, or in \.tflite for LiteRT"):
        convert(EmbeddingModel(tree, features=4), name)


@pytest.mark.parametrize(
    ("absent", "said"),
    [(("tf2onnx", "onnx"), "the packages tf2onnx and onnx: pip install 'zooactive"), (("onnx",), "the package onnx: pip")],
)
def test_onnx_without_its_packages_says_what_to_install(tree, tmp_path, monkeypatch, absent, said):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in absent else object())
    with pytest.raises(ModelError, match=said):
        convert(EmbeddingModel(tree, features=4), tmp_path / "model.onnx")


def test_models_that_no_file_can_hold_are_refused(tree, tmp_path, monkeypatch):
    path = tmp_path / "model.tflite"
    with pytest.raises(ModelError, match="takes embeddings and has no network to convert"):
        convert(EmbeddingModel(tree, features=4), path)
    with pytest.raises(ModelError, match=r"crops at 2 scales \(1, 0\.5\)"):
        convert(tiny_model(tree, preprocessing=Preprocessing(size=16, scales=(1.0, 0.5)), image_size=224), path)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ModelError, match="KERAS_BACKEND=tensorflow"):
        convert(tiny_model(tree), path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError, "the disk is full"),
        (RuntimeError("no kernel\n for Erf"), ModelError, r"cannot be written as litert \(no kernel for Erf\)"),
    ],
)
def test_a_conversion_that_fails_leaves_what_was_there(tree, tmp_path, fake_export, error, expected, said):
    before = {"model.tflite": "older", "model.tflite.json": "{}"}
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    fake_export.error = error
    with pytest.raises(expected, match=said):
        convert(tiny_model(tree), tmp_path / "model.tflite")
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == before


def test_a_full_temporary_folder_is_told_before_the_work(tree, tmp_path, monkeypatch, fake_export):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(OutputError, match="set TMPDIR to another folder"):
        convert(tiny_model(tree), tmp_path / "model.tflite")
    assert (fake_export.networks, list(tmp_path.iterdir())) == ([], [])


def test_a_folder_in_the_files_place_is_refused_before_the_work(tree, tmp_path, fake_export):
    (tmp_path / "model.tflite").mkdir()
    with pytest.raises(OutputError, match="a folder stands where a file is needed"):
        convert(tiny_model(tree), tmp_path / "model.tflite")
    assert fake_export.networks == []
