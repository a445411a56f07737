"""What converted files give by ONNX Runtime and LiteRT, beside Keras; for `nox -s export`, skipped without the runtimes."""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny_network import tiny_model
from typer.testing import CliRunner

import zooactive as za
from zooactive.cli import app
from zooactive.foundation.errors import ModelError
from zooactive.models import GalaxyModel, register_backbone
from zooactive.models.backbones.register import nested_layers
from zooactive.models.backbones.resnet26 import resnet26
from zooactive.models.convert import KEY, convert, description
from zooactive.models.features import forward, prediction_network
from zooactive.training.finetuning.config import FinetuneConfig

SAMPLES = Path(__file__).resolve().parents[2] / "catalogs" / "samples"
BOUND, OF_NOISE = 2e-5, 1e-4
"""Of the differences from Keras, in float32, of real galaxies and where fresh weights look at noise; embeddings' in parts of
the largest."""

SHOWN = 64
SLIM = partial(resnet26, width=1 / 4)
Run = Callable[[np.ndarray], dict[str, np.ndarray]]


def by_onnx(path: Path) -> Run:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda cutouts: dict(zip(names, session.run(names, {"cutouts": cutouts}), strict=True))


def by_litert(path: Path) -> Run:
    runner = pytest.importorskip("ai_edge_litert.interpreter").Interpreter(str(path)).get_signature_runner()
    return lambda cutouts: runner(cutouts=cutouts)


@pytest.fixture(scope="module", params=["onnx", "litert"])
def form(request) -> SimpleNamespace:
    needed = {"onnx": ("tf2onnx", "onnx", "onnxruntime"), "litert": ("ai_edge_litert",)}[request.param]
    for package in needed:
        pytest.importorskip(package, reason=f"{package} is not installed; nox -s export installs it")
    ending, run = {"onnx": (".onnx", by_onnx), "litert": (".tflite", by_litert)}[request.param]
    return SimpleNamespace(name=request.param, ending=ending, run=run)


def typed(folder: Path, *words: str) -> None:
    """Type `zooactive convert` in a folder."""
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, ["convert", *words])
    assert result.exit_code == 0, result.stderr


def as_keras(model: GalaxyModel, cutouts: np.ndarray) -> dict[str, np.ndarray]:
    """What the model predicts without draws."""
    embedding = forward(prediction_network(model.encoder), cutouts, len(cutouts))
    return {"embedding": embedding, "fractions": model.tree.fractions(np.asarray(model.head(embedding)))}


def refuse_difference(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], bound: float = BOUND) -> None:
    assert {name: (value.shape, value.dtype) for name, value in found.items()} == {
        name: (value.shape, np.dtype("float32")) for name, value in expected.items()
    }
    fractions, embedding = (np.abs(found[name] - expected[name]).max() for name in ("fractions", "embedding"))
    largest = np.abs(expected["embedding"]).max()
    print(f"largest differences: fractions {fractions:.1e}, embedding {embedding:.1e} of {largest:.1f}")
    assert fractions < bound
    assert embedding < bound * largest


def with_statistics(model: GalaxyModel, cutouts: np.ndarray) -> GalaxyModel:
    """Give fresh batch norms the images' own statistics: without them features of deep networks are next to nothing."""
    norms = [layer for layer in nested_layers(model.encoder) if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
    model.encoder(cutouts / np.float32(255), training=True)
    return model


@pytest.fixture(scope="module")
def bundled(form, tmp_path_factory):
    """The encoder that comes along, as the command converts it."""
    folder = tmp_path_factory.mktemp(form.name)
    typed(folder, "--model", "bundled", "--to", form.name)
    return folder / f"model{form.ending}"


@pytest.mark.parametrize(("sample", "tree"), [("gz2_votes.parquet", "gz2"), ("rings.parquet", None)])
@pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning")
def test_real_galaxies_get_the_numbers_that_keras_gives(form, bundled, sample, tree):
    model = za.load_model("bundled")
    cutouts, failed = za.read_catalogue(SAMPLES / sample, tree=tree).decode(model.preprocessing, range(SHOWN))
    assert not failed
    run, expected = form.run(bundled), as_keras(model, cutouts)
    refuse_difference(run(cutouts), expected)
    assert expected["fractions"].std(axis=0).max() > 0.1
    for batch in (1, 5):
        refuse_difference(run(cutouts[:batch]), {name: value[:batch] for name, value in expected.items()})


def test_the_file_describes_itself_as_the_file_beside_it(form, bundled):
    if form.name == "onnx":
        session = pytest.importorskip("onnxruntime").InferenceSession(bundled, providers=["CPUExecutionProvider"])
        held = session.get_modelmeta().custom_metadata_map[KEY]
        assert [entry.shape for entry in session.get_inputs()] == [["batch", 192, 192, 3]]
        assert {entry.name: entry.shape for entry in session.get_outputs()} == {
            "fractions": ["batch", 42],
            "embedding": ["batch", 1280],
        }
    else:
        with zipfile.ZipFile(bundled) as archive:
            held = archive.read(f"{KEY}.json")
    told = json.loads(bundled.with_name(f"{bundled.name}.json").read_text())
    assert json.loads(held) == told == json.loads(json.dumps(description(za.load_model("bundled"))))


def test_cutouts_made_as_the_docs_say_are_those_that_zooactive_makes(form, bundled, tmp_path):
    told = json.loads(bundled.with_name(f"{bundled.name}.json").read_text())
    (first,) = pd.read_parquet(SAMPLES / "rings.parquet").head(1)["image"]
    (tmp_path / "galaxy.jpg").write_bytes(first["bytes"] if isinstance(first, dict) else first)
    image, size = Image.open(tmp_path / "galaxy.jpg").convert("RGB"), told["input"]["shape"][1]
    side = round(min(image.size) * told["cutouts"]["crop"])
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cutout = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side)))
    ours = za.read_catalogue(SAMPLES / "rings.parquet").decode(za.load_model("bundled").preprocessing, range(1))[0]
    np.testing.assert_array_equal(cutout, ours[0])


