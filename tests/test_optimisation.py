from __future__ import annotations

import keras
import pytest

from zooactive.augmentation import Augmentation
from zooactive.optimisation import compile_training
from zooactive.training_config import TrainingConfig

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
        def compile(self, optimizer, *, loss, jit_compile):
            self.jit_compile = jit_compile

    trainer = Trainer()
    monkeypatch.setattr("zooactive.optimisation.DirichletMultinomialLoss", lambda tree: None)
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: devices)
    compile_training(trainer, tree, TrainingConfig(augmentation=augmentation), 10)
    assert trainer.jit_compile is compiled
