"""Two processes at once on one ledger, and on one folder of predictions: nothing is lost, nobody is served the other's."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warm_interpreter

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import OutputError, PosteriorError
from zooactive.labels import Ledger
from zooactive.labels.classifications import Classification
from zooactive.tree import DecisionTree, Question

ROUNDS, EACH = 10, 2000
TREE = DecisionTree("own", [Question("smooth", ["yes", "no"])])


def merge(number: int, folder: Path, barrier: Barrier) -> None:
    said = []
    for round_number in range(ROUNDS):
        mine = [Classification(2 * i + number, f"g{i % 50}", f"v{number}-{i}", i, (i % 2,)) for i in range(EACH)]
        barrier.wait(60)
        while True:
            try:
                merged = Ledger(folder / str(round_number), TREE).merge(mine)
            except OutputError as error:
                said.append(str(error))
                continue
            assert (merged.new, merged.known) == (EACH, 0)
            break
    (folder / f"refused-{number}-{os.getpid()}").write_text("\n".join(said))


def predict_the_same(number: int, folder: Path, barrier: Meeting) -> None:
    from tiny_network import tiny_model

    from zooactive.prediction import PredictionConfig
    from zooactive.prediction.runs import write_predictions

    model, config, said = tiny_model(TREE, seed=number), PredictionConfig(draws=2, batch_size=4, rows_per_part=4), []
    write_predictions(model, galaxies(folder), folder / f"alone-{number}", config=config)
    for round_number in range(ROUNDS):
        barrier.wait(60)
        try:
            write_predictions(model, galaxies(folder), folder / str(round_number), config=config)
        except (OutputError, PosteriorError) as error:
            said.append(f"{round_number} {type(error).__name__} {error}")
    (folder / f"refused-{number}-{os.getpid()}").write_text("\n".join(said))


class Meeting:
    """Where two forks wait for each other, with files."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number, self.folder, self.times = number, folder, 0

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self.times += 1
        mine, theirs = (self.folder / f"meeting-{self.times}-{number}" for number in (self.number, 1 - self.number))
        mine.touch()
        while not theirs.exists():
            assert time.monotonic() < until, "the other process does not come"


IN_A_FORK = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
import test_two_at_once as test
number, folder = int(sys.argv[2]), Path(sys.argv[3])
test.predict_the_same(number, folder, test.Meeting(number, folder))
"""


def both_in_forks(folder: Path) -> dict[int, list[str]]:
    """Predict in two forks side by side, and return what each was refused with."""
    words = str(Path(__file__).parent), folder
    forks = [warm_interpreter.start(IN_A_FORK, words[0], number, words[1], folder=folder) for number in range(2)]
    for fork in forks:
        stderr = fork.communicate(timeout=200)[1]
        assert fork.returncode == 0, stderr
    return refusals(folder)


def galaxies(folder: Path) -> Catalogue:
    ids = np.array([f"g{i}" for i in range(16)], dtype=object)
    return Catalogue(ids, tuple(folder / f"{name}.png" for name in ids), None, None, pd.DataFrame(index=range(16)), "own")


def both(work, folder: Path) -> dict[int, list[str]]:
    """Run two processes side by side, and return what each was refused with, by its process."""
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(2)
    processes = [spawn.Process(target=work, args=(number, folder, barrier)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(200)
    assert [process.exitcode for process in processes] == [0, 0]
    return refusals(folder)


def refusals(folder: Path) -> dict[int, list[str]]:
    return {
        int(path.name.split("-")[2]): [line for line in path.read_text().splitlines() if line]
        for path in sorted(folder.glob("refused-*"))
    }


def test_no_classification_is_lost_when_two_processes_merge_at_once(tmp_path):
    refused = both(merge, tmp_path)
    for round_number in range(ROUNDS):
        assert int(Ledger(tmp_path / str(round_number), TREE).votes()["volunteers"].sum()) == 2 * EACH
        names = {path.name for path in (tmp_path / str(round_number)).iterdir()}
        assert names == {"classifications.parquet", "key"}
    one, other = refused
    assert refused[one] or refused[other]  # they were there at once
    for mine, theirs in ((one, other), (other, one)):
        assert all("is in use by" in line for line in refused[mine])
        named = [line for line in refused[mine] if "another process" not in line]
        assert all(f"in use by process {theirs} on " in line for line in named)


@pytest.mark.graph
def test_two_models_predicted_into_one_folder_at_once_leave_one_of_them_whole(tmp_path, pictures_in):
    pictures_in(tmp_path, [f"g{i}" for i in range(16)])
    refused = both_in_forks(tmp_path)
    lines = [line for said in refused.values() for line in said]
    assert sorted(int(line.split()[0]) for line in lines) == list(range(ROUNDS))  # in each round one of the two
    assert any("is in use by process" in line for line in lines)
    alone = [whole(tmp_path / f"alone-{number}") for number in range(2)]
    for round_number in range(ROUNDS):
        assert whole(tmp_path / str(round_number)) in alone


@pytest.fixture
def pictures_in():
    from pictures import picture
    from PIL import Image

    def write(folder: Path, names: list[str]) -> None:
        for i, name in enumerate(names):
            Image.fromarray(picture(i, 16)).save(folder / f"{name}.png")

    return write


def whole(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


HOLDER = """
import sys
from zooactive.foundation.locking import held
with held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_every_folder_that_is_read_changed_and_written_refuses_the_second_comer(tmp_path, tree, galaxies):
    from tiny_network import tiny_model

    from zooactive.catalogue.shards import write_shards
    from zooactive.loop import Loop
    from zooactive.training.config import TrainingConfig
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.tasks import Task
    from zooactive.training.train import train

    class Nobody:
        """A learner that is never asked."""

        def __init__(self) -> None:
            self.tree = tree

    survey, frame = galaxies(12), pd.DataFrame({"id": []})
    loop = Loop(tmp_path, Nobody(), survey)
    second_comers = {
        "loop": lambda: Loop(tmp_path, Nobody(), survey),
        "loop ask": loop.ask,
        "loop learn": loop.learn,
        "loop tell": lambda: loop.tell(frame),
        "train": lambda: train(tiny_model(tree), survey, run_dir=tmp_path, config=TrainingConfig(epochs=1)),
        "task": lambda: FinetunedModel(tiny_model(tree), Task("own", tree), frame, frame).save(tmp_path),
        "shards": lambda: write_shards(survey, tmp_path),
        "ledger": lambda: Ledger(tmp_path, TREE).merge([]),
    }
    first = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    before = whole(tmp_path)
    assert not {"key", "classifications.parquet"} & set(before)
    for name, run in second_comers.items():
        with pytest.raises(OutputError, match=f"in use by process {first.pid} on"):
            run()
        assert whole(tmp_path) == before, name
    first.communicate()
