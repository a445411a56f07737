"""The names of published weights, which can replace the folder of a model, and the file of a folder that holds them."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import ModelError
from zooactive.foundation.parsing import read_object

IMAGENET = "imagenet"
"""The name for Keras' ImageNet weights."""

ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
"""The endings of files with weights; the content of a file decides how it is read."""

IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
"""The files with weights in a folder from the Hugging Face hub, the preferred ones first."""

DESCRIPTION = "config.json"
"""The description next to a file of weights on the hub."""

_CHECKPOINT = ".ckpt"

_OURS = "model.json"
"""The file that marks one of our own models: see `zooactive.models.saved_form`."""


def is_published(start: str | Path) -> bool:
    """Return whether weights to start from were published by others.

    These are named "imagenet", by a file, or by a folder that has weights or whose ``config.json`` names an architecture. A
    model of zooactive is none of these.
    """
    path = Path(start)
    if str(start) == IMAGENET or path.suffix in ENDINGS:
        return True
    if not path.is_dir() or any((folder / _OURS).exists() for folder in (path, path / "model")):
        return False
    return bool(_weights_in(path)) or _says_architecture(path / DESCRIPTION)


def published_file(path: str | Path) -> Path:
    """Return the file that holds published weights: the path itself, or a file in its folder.

    In a folder it is ``model.safetensors``, otherwise ``pytorch_model.bin``, otherwise the only file that ends in ``.ckpt``.
    Raise a ModelError if a folder has none of them, or several checkpoints.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    found = _weights_in(path)
    if not found:
        raise ModelError(f"{path} holds no weights; give a folder with {', '.join(IN_FOLDER)} or one {_CHECKPOINT} file")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:3])
        raise ModelError(f"{path} holds {len(found)} checkpoints ({names}); give the path of one of them")
    return found[0]


def _says_architecture(config: Path) -> bool:
    try:
        return "architecture" in read_object(config)
    except (OSError, ValueError):
        return False


def _weights_in(folder: Path) -> list[Path]:
    """Return the first of the usual names that a folder has, otherwise all its checkpoints."""
    usual = [folder / name for name in IN_FOLDER if (folder / name).is_file()]
    return usual[:1] or sorted(file for file in folder.glob(f"*{_CHECKPOINT}") if file.is_file())