@pytest.mark.parametrize(
    ("backbone", "settings"),
    [
        ("efficientnet_b0", {"concentrations": "sigmoid"}),
        ("efficientnet_b0_timm", {"precision": "mixed_bfloat16"}),
        ("efficientnet_b0_imagenet", {"channels": 1}),
        ("efficientnet_lite0", {"preprocessing": za.Preprocessing(size=64, standardise=True), "image_size": 224}),
        ("resnet26_slim", {"concentrations": "fraction"}),
        ("small_cnn", {}),
    ],
)
def test_every_backbone_and_head_converts(form, tree, tmp_path, backbone, settings):
    register_backbone("resnet26_slim", SLIM)
    model = GalaxyModel(tree, backbone=backbone, **{"image_size": 64} | settings)
    cutouts = np.random.default_rng(0).integers(0, 256, (8, 64, 64, model.preprocessing.channels), dtype=np.uint8)
    convert(with_statistics(model, cutouts), tmp_path / f"model{form.ending}")
    if model.precision != "float32":
        exact = GalaxyModel(tree, backbone=backbone, image_size=64)
        exact.encoder.set_weights(model.encoder.get_weights())
        exact.put_head(model.linear_head().kernel, model.linear_head().bias)
        model = exact
    expected = as_keras(model, cutouts)
    assert expected["embedding"].std(axis=0).max() > 0.01
    refuse_difference(form.run(tmp_path / f"model{form.ending}")(cutouts), expected, OF_NOISE)


@pytest.mark.filterwarnings("ignore:.*images unlike those:UserWarning", "ignore:.*too few:UserWarning")
def test_a_fine_tuned_task_converts(form, tmp_path):
    rings = SAMPLES / "rings.parquet"
    head = FinetuneConfig(policy="head")
    tuned = za.finetune(tiny_model("gz2"), rings, task="rings", config=head, progress=None)
    tuned.save(tmp_path / "task")
    typed(tmp_path, "--model", "task", "--out", f"rings{form.ending}")
    cutouts, _ = za.read_catalogue(rings).decode(tuned.model.preprocessing, range(8))
    refuse_difference(form.run(tmp_path / f"rings{form.ending}")(cutouts), as_keras(tuned.model, cutouts))


@pytest.mark.parametrize("operation", ["py_function", "betainc"])
def test_a_network_that_the_form_has_no_operations_for_is_refused(form, tree, tmp_path, operation):
    class Odd(keras.layers.Layer):
        def call(self, values):
            tensorflow = __import__("tensorflow")
            if operation == "betainc":  # which LiteRT would leave to TensorFlow
                return tensorflow.math.betainc(values + 1, values + 2, values)
            return tensorflow.ensure_shape(tensorflow.py_function(np.sqrt, [values], "float32"), (None, 3))

    def builder(image_size: int, channels: int) -> keras.Model:
        pixels = keras.Input((image_size, image_size, channels))
        return keras.Model(pixels, Odd()(keras.layers.GlobalAveragePooling2D()(pixels)))

    register_backbone(f"{operation}_{form.name}", builder)
    model = GalaxyModel(tree, backbone=f"{operation}_{form.name}", image_size=16)
    with pytest.raises(ModelError, match="cannot be written as"):
        convert(model, tmp_path / f"model{form.ending}")
    assert list(tmp_path.iterdir()) == []
