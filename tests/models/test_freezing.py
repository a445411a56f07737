from __future__ import annotations

import keras
import numpy as np
import pytest
from networks import structure

from zooactive.foundation.errors import ModelError
from zooactive.models import build_encoder
from zooactive.models.backbones.resnet26 import resnet26
from zooactive.models.freezing import encoder_blocks, free_everything, free_last_blocks, layer_rates
from zooactive.training.optimiser import AdamWByLayer


def test_every_weight_that_can_learn_is_in_one_block(efficientnet_b0):
    for encoder, blocks in (
        (efficientnet_b0, ["stem", *(f"block{i}" for i in range(1, 8)), "top"]),
        (resnet26(32, width=1 / 16), ["stem", "conv2", "conv3", "conv4", "conv5", "last"]),
        (build_encoder("small_cnn", 32), [f"stage{i}" for i in range(1, 5)]),
        (structure("convnext_nano"), ["stem", *(f"stage{i}" for i in range(1, 5))]),
        (structure("resnet18"), ["stem", *(f"layer{i}" for i in range(1, 5))]),
    ):
        found = encoder_blocks(encoder)
        assert list(found) == blocks
        inside = {weight.path for layers in found.values() for layer in layers for weight in layer.trainable_weights}
        assert inside == {weight.path for weight in encoder.trainable_weights}


def test_the_last_blocks_learn_and_batch_norms_never():
    encoder = build_encoder("small_cnn", 32)
    free_last_blocks(encoder, 2)
    assert {weight.path.split("/")[0] for weight in encoder.trainable_weights} == {"stage3_conv", "stage4_conv"}
    free_last_blocks(encoder, 0)
    assert encoder.trainable_weights == []
    free_everything(encoder)
    assert len(encoder.trainable_weights) == len(build_encoder("small_cnn", 32).trainable_weights)
    with pytest.raises(ModelError, match="5 blocks should learn, but the encoder has 4"):
        free_last_blocks(encoder, 5)


def test_lower_blocks_learn_more_slowly():
    rates = layer_rates(build_encoder("small_cnn", 32), 0.5)
    first = {path.split("_")[0]: rate for path, rate in rates.items()}
    assert first == {"stage1": 0.5**4, "stage2": 0.5**3, "stage3": 0.5**2, "stage4": 0.5}


def test_the_optimiser_moves_each_weight_at_its_own_rate():
    """One step of Adam moves by the learning rate, in the direction of the sign of the gradient; decay comes before it."""
    full, slow = (keras.Variable(np.ones(3, np.float32), name=name) for name in ("full", "slow"))
    optimizer = AdamWByLayer(0.1, {slow.path: 0.25}, decay=0.5)
    optimizer.build([full, slow])
    gradient = keras.ops.convert_to_tensor(np.full(3, 2.0, np.float32))
    optimizer.apply([gradient, gradient], [full, slow])
    assert np.allclose(full.numpy(), 1 - 0.5 * 0.1 - 0.1, atol=1e-5)
    assert np.allclose(slow.numpy(), 1 - 0.5 * 0.025 - 0.025, atol=1e-5)
