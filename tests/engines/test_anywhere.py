"""The same seeds give the same bits wherever a scheduler runs the work, and where it cannot run a sentence says so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anywhere
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "cli"))
from small_survey import write_survey


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    return write_survey(tmp_path_factory.mktemp("anywhere") / "survey", 24)


@pytest.fixture(scope="module")
def found(survey) -> dict[str, Any]:
    """What a new interpreter came to in each place: in this one other tests have worked before."""
    asked = [sys.executable, anywhere.__file__, str(survey)]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_threads_at_once_come_to_the_bits_of_one(found):
    assert found["threads"] == [found["here"]] * anywhere.PLACES
    assert len(set(found["here"].values())) == 4  # each step has its own mark


def test_new_processes_come_to_the_bits_of_this_one(found):
    assert found["spawned"] == [found["here"]] * anywhere.PLACES


def test_a_fork_of_a_process_that_worked_is_told_so_at_once(found):
    said, seconds = found["fork"]
    assert said.startswith("EngineError: process ")
    assert "was forked from one in which a network had computed" in said
    assert 'get_context("spawn")' in said
    assert seconds < 30  # it neither hangs nor works


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_workers_come_to_the_bits_of_this_process(found, survey):
    ray = pytest.importorskip("ray", reason="Ray is an extra")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env={"py_modules": [anywhere.__file__]})
    try:
        asked = ray.remote(anywhere.work)
        assert ray.get([asked.remote(str(survey), i) for i in range(2)]) == [found["here"]] * 2
    finally:
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # Dask's own
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask_workers_come_to_the_bits_of_this_process(found, survey, scheduler):
    dask = pytest.importorskip("dask", reason="Dask is no part of zooactive")
    asked = [dask.delayed(anywhere.work)(str(survey), i) for i in range(2)]
    assert list(dask.compute(*asked, scheduler=scheduler, num_workers=2)) == [found["here"]] * 2


@pytest.mark.filterwarnings("ignore")  # Dask's own
def test_the_workers_of_a_dask_cluster_come_to_the_bits_of_this_process(found, survey):
    distributed = pytest.importorskip("distributed", reason="Dask is no part of zooactive")
    places = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**places) as cluster, distributed.Client(cluster) as client:
        asked = [client.submit(anywhere.work, str(survey), i, pure=False) for i in range(2)]
        assert client.gather(asked) == [found["here"]] * 2
