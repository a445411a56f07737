"""Convert a model to a file that other programs run without Keras: ONNX or LiteRT.

The file takes cutouts as bytes. It returns, by name, the mean vote fractions of every answer and the embedding. The
fractions are those of the model's head without draws: answer a of question q has alpha_a / (sum of alpha over the answers of
q). A calibrated model multiplies every alpha of q by one factor f_q (`zooactive.calibrate`), and f_q alpha_a / (f_q sum of
alpha) is the same number. So the file needs no factors.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.foundation.errors import ModelError, OutputError
from zooactive.foundation.vocabulary import Form
from zooactive.foundation.writing import aside, write_json
from zooactive.models.embedding_model import EmbeddingModel
from zooactive.models.features import prediction_network
from zooactive.models.holds import Holds, network_of

if TYPE_CHECKING:
    from zooactive.models.galaxy_model import GalaxyModel

ENDINGS: dict[Form, str] = {"onnx": ".onnx", "litert": ".tflite"}

CUTOUTS, FRACTIONS, EMBEDDING = "cutouts", "fractions", "embedding"
"""The names of the input and of the two outputs."""

KEY = "zooactive"
"""The key of the description in an ONNX file's metadata. A LiteRT file has ``zooactive.json`` in the zip at its end."""

_PACKAGES: dict[Form, tuple[str, ...]] = {"onnx": ("tf2onnx", "onnx"), "litert": ()}  # TensorFlow brings LiteRT's converter


def convert(model: GalaxyModel | EmbeddingModel | Holds, path: str | Path) -> Path:
    """Write a model as one file for ONNX Runtime or LiteRT, which need neither Keras nor zooactive.

    The file takes ``cutouts``, uint8 of shape (batch, size, size, channels), with any batch size. It returns ``fractions``,
    float32 (batch, answer), and ``embedding``, float32 (batch, feature). The fractions are those of the model's head without
    draws, among the volunteers who are asked the question. Batch norms are folded into other layers. A model that computes
    in half precision is written in float32.

    The file's metadata describe how cutouts are cropped and resized, and which answers the columns are. ``PATH.json`` next
    to the file contains the same description.

    Parameters
    ----------
    model : GalaxyModel or FinetunedModel
    path : path
        Must end in ``.onnx`` or ``.tflite``, which decides the format. An existing file is replaced.

    Returns
    -------
    Path
        The file that was written.

    Raises
    ------
    OutputError
        If the name has another ending, the folder cannot be written or the disk is full.
    ModelError
        If tf2onnx or onnx is not installed, the model takes embeddings or averages several crops, Keras does not run on
        TensorFlow, or your own network needs operations that the format does not have.

    Examples
    --------
    >>> import zooactive as za
    >>> za.convert(za.load_model("bundled"), "encoder.onnx")  # doctest: +SKIP
    """
    path = Path(path)
    form = form_of(path)
    require_packages(form)
    written = _convertible(network_of(model))
    network = network_with_outputs(_in_float32(written))
    about = description(written)
    beside = path.with_name(f"{path.name}.json")
    with aside(path) as temporary:
        _write(network, temporary, form, about)
        if beside.is_file():
            beside.unlink()  # it describes the previous file
    write_json(beside, about)
    return path


def form_of(path: Path) -> Form:
    """Return the format that a name's ending means; raise an OutputError for any other ending."""
    for form, ending in ENDINGS.items():
        if path.suffix == ending:
            return form
    raise OutputError(
        f"the ending of {path} names no format to convert to; end it in {ENDINGS['onnx']} for ONNX, or in "
        f"{ENDINGS['litert']} for LiteRT"
    )


def require_packages(form: Form) -> None:
    """Raise a ModelError if a package that writes the format is not installed."""
    missing = [name for name in _PACKAGES[form] if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"writing ONNX needs the package{'s' * (len(missing) > 1)} {' and '.join(missing)}: "
            "pip install 'zooactive[export]'; LiteRT (a name that ends in .tflite) needs no additional package"
        )


def network_with_outputs(model: GalaxyModel) -> Any:
    """Return a Keras model that maps uint8 cutouts to a dict of fractions and embedding, both float32."""
    import keras

    from zooactive.models.backbones.register import nested_layers

    cutouts = keras.Input(model.encoder.input_shape[1:], dtype="uint8", name=CUTOUTS)
    encoder = prediction_network(model.encoder)
    for layer in nested_layers(encoder):
        if isinstance(layer, keras.layers.Normalization):
            # Tensors made outside the graph would become additional inputs of an ONNX file; arrays become constants in it.
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    embedding = encoder(cutouts)
    alpha = model.head(embedding)
    question = model.tree.question_index
    of_one_question = (question[:, None] == question[None, :]).astype(np.float32)
    fractions = alpha / keras.ops.matmul(alpha, of_one_question)
    return keras.Model(cutouts, {FRACTIONS: fractions, EMBEDDING: embedding}, name="converted")


