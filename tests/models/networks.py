"""Large networks made small: what every depth and width has in common is tested on four blocks and few features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from keras import StatelessScope
from keras.initializers import TruncatedNormal, VarianceScaling
from keras.src.applications import efficientnet, efficientnet_v2

from zooactive.models import build_encoder
from zooactive.models.backbones import convnext, efficientnet_lite0, register, resnet
from zooactive.models.backbones.resnet26 import resnet26

REPEATS = 1, 2, 1
"""Blocks of each stage of a small EfficientNet: without expansion, with a stride of 2, with filters of 5 x 5."""

DEPTHS, WIDTHS = (1, 2, 1, 1), (8, 12, 16, 24)
"""Blocks and features of each stage of a small ConvNeXt or ResNet."""

V2 = ((0, 1, 24, 24), (1, 2, 24, 32), (2, 1, 32, 36), (3, 1, 36, 40))
"""Stages of a small EfficientNetV2: which of the large one, blocks, features that come in and go out."""


@contextmanager
def reduced_networks() -> Iterator[None]:
    """Build EfficientNets of their first blocks, and narrow ConvNeXts and ResNets, under the names of the large ones."""
    of_keras = [{**stage, "repeats": n} for stage, n in zip(efficientnet.DEFAULT_BLOCKS_ARGS, REPEATS, strict=False)]
    of_lite0 = [(n, *stage[1:]) for stage, n in zip(efficientnet_lite0._STAGES, REPEATS, strict=False)]
    large = efficientnet_v2.DEFAULT_BLOCKS_ARGS["efficientnetv2-s"]
    of_v2 = [
        {**large[stage], "num_repeat": repeats, "input_filters": before, "output_filters": after}
        for stage, repeats, before, after in V2
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficientnet, "DEFAULT_BLOCKS_ARGS", of_keras)
        patch.setitem(efficientnet_v2.DEFAULT_BLOCKS_ARGS, "efficientnetv2-s", of_v2)
        patch.setattr(convnext, "SIZES", dict.fromkeys(convnext.SIZES, (DEPTHS, WIDTHS)))
        patch.setattr(resnet, "UNITS", dict.fromkeys(resnet.UNITS, DEPTHS))
        patch.setattr(resnet, "_WIDTHS", WIDTHS)
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
        patch.setattr(TruncatedNormal, "__call__", fill)
        yield


def structure(backbone: str, image_size: int = 32, channels: int = 3) -> Any:
    """Build a network of full width without its weights: they have names and shapes, and take neither time nor memory."""
    with StatelessScope(initialize_variables=False):
        return build_encoder(backbone, image_size, channels)
