"""Several devices at once: two that one processor pretends to be, in a process of their own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import warm_interpreter

from zooactive.foundation.errors import TrainingError
from zooactive.training.devices import deterministic_operations, on_every_device, shareable, shareable_rows

TESTS = str(Path(__file__).resolve().parents[1])
CODE = """
import sys
import numpy as np
import tensorflow as tf

processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
import pandas as pd
from PIL import Image
import zooactive as za
from zooactive.training.devices import on_every_device

sys.path.insert(0, sys.argv[1])
from tiny_network import tiny_model

rng = np.random.default_rng(0)
for i in range(48):
    Image.fromarray(rng.normal(40 + 120 * (i % 2), 15, (16, 16, 3)).clip(0, 255).astype(np.uint8)).save(f"g{i}.png")
rows = [{"id": f"g{i}", "file_loc": f"g{i}.png", "ring": i % 2} for i in range(48)]
pd.DataFrame(rows).to_csv("rings.csv", index=False)
catalogue = za.read_catalogue("rings.csv", tree="rings", label_column="ring")
config = za.TrainingConfig(epochs=3, batch_size=17, learning_rate=1e-2, head_epochs=1)
with on_every_device(["CPU:0", "CPU:1"]):
    model = tiny_model("rings", concentrations="fraction")
    history = za.train(model, catalogue.take(range(35)), validation=catalogue.take(range(35, 48)), run_dir="run",
                       config=config)
replicas = len({replica.device for replica in getattr(model.head.kernel.value, "values", [model.head.kernel.value])})
same = za.load_model("run").fingerprint() == model.fingerprint()
print(replicas, history["loss"].iloc[0], history["loss"].iloc[-1], same)
"""


def test_a_batch_is_shared_out_among_two_devices_and_the_model_saved_as_any(tmp_path):
    done = warm_interpreter.run(CODE, TESTS, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    replicas, first, last, same = done.stdout.split()
    assert replicas == "2"
    assert float(last) < 0.5 * float(first)
    assert same == "True"


@pytest.mark.parametrize("devices", [None, (), ("CPU:0",)])
def test_one_device_shares_with_nobody(devices):
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    with on_every_device(devices):
        assert tf.distribute.get_strategy() is strategy
        assert shareable(17) == 17
    assert strategy.num_replicas_in_sync == 1


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keras as it answers over JAX on a machine with the cards of this list."""
    import keras

    found: list[str] = []
    current: list[Any] = [None]

    def listed(kind: str) -> list[str]:
        if not found:
            raise RuntimeError(f"Unknown backend: '{kind}'")
        return found

    def shared_by(devices: list[str]) -> SimpleNamespace:
        return SimpleNamespace(device_mesh=SimpleNamespace(shape=(len(devices),)))

    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setattr(keras.distribution, "list_devices", listed)
    monkeypatch.setattr(keras.distribution, "DataParallel", shared_by)
    monkeypatch.setattr(keras.distribution, "distribution", lambda: current[-1])
    monkeypatch.setattr(keras.distribution, "set_distribution", current.append)
    return found


def test_over_jax_the_cards_share_a_batch_inside_the_block_only(cards):
    cards += ["gpu:0", "gpu:1", "gpu:2"]
    with on_every_device():
        assert shareable(17) == 15
        assert shareable(2) == 3
    assert shareable(17) == 17
    with on_every_device(["gpu:1"]):
        assert shareable(17) == 17


def test_over_jax_without_a_card_nothing_is_shared_and_sums_are_the_same_anyway(cards):
    with on_every_device():
        assert shareable(17) == 17
    deterministic_operations()


def test_over_jax_a_card_that_was_not_told_to_add_up_in_order_is_an_error_that_says_how(cards, monkeypatch):
    cards.append("gpu:0")
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    with pytest.raises(TrainingError, match="XLA_FLAGS=--xla_gpu_deterministic_ops=true"):
        deterministic_operations()
    monkeypatch.setenv("XLA_FLAGS", "--xla_gpu_deterministic_ops=true --xla_gpu_autotune_level=0")
    deterministic_operations()


def test_rows_of_no_weight_fill_up_a_batch_and_leave_its_mean_as_it_was(cards):
    cards += ["gpu:0", "gpu:1", "gpu:2", "gpu:3"]
    rng = np.random.default_rng(0)
    rows, votes, weights = rng.random((10, 5)), rng.random((10, 3), dtype="f4"), rng.random(10, dtype="f4")
    with on_every_device():
        inputs, filled, raised = shareable_rows(rows, votes, weights)
    assert (inputs.shape, filled.shape, raised.shape) == ((12, 5), (12, 3), (12,))
    np.testing.assert_array_equal(inputs[:10], rows)
    np.testing.assert_allclose((raised[:, None] * filled).mean(0), (weights[:, None] * votes).mean(0), rtol=1e-6)
    for given, same in zip((rows, votes, weights), shareable_rows(rows, votes, weights), strict=True):
        assert given is same
