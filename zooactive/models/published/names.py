"""How published weights are named where the folder of a model could stand."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.parsing import read_object

IMAGENET = "imagenet"
"""The name of Keras' weights of ImageNet's photographs."""

ENDINGS = (".safetensors", ".bin", ".pth", ".pt", ".ckpt")
"""What names of files of weights end in; how a file is read is told by what it holds."""

IN_FOLDER = ("model.safetensors", "pytorch_model.bin")
"""The weights in a folder as the Hugging Face hub has it, the better ones first."""


def is_published(start: str | Path) -> bool:
    """Return whether weights to start from are others'.

    They are named "imagenet", by a file, or by a folder whose ``config.json`` says which architecture they are of.
    """
    return str(start) == IMAGENET or Path(start).suffix in ENDINGS or _says_architecture(Path(start) / "config.json")


def _says_architecture(config: Path) -> bool:
    try:
        return "architecture" in read_object(config)
    except (OSError, ValueError):
        return False