def description(model: GalaxyModel) -> dict[str, Any]:
    """Return a description for the file's user as plain values: input, outputs, how to make cutouts, and the model."""
    seen = model.preprocessing
    return {
        "input": {
            "name": CUTOUTS,
            "dtype": "uint8",
            "shape": ["batch", seen.size, seen.size, seen.channels],
            "channels": ", ".join(seen.channel_names),
        },
        "outputs": {
            FRACTIONS: {
                "dtype": "float32",
                "shape": ["batch", len(model.tree.columns)],
                "columns": list(model.tree.columns),
            },
            EMBEDDING: {"dtype": "float32", "shape": ["batch", int(model.encoder.output_shape[-1])]},
        },
        "questions": {
            question.name: list(model.tree.columns[where])
            for question, where in zip(model.tree.questions, model.tree.slices, strict=True)
        },
        "cutouts": {
            "crop": min(1.0, seen.crop * seen.scales[0]),
            "cropped": "centre square; crop is its share of the shorter side",
            "resized": "Pillow's Image.Resampling.BICUBIC",
        },
        "preprocessing": seen.to_dict(),
        "model": {"tree": model.tree.name, "backbone": model.backbone, "fingerprint": model.fingerprint()},
        "versions": {name: metadata.version(name) for name in ("zooactive", "keras", "tensorflow")},
    }


def _convertible(model: GalaxyModel | EmbeddingModel) -> GalaxyModel:
    """Return the model unchanged, or raise a ModelError if it cannot be converted."""
    if isinstance(model, EmbeddingModel):
        raise ModelError(
            f"the model of tree '{model.tree.name}' takes embeddings and has no network to convert; convert the encoder "
            "that made them with its own program, and take kernel and bias from head.npz in the model's folder"
        )
    scales = model.preprocessing.scales
    if len(scales) > 1:
        raise ModelError(
            f"the model of tree '{model.tree.name}' averages the features of crops at {len(scales)} scales "
            f"({', '.join(f'{scale:g}' for scale in scales)}), but a file takes one crop; train with scales = [1.0] to "
            "convert it"
        )
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ModelError(f"Keras runs on {keras.backend.backend()}; set KERAS_BACKEND=tensorflow to convert a model")
    return model


def _in_float32(model: GalaxyModel) -> GalaxyModel:
    """Return a model that computes in float32: the same one, or a copy if it computes in another precision."""
    if model.precision == "float32":
        return model
    from zooactive.models.galaxy_model import GalaxyModel

    copy = GalaxyModel(
        model.tree, backbone=model.backbone, concentrations=model.concentrations, preprocessing=model.preprocessing
    )
    copy.encoder.set_weights(model.encoder.get_weights())
    head = model.linear_head()
    copy.put_head(head.kernel, head.bias)
    return copy


def _write(network: Any, path: Path, form: Form, about: dict[str, Any]) -> None:
    """Let Keras write a network, and add the description; raise a ModelError for whatever the converter cannot do."""
    import keras

    cutouts = keras.InputSpec(dtype="uint8", shape=network.input_shape, name=CUTOUTS)
    if form == "litert":
        _require_room(4 * network.count_params())
    try:
        with _one_copy_of_the_weights() if form == "onnx" else nullcontext(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras looks for np.object, and TensorFlow warns about its older neighbours
            network.export(str(path), format=form, input_signature=[cutouts], verbose=False)
        (_describe_onnx if form == "onnx" else _describe_litert)(path, about)
    except OSError:  # an error of the disk, which `aside` explains
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        failed = f"the network '{about['model']['backbone']}' cannot be written as {form} ({reason}); try the other form"
        raise ModelError(failed) from error


def _require_room(weights: int) -> None:
    """Raise an OutputError if the temporary folder, where LiteRT's converter reads the weights, has no room for them."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if free < 1.2 * weights:
        raise OutputError(
            f"converting needs {1.2 * weights / 1e6:.0f} MB in the temporary folder {folder}, which has {free / 1e6:.0f}; "
            "free some space, or set TMPDIR to another folder"
        )


@contextmanager
def _one_copy_of_the_weights() -> Iterator[None]:
    """Keep tf2onnx from writing all weights again after each of its fifty optimisation steps.

    Each step copies the graph and writes it as protobuf, and none of this memory is released before the end: the 223 MB of
    ResNet-26 took more than 15 GB. The copies are not needed, because the graph is written once more at the end.
    """
    optimizer: Any = importlib.import_module("tf2onnx.optimizer")
    graphs: Any = importlib.import_module("tf2onnx.graph")
    optimize, write = optimizer.optimize_graph, graphs.Graph.update_proto

    def optimise(graph: Any, catch_errors: bool = True, optimizers: Any = None) -> Any:
        graphs.Graph.update_proto = lambda *given, **named: None
        try:
            return optimize(graph, catch_errors=False, optimizers=optimizers)  # True would make the copies
        finally:
            graphs.Graph.update_proto = write

    optimizer.optimize_graph = optimise
    try:
        yield
    finally:
        optimizer.optimize_graph = optimize


def _describe_onnx(path: Path, about: dict[str, Any]) -> None:
    """Name the free axis "batch", and write the description into the metadata."""
    onnx: Any = importlib.import_module("onnx")
    written = onnx.load(path)
    if [value.name for value in written.graph.input] != [CUTOUTS]:
        raise ValueError("a layer computes with tensors made outside of the network; make them weights, or arrays")
    for value in (*written.graph.input, *written.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(written, {KEY: json.dumps(about)})
    onnx.checker.check_model(written)
    path.write_bytes(written.SerializeToString())


def _describe_litert(path: Path, about: dict[str, Any]) -> None:
    """Append a zip with the description, as LiteRT's metadata are stored; interpreters read only what comes before it.

    Keras allows the converter to leave operations to TensorFlow, which interpreters do not contain. Raise a ValueError for
    these.
    """
    left = sorted({name.decode() for name in re.findall(rb"\0Flex([A-Z][A-Za-z0-9]+)\0", path.read_bytes())})
    if left:
        raise ValueError(f"LiteRT has no operation {', '.join(left)}")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(f"{KEY}.json"), json.dumps(about, indent=2))
