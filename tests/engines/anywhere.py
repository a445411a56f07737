"""The work of a survey on a few galaxies, and the places where schedulers run it: threads, new processes, forks.

`python anywhere.py SURVEY PLACE` prints what it came to in a place, or in several, by the names of `IN`;
`tests/engines/test_anywhere.py` compares.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import random
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

PLACES = int(os.environ.get("ZOOACTIVE_PLACES", "2"))
"""Threads at the same time; `nox -s ray` has four, each of which takes ten seconds of a processor."""

PROCESSES = PLACES if PLACES > 2 else 1
"""New processes at the same time, which take as long."""


def work(survey: str, number: int = 0) -> dict[str, str]:
    """Build, train, predict and fine-tune with fixed seeds, and return a mark of the bits of each."""
    from tiny_network import tiny_model

    import zooactive as za
    from zooactive.training.augmentation import Augmentation
    from zooactive.training.config import TrainingConfig
    from zooactive.training.finetuning.config import FinetuneConfig

    folder = Path(survey)
    catalogue = za.read_catalogue(folder / "survey.csv", tree=folder / "tree.toml", images=folder / "images")
    model = tiny_model(catalogue.tree, stages=2, seed=7, dropout=0.5)
    marks = {"built": model.fingerprint()}
    config = TrainingConfig(
        epochs=2, batch_size=8, seed=3, deterministic=True, augmentation=Augmentation(rotation="any", brightness=0.1)
    )
    with tempfile.TemporaryDirectory() as run:
        za.train(model, catalogue, run_dir=run, config=config, progress=None)
    marks["trained"] = model.fingerprint()
    posterior = za.predict(model, catalogue, draws=3, seed=5, progress=None)
    marks["predicted"] = blake2b(posterior.concentrations.tobytes(), digest_size=8).hexdigest()
    rings = {
        "images": folder / "images",
        "config": FinetuneConfig(policy="staged", unfreeze_epochs=2, seed=1),
        "progress": None,
    }
    marks["tuned"] = za.finetune(model, folder / "rings.csv", task="rings", **rings).model.fingerprint()
    return marks


def predict_in_a_fork(survey: str, told: str) -> None:
    """Try to work in a fork of a process that has worked, and note what came of it."""
    began = time.monotonic()
    try:
        work(survey)
        said = "it worked"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    Path(told).write_text(json.dumps([said, time.monotonic() - began]))


def in_a_fork(survey: str) -> list[object]:
    """Return what came of a fork: its words, and the seconds until then."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        process = multiprocessing.get_context("fork").Process(target=predict_in_a_fork, args=(survey, str(told)))
        process.start()
        process.join(60)
        if process.is_alive():
            process.kill()
            return ["it hung", 60.0]
        return list(json.loads(told.read_text()))


def everywhere(survey: str) -> dict[str, object]:
    """Work here, in threads while another draws from Python's random numbers, in new processes and in a fork."""
    here, done = work(survey), threading.Event()

    def disturb() -> None:
        while not done.wait(1e-4):
            random.random()

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        with ThreadPoolExecutor(PLACES) as threads:
            in_threads = list(threads.map(work, [survey] * PLACES, range(PLACES)))
    finally:
        done.set()
        disturber.join()
    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as processes:
        spawned = list(processes.map(work, [survey] * PROCESSES, range(PROCESSES)))
    return {"here": here, "threads": in_threads, "spawned": spawned, "fork": in_a_fork(survey)}


def by_ray(survey: str) -> list[dict[str, str]]:
    """Let two workers of Ray do the work."""
    import ray

    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    found_by = {"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, folders))}}  # a copy would not find other files
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=found_by)
    try:
        asked = ray.remote(in_a_worker)
        return list(ray.get([asked.remote(survey, number) for number in range(2)]))
    finally:
        ray.shutdown()


def in_a_worker(survey: str, number: int) -> dict[str, str]:
    """Do the work in a process that finds this module by its name alone."""
    import anywhere

    return anywhere.work(survey, number)


def by_dask(survey: str, scheduler: str) -> list[dict[str, str]]:
    """Let two threads, or two new processes, of Dask do the work."""
    import dask

    asked = [dask.delayed(in_a_worker)(survey, number) for number in range(2)]
    return list(dask.compute(*asked, scheduler=scheduler, num_workers=2, chunksize=1))  # by default six together


def by_a_cluster_of_dask(survey: str) -> list[dict[str, str]]:
    """Let the two processes of a cluster on this machine do the work."""
    import distributed

    places = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**places) as cluster, distributed.Client(cluster) as client:
        return list(client.gather([client.submit(in_a_worker, survey, number, pure=False) for number in range(2)]))


IN = {
    "here": work,
    "everywhere": everywhere,
    "Ray": by_ray,
    "threads of Dask": functools.partial(by_dask, scheduler="threads"),
    "processes of Dask": functools.partial(by_dask, scheduler="processes"),
    "a cluster of Dask": by_a_cluster_of_dask,
}
"""What may be asked for, each in a new interpreter: in that of the tests fits are not traced, which gives other bits."""

if __name__ == "__main__":
    print(json.dumps(IN[sys.argv[2]](sys.argv[1])))
