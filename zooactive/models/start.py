"""Import Keras and its backend without the messages that they print at the start."""

from __future__ import annotations

import importlib
import os
import sys


def start_networks() -> None:
    """Import Keras, and hide from stderr what TensorFlow's libraries print before they can be told not to.

    If you set TF_CPP_MIN_LOG_LEVEL below 3, these messages are printed.
    """
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") < "3":
        importlib.import_module("keras")
        return
    sys.stderr.flush()
    kept = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silence, 2)
        importlib.import_module("keras")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silence)
