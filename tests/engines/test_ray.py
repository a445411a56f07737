"""What Ray's workers write is what one machine writes, also when one of them is killed; needs Ray (`nox -s ray`)."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from zooactive.foundation.errors import CatalogueError, EngineError
from zooactive.models import GalaxyModel
from zooactive.prediction import PredictionConfig, RayEngine
from zooactive.prediction.runs import write_predictions

ray = pytest.importorskip("ray", reason="Ray is an extra")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

CONFIG = PredictionConfig(draws=4, batch_size=4, rows_per_part=4)


@pytest.fixture(scope="module")
def cluster():
    """Two workers' worth of a cluster on this machine."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def model(tree) -> GalaxyModel:
    return GalaxyModel(tree, backbone="small_cnn", image_size=16, seed=3)


def contents(folder: Path) -> dict[str, bytes]:
    return {part.name: part.read_bytes() for part in sorted(folder.glob("*.parquet"))}


def test_two_workers_write_the_very_files_that_one_machine_writes(cluster, model, galaxies, tmp_path):
    catalogue = galaxies(41)
    catalogue.images[5].write_bytes(b"no image")
    write_predictions(model, catalogue, tmp_path / "local", config=CONFIG)
    done: list[int] = []
    stored = write_predictions(
        model, catalogue, tmp_path / "ray", config=CONFIG, engine=RayEngine(workers=2), progress=done.append
    )
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert list(stored.failures()["id"]) == ["g005"]
    assert done == sorted(done)
    assert done[-1] == 41


def test_a_killed_worker_changes_nothing(cluster, model, galaxies, tmp_path):
    catalogue = galaxies(160)
    write_predictions(model, catalogue, tmp_path / "local", config=CONFIG)
    killed: list[int] = []

    def kill() -> None:
        """Kill a worker as soon as a first part is there."""
        while not list((tmp_path / "ray").glob("part-*")):
            time.sleep(0.02)
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and "MapBatches" in (process / "cmdline").read_text(errors="replace"):
                os.kill(int(process.name), signal.SIGKILL)
                killed.append(int(process.name))
                return

    killer = threading.Thread(target=kill)
    killer.start()
    write_predictions(model, catalogue, tmp_path / "ray", config=CONFIG, engine=RayEngine(workers=2))
    killer.join()
    assert killed
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


def test_what_a_worker_meets_is_said_as_it_was(cluster, model, galaxies, tmp_path):
    from zooactive.catalogue import Preprocessing, read_catalogue
    from zooactive.catalogue.shards import write_shards

    write_shards(galaxies(8), tmp_path / "shards", Preprocessing(size=32))
    with pytest.raises(CatalogueError, match="was packed as"):
        write_predictions(model, read_catalogue(tmp_path / "shards"), tmp_path / "out", config=CONFIG, engine=RayEngine())


def test_an_address_where_no_cluster_is_is_an_error(model, galaxies, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **options: (_ for _ in ()).throw(ConnectionError("no")))
    with pytest.raises(EngineError, match="no Ray cluster answers at"):
        write_predictions(model, galaxies(4), tmp_path, config=CONFIG, engine=RayEngine(address="1.2.3.4:6379"))
    assert not np.any(list(tmp_path.glob("part-*")))
