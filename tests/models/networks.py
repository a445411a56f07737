"""Large networks made small: what every depth and width has in common is tested on four blocks and few features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from keras.initializers import VarianceScaling
from keras.src.applications import efficientnet

from zooactive.models.backbones import efficientnet_lite0, register
from zooactive.models.backbones.resnet26 import resnet26

REPEATS = 1, 2, 1
"""Blocks of each stage of a small EfficientNet: without expansion, with a stride of 2, with filters of 5 x 5."""


@contextmanager
def reduced_networks() -> Iterator[None]:
    """Build EfficientNets of their first blocks and a narrow ResNet-26, under the names of the large ones."""
    of_keras = [{**stage, "repeats": n} for stage, n in zip(efficientnet.DEFAULT_BLOCKS_ARGS, REPEATS, strict=False)]
    of_lite0 = [(n, *stage[1:]) for stage, n in zip(efficientnet_lite0._STAGES, REPEATS, strict=False)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet, "DEFAULT_BLOCKS_ARGS", of_keras)
        patch.setattr(efficientnet_lite0, "_STAGES", of_lite0)
        patch.setitem(register._BUILDERS, "resnet26", partial(resnet26, width=1 / 16))
        yield


@contextmanager
def plain_weights() -> Iterator[None]:
    """Fill fresh kernels with the same few thousand numbers again and again: drawing millions of them takes seconds."""
    few = np.random.default_rng(0).normal(size=9973).astype(np.float32)

    def fill(self: Any, shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
        return np.resize(few, shape) / np.float32(np.sqrt(np.prod(shape[:-1])))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VarianceScaling, "__call__", fill)
        yield
