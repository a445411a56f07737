"""How published weights are named where the folder of a model could stand, and which file of a folder holds them."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import ModelError

IMAGENET = "imagenet"
"""The name of Keras' weights of ImageNet's photographs."""

DESCRIPTION = "config.json"
"""What the Hugging Face hub has beside a file of weights."""

_OURS = "model.json"
"""What a model's folder of our own has: see `zooactive.models.saved_form`."""

_SUFFIXES = (".safetensors", ".bin", ".ckpt")
_USUAL = ("model.safetensors", "pytorch_model.bin")


def is_published(start: str | Path) -> bool:
    """Return whether weights to start from are others'.

    They are "imagenet", a path that ends in .safetensors, .bin or .ckpt, or a folder that has such a file or a
    ``config.json`` and is no model of zooactive.
    """
    path = Path(start)
    if str(start) == IMAGENET or path.suffix in _SUFFIXES:
        return True
    if not path.is_dir() or any((folder / _OURS).exists() for folder in (path, path / "model")):
        return False
    return (path / DESCRIPTION).is_file() or bool(_weights_in(path))


def published_file(path: str | Path) -> Path:
    """Return the file that holds published weights: the path itself, or what stands in its folder.

    Of a folder it is ``model.safetensors``, else ``pytorch_model.bin``, else the only file that ends in ``.ckpt``.
    Raises a ModelError when a folder has none of them, or several checkpoints.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    found = _weights_in(path)
    if not found:
        raise ModelError(f"{path} holds no weights; give a folder with {', '.join(_USUAL)} or one file that ends in .ckpt")
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:3])
        raise ModelError(f"{path} holds {len(found)} checkpoints ({names}); give the path of one of them")
    return found[0]


def _weights_in(folder: Path) -> list[Path]:
    """Return the first of the usual names that a folder has, else all its checkpoints."""
    usual = [folder / name for name in _USUAL if (folder / name).is_file()]
    return usual[:1] or sorted(file for file in folder.glob("*.ckpt") if file.is_file())
