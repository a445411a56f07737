"""The arrays in a file of published weights, by their names there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from zooactive.foundation.errors import ModelError, explained


def read_state(path: Path) -> dict[str, NDArray[Any]]:
    """Read all arrays of a safetensors file by name, as they are stored.

    Raises a ModelError when safetensors is not installed, or when the file is missing or damaged.
    """
    needed = f"reading {path} needs the package safetensors: pip install 'zooactive[weights]'"
    with explained(ModelError, needed, ImportError):
        package, reader = importlib.import_module("safetensors"), importlib.import_module("safetensors.numpy")
    damaged = f"{path} is no readable safetensors file of float32 or float16 ({{reason}}); save it again"
    missing = f"there is no file {path}; give the path of a safetensors file"
    # NumPy has no bfloat16, which is a KeyError or a TypeError by the version of safetensors.
    unreadable = explained(ModelError, damaged, OSError, KeyError, TypeError, package.SafetensorError)
    with unreadable, explained(ModelError, missing, FileNotFoundError):
        return dict(reader.load_file(path))
