"""Several devices at once: two that one processor pretends to be, in a process of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import warm_interpreter

from zooactive.training.devices import on_every_device, shareable

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
