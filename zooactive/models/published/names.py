"""How published weights are named where the folder of a model could stand, and which file of a folder holds them."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import ModelError
from zooactive.foundation.parsing import read_object

IMAGENET = "imagenet"
"""The name of Keras' weights of ImageNet's photographs."""

ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
"""What names of files of weights end in; how a file is read is told by what it holds."""

IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
"""The weights in a folder as the Hugging Face hub has it, the better ones first."""

DESCRIPTION = "config.json"
"""What the hub has beside a file of weights."""

_CHECKPOINT = ".ckpt"

_OURS = "model.json"
"""What a model's folder of our own has: see `zooactive.models.saved_form`."""


def is_published(start: str | Path) -> bool:
    """Return whether weights to start from are others'.

    They are named "imagenet", by a file, or by a folder that has weights, or whose ``config.json`` says which architecture
    they are of. A model of zooactive is none of these.
    """
    path = Path(start)
    if str(start) == IMAGENET or path.suffix in ENDINGS:
        return True
    if not path.is_dir() or any((folder / _OURS).exists() for folder in (path, path / "model")):
        return False
    return bool(_weights_in(path)) or _says_architecture(path / DESCRIPTION)


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
    """Return the first of the usual names that a folder has, else all its checkpoints."""
    usual = [folder / name for name in IN_FOLDER if (folder / name).is_file()]
    return usual[:1] or sorted(file for file in folder.glob(f"*{_CHECKPOINT}") if file.is_file())
