"""Several devices at once: two that one processor pretends to be, in a process of their own."""

from __future__ import annotations

import subprocess
import sys

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

folder, rng = sys.argv[1], np.random.default_rng(0)
for i in range(48):
    Image.fromarray(rng.normal(40 + 120 * (i % 2), 15, (16, 16, 3)).clip(0, 255).astype(np.uint8)).save(f"{folder}/g{i}.png")
rows = [{"id": f"g{i}", "file_loc": f"g{i}.png", "ring": i % 2} for i in range(48)]
pd.DataFrame(rows).to_csv(f"{folder}/rings.csv", index=False)
catalogue = za.read_catalogue(f"{folder}/rings.csv", tree="rings", label_column="ring")
config = za.TrainingConfig(epochs=8, batch_size=17, learning_rate=5e-3, head_epochs=2)
with on_every_device(sys.argv[2:]):
    model = za.GalaxyModel("rings", backbone="small_cnn", image_size=16, concentrations="fraction")
    history = za.train(model, catalogue.take(range(35)), validation=catalogue.take(range(35, 48)), run_dir=f"{folder}/run",
                       config=config)
replicas = len({replica.device for replica in getattr(model.head.kernel.value, "values", [model.head.kernel.value])})
same = za.load_model(f"{folder}/run").fingerprint() == model.fingerprint()
print(replicas, history["loss"].iloc[0], history["loss"].iloc[-1], same)
"""


def test_a_batch_is_shared_out_among_two_devices_and_the_model_saved_as_any(tmp_path):
    told = {}
    for number, devices in (("1", ()), ("2", ("CPU:0", "CPU:1"))):
        (tmp_path / number).mkdir()
        words = [sys.executable, "-c", CODE, str(tmp_path / number), *devices]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        told[number] = done.stdout.split()
    for number, (replicas, first, last, same) in told.items():
        assert replicas == number
        assert float(last) < 0.5 * float(first)
        assert same == "True"
