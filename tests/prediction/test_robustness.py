"""Prediction runs that are killed, that meet damaged images, and whose disk is full or read-only.

ZOOACTIVE_KILLS=10 kills a run ten times instead of twice.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warm_interpreter
from PIL import Image

from zooactive.catalogue import read_catalogue
from zooactive.foundation.errors import OutputError, PosteriorError
from zooactive.models import GalaxyModel
from zooactive.prediction import PredictionConfig, open_predictions, predict
from zooactive.prediction.runs import write_predictions

KILLS = int(os.environ.get("ZOOACTIVE_KILLS", "2"))
CONFIG = PredictionConfig(draws=8, batch_size=4, rows_per_part=8)
RUN = """
import sys
import zooactive as za
from zooactive.prediction import PredictionConfig
from zooactive.prediction.runs import write_predictions

model, catalogue = za.load_model("model"), za.read_catalogue(sys.argv[1])
print("ready", flush=True)
write_predictions(model, catalogue, "out", config=PredictionConfig(draws=8, batch_size=4, rows_per_part=8))
"""


@pytest.fixture
def model(tree) -> GalaxyModel:
    return GalaxyModel(tree, backbone="small_cnn", image_size=16, seed=3)


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"))


def test_a_run_killed_at_random_moments_ends_with_the_bytes_of_an_undisturbed_one(model, galaxies, tmp_path):
    galaxies(40 * KILLS)
    (tmp_path / "images" / "g007.jpg").write_bytes(b"no image")
    catalogue = read_catalogue(tmp_path / "images")
    model.save(tmp_path / "model")
    write_predictions(model, catalogue, tmp_path / "whole", config=CONFIG)
    moment, killed, out = random.Random(0), 0, tmp_path / "out"
    while killed < KILLS:
        run = warm_interpreter.start(RUN, tmp_path / "images", folder=tmp_path)
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        before, wanted = len(parts(out)), moment.randrange(4)
        while run.poll() is None and len(parts(out)) < before + wanted:
            time.sleep(0.001)
        time.sleep(0.03 * moment.random())
        assert run.poll() is None, "the run ended before it was killed; give it more galaxies"
        run.send_signal(signal.SIGKILL)
        run.communicate()
        killed += 1
        with pytest.raises(PosteriorError, match="holds"):
            open_predictions(out)
    stored = write_predictions(model, catalogue, out, config=CONFIG)
    assert {part.name: part.read_bytes() for part in out.glob("*.parquet")} == {
        part.name: part.read_bytes() for part in (tmp_path / "whole").glob("*.parquet")
    }
    times = Counter([*stored.table()["id"], *stored.failures()["id"]])
    assert set(times) == set(catalogue.ids)
    assert set(times.values()) == {1}
    assert not list(out.glob(".part-*"))


def test_one_image_in_a_hundred_is_damaged_and_each_is_listed_with_its_reason(model, galaxies, tmp_path):
    catalogue = galaxies(400)
    damage = {
        "truncated": lambda image: image.write_bytes(image.read_bytes()[: image.stat().st_size // 2]),
        "is empty": lambda image: image.write_bytes(b""),
        "is 4 x 4 pixels": lambda image: Image.new("RGB", (4, 4)).save(image),
        "is not a JPEG, PNG or FITS": lambda image: image.write_text("<html>404</html>"),
    }
    expected = {}
    for row, (reason, spoil) in zip((3, 104, 205, 399), damage.items(), strict=True):
        spoil(catalogue.images[row])
        expected[catalogue.ids[row]] = reason
    stored = predict(model, catalogue, out=tmp_path / "out", draws=4)
    failures = stored.failures().set_index("id")
    assert set(failures.index) == set(expected)
    for galaxy_id, reason in expected.items():
        assert reason in failures["reason"][galaxy_id]
        assert failures["path"][galaxy_id].endswith(f"{galaxy_id}.jpg")
    rest = [galaxy_id for galaxy_id in catalogue.ids if galaxy_id not in expected]
    assert list(stored.table()["id"]) == rest
    live = predict(model, catalogue.select(rest), draws=4)
    assert np.allclose(stored.posterior().concentrations, live.concentrations, rtol=1e-3)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 192 KiB, and a function that remounts it."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=192k", "tmpfs", place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield place, lambda options: subprocess.run(["mount", "-o", f"remount,{options}", place], check=True)
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_is_told_and_what_was_finished_is_whole(model, galaxies, tmp_path, small_disk):
    place, remount = small_disk
    catalogue, out = galaxies(150), place / "out"
    with pytest.raises(OutputError, match="the disk is full; free some space and run the same command again"):
        write_predictions(model, catalogue, out, config=CONFIG)
    finished = parts(out)
    assert 0 < len(finished) < 19
    assert not list(out.glob(".part-*"))
    assert all(len(pd.read_parquet(part)) == 8 for part in finished)
    with pytest.raises(PosteriorError, match="unfinished"):
        open_predictions(out)
    remount("size=4m")
    stored = write_predictions(model, catalogue, out, config=CONFIG)
    whole = write_predictions(model, catalogue, tmp_path / "whole", config=CONFIG)
    assert [part.read_bytes() for part in stored.parts] == [part.read_bytes() for part in whole.parts]


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_read_only_place_is_told(model, galaxies, small_disk):
    place, remount = small_disk
    remount("ro")
    with pytest.raises(OutputError, match="the file system is read-only; choose another place"):
        write_predictions(model, galaxies(3), place / "out", config=CONFIG)
    assert not list(place.iterdir())
