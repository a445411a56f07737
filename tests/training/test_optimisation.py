from __future__ import annotations

import keras
import numpy as np
import pytest
from tiny_network import tiny_model

from zooactive.training.augmentation import Augmentation
from zooactive.training.config import TrainingConfig
from zooactive.training.network import training_network
from zooactive.training.optimiser import compile_training, for_precision

TURNS = Augmentation(rotation="quarter")
ANY_ANGLE = Augmentation(rotation="any")


@pytest.mark.parametrize(
    ("backend", "devices", "augmentation", "compiled"),
    [
        ("tensorflow", ["cpu:0"], TURNS, False),
        ("tensorflow", ["gpu:0"], TURNS, True),
        ("tensorflow", ["gpu:0"], ANY_ANGLE, False),
        ("tensorflow", ["gpu:0"], Augmentation(rotation="none"), False),
        ("tensorflow", ["gpu:0"], Augmentation(flips=False, rotation="none"), True),
        ("jax", ["cpu:0"], TURNS, True),
        ("jax", ["cpu:0"], ANY_ANGLE, True),
        ("jax", ["gpu:0"], ANY_ANGLE, True),
    ],
)
def test_a_step_is_compiled_where_that_pays(tree, monkeypatch, backend, devices, augmentation, compiled):
    class Trainer:
        compute_dtype = "float32"

        def compile(self, optimizer, *, loss, jit_compile):
            self.jit_compile = jit_compile

    trainer = Trainer()
    monkeypatch.setattr("zooactive.training.optimiser.DirichletMultinomialLoss", lambda tree: None)
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    compile_training(trainer, tree, TrainingConfig(augmentation=augmentation), 10)
    assert trainer.jit_compile is compiled


@pytest.mark.parametrize(("precision", "scaled"), [("float32", False), ("mixed_bfloat16", False), ("mixed_float16", True)])
def test_the_loss_is_scaled_in_float16_alone(tree, precision, scaled):
    model = tiny_model(tree, precision=precision)
    optimizer = for_precision(keras.optimizers.SGD(0.1), training_network(model))
    assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) == scaled


def test_gradients_that_are_nothing_in_float16_move_the_weights_all_the_same():
    # d/dw of 1e-9 w x at x = 1 is 1e-9: below 6e-8, the least number of float16, but not times 2^15.
    pixels = keras.Input((1,))
    half = keras.layers.Dense(1, use_bias=False, dtype="mixed_float16")(pixels)
    trainer = keras.Model(pixels, keras.layers.Rescaling(1e-9, dtype="float32")(half))
    trainer.compile(for_precision(keras.optimizers.SGD(1e8), trainer), loss=lambda truth, told: keras.ops.mean(told))
    before = float(trainer.get_weights()[0][0, 0])
    trainer.train_on_batch(np.ones((4, 1)), np.zeros((4, 1)))
    assert before - float(trainer.get_weights()[0][0, 0]) == pytest.approx(0.1, rel=1e-2)
