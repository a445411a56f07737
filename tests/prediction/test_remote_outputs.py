"""Predictions and shards at addresses: the bytes of a folder here, whatever the store does meanwhile."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_network import tiny_model

from zooactive.acquisition import acquire
from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
from zooactive.foundation import retries
from zooactive.foundation.errors import CatalogueError, OutputError, PosteriorError
from zooactive.foundation.remote_folders import FORSAKEN_AFTER, OWNER
from zooactive.foundation.writing import this_host
from zooactive.models import GalaxyModel
from zooactive.prediction import PredictionConfig, open_predictions
from zooactive.prediction.ray_engine import _Worker
from zooactive.prediction.runs import write_predictions

fsspec = pytest.importorskip("fsspec")
from faulty_store import Fault, faulty_store  # noqa: E402  (it needs fsspec)

PARTS = PredictionConfig(draws=4, batch_size=4, rows_per_part=4)
SMALL = Preprocessing(size=16)
store = pytest.fixture(faulty_store)


@pytest.fixture(scope="module")
def kept() -> dict[str, GalaxyModel]:
    return {}


@pytest.fixture
def model(tree, kept) -> GalaxyModel:
    """One model for the whole module: nothing here changes it."""
    if not kept:
        kept["small"] = tiny_model(tree, seed=3)
    return kept["small"]


@pytest.fixture
def ten(galaxies):
    """Ten galaxies, whose images are written once: their marks have the time of it."""
    return galaxies(10)


@pytest.fixture
def elsewhere(store, tmp_path, monkeypatch):
    """The address of a folder that fails as told, the folder itself, and a cache that can be thrown away."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * len(retries.PAUSES))
    return f"faulty:/{tmp_path}/bucket/out", tmp_path / "bucket" / "out"


@pytest.fixture(params=["predict", "prepare"])
def run(request, model):
    """Predict, or pack, a catalogue of parts of four into a folder or to an address."""

    def go(catalogue, out, **options):
        if request.param == "predict":
            return write_predictions(model, catalogue, out, config=PARTS, **options)
        return write_shards(catalogue, out, SMALL, rows_per_shard=4, **options)

    return go


def files_in(folder: Path) -> dict[str, bytes]:
    """What lies in a folder, but when it was made."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "how.json"}


def on_another_machine(monkeypatch, tmp_path: Path, number: int = 2) -> None:
    """Forget all copies, as a machine that never saw them."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{number}"))


# The same bytes -------------------------------------------------------------------------------------------------------


def test_what_is_written_to_an_address_has_the_bytes_of_a_folder_here(run, ten, tmp_path, elsewhere):
    address, there = elsewhere
    run(ten, tmp_path / "here")
    result = run(ten, address)
    assert files_in(there) == files_in(tmp_path / "here")
    assert "part-00002.parquet" in files_in(there)
    assert result.failed().number == 0


def test_predictions_in_memory_are_read_again_by_another_process_of_the_same_address(model, ten, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files, address = fsspec.filesystem("memory"), "memory://survey/predictions"
    try:
        here = write_predictions(model, ten, tmp_path / "here", config=PARTS)
        write_predictions(model, ten, address, config=PARTS)
        found = {Path(name).name: files.cat_file(name) for name in files.ls("/survey/predictions", detail=False)}
        found.pop("how.json")
        assert found == files_in(tmp_path / "here")
        on_another_machine(monkeypatch, tmp_path)
        assert acquire(open_predictions(address), n=4).equals(acquire(here, n=4))
        assert open_predictions(address).failures().empty
    finally:
        files.rm("/survey", recursive=True)


def test_shards_at_an_address_are_a_catalogue_for_whoever_reads_them(ten, tmp_path, elsewhere, monkeypatch):
    address, _ = elsewhere
    write_shards(ten, address, SMALL, rows_per_shard=4)
    on_another_machine(monkeypatch, tmp_path)
    read = read_catalogue(address)
    assert list(read.ids) == list(ten.ids)
    assert (read.decode(SMALL)[0] == ten.decode(SMALL)[0]).all()


# Faults ---------------------------------------------------------------------------------------------------------------

FAULTS = {
    "an error before a write": [Fault("write", "*part-00001*", error=OSError(5, "Input/output error"))],
    "a connection that breaks four times": [Fault("write", "*part-00001*", times=4, error=ConnectionResetError("gone"))],
    "a write cut with an error": [Fault("write", "*part-00001*", cut=True)],
    "a write cut in silence": [Fault("write", "*part-00001*", cut=True, silent=True)],
    "a rename that fails": [Fault("rename", "part-00001*", error=TimeoutError("slow"))],
    "a journal that cannot be read at first": [Fault("info", "journal.json", error=TimeoutError("slow"))],
    "a listing that fails": [Fault("list", "out", times=2, error=TimeoutError("slow"))],
    "a mark that is cut": [Fault("write", f"*{OWNER}", cut=True)],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_changes_no_byte(run, ten, tmp_path, elsewhere, store, fault):
    address, there = elsewhere
    run(ten, tmp_path / "here")
    store.faults = [Fault(**vars(one)) for one in FAULTS[fault]]
    run(ten, address)
    assert all(one.times == 0 for one in store.faults)  # each was met
    assert files_in(there) == files_in(tmp_path / "here")


def test_a_copy_that_comes_cut_is_fetched_again(model, ten, tmp_path, elsewhere, store, monkeypatch):
    address, there = elsewhere
    write_predictions(model, ten, address, config=PARTS)
    on_another_machine(monkeypatch, tmp_path)
    store.faults = [Fault("read", "part-00001*", cut=True), Fault("read", "head.npz", error=TimeoutError("slow"))]
    predictions = open_predictions(address)
    assert [fault.times for fault in store.faults] == [0, 0]
    assert {part.name: part.read_bytes() for part in predictions.parts}.items() <= files_in(there).items()


def test_a_store_that_lists_files_late_is_asked_by_name(model, ten, tmp_path, elsewhere, store, monkeypatch):
    address, _ = elsewhere
    store.unlisted = {"part-00001.parquet", "journal.json", "head.npz"}
    write_predictions(model, ten, address, config=PARTS)
    on_another_machine(monkeypatch, tmp_path)
    assert len(open_predictions(address)) == 10
    on_another_machine(monkeypatch, tmp_path, 3)
    before = len(store.calls)
    again = write_predictions(model, ten, address, config=PARTS)
    assert len(again) == 10
    written = {name[-len("part-00001.parquet") :] for call, name in store.calls[before:] if call == "write"}
    assert "part-00000.parquet" not in written  # which was listed, and is kept


def test_used_up_tries_are_told_and_what_is_finished_is_gone_on_from(run, ten, tmp_path, elsewhere, store, monkeypatch):
    address, there = elsewhere
    run(ten, tmp_path / "here")
    store.faults = [Fault("write", "*part-00001*", times=5, error=OSError(5, "Input/output error"))]
    said = f"{address}/part-00001.parquet cannot be written: Input/output error; 5 tries are used up; finished work"
    with pytest.raises(OutputError, match=said):
        run(ten, address)
    assert [name for name in sorted(files_in(there)) if "part-" in name] == ["part-00000.parquet"]  # whole or not at all
    on_another_machine(monkeypatch, tmp_path)
    before = len(store.calls)
    run(ten, address)
    assert files_in(there) == files_in(tmp_path / "here")
    assert not any(call == "write" and "part-00000" in name for call, name in store.calls[before:])


def test_the_budget_is_of_all_waiting_together(monkeypatch):
    slept, failures = [], iter([TimeoutError("slow")] * 100)
    monkeypatch.setattr(retries, "PAUSES", (100.0,) * 4)
    monkeypatch.setattr(retries.time, "sleep", slept.append)
    tries = retries.Retries()
    good = iter([None, 1] * 6)

    def every_other() -> int:
        value = next(good)
        if value is None:
            raise next(failures)
        return value

    assert [tries(every_other, "x cannot be read", CatalogueError) for _ in range(6)] == [1] * 6
    assert sum(slept) == 600.0
    good = iter([None])
    with pytest.raises(CatalogueError, match="x cannot be read: slow; the 600 s of waiting in all are used up"):
        tries(every_other, "x cannot be read", CatalogueError)


def test_no_right_to_write_is_told_at_once(run, ten, elsewhere, store):
    address, _ = elsewhere
    store.faults = [Fault("write", "*part-00000*", times=9, error=PermissionError(13, "Permission denied"))]
    with pytest.raises(
        OutputError, match=f"{address}/part-00000.parquet cannot be written: Permission denied; correct that"
    ):
        run(ten, address)
    assert store.faults[0].times == 8


def test_files_that_no_one_could_make_whole_are_refused(model, ten, tmp_path, monkeypatch):
    class Halves(fsspec.AbstractFileSystem):
        protocol = "halves"

    fsspec.register_implementation("halves", Halves, clobber=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(OutputError, match="halves://survey/out: files cannot be put there whole"):
        write_predictions(model, ten, "halves://survey/out", config=PARTS)


# Whose it is ----------------------------------------------------------------------------------------------------------


def mark(there: Path, **values) -> None:
    there.mkdir(parents=True, exist_ok=True)
    other = {"owner": "other", "machine": "node7", "process": 4711, "where": "00000000", "at": time.time()}
    (there / OWNER).write_text(json.dumps(other | values))


def test_the_second_writer_is_refused_until_the_first_has_ended(run, ten, elsewhere):
    address, there = elsewhere
    mark(there)
    with pytest.raises(OutputError, match=f"{address} is in use by process 4711 on node7; .* delete {address}/{OWNER}"):
        run(ten, address)
    assert list(files_in(there)) == [OWNER]
    (there / OWNER).unlink()
    run(ten, address)
    assert not (there / OWNER).exists()


def test_a_mark_of_a_dead_writer_is_taken_over(run, ten, elsewhere):
    address, there = elsewhere
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    mark(there, where=this_host(), process=int(ended.stdout))
    run(ten, address)
    mark(there, at=time.time() - FORSAKEN_AFTER - 1)
    run(ten, address)
    mark(there, where=this_host(), process=os.getppid(), at=0)  # it lives, however long it is at one part
    with pytest.raises(OutputError, match="is in use by"):
        run(ten, address)


def test_a_writer_who_was_taken_for_dead_stops_at_its_next_part(run, galaxies, elsewhere):
    address, there = elsewhere

    def take_over(done: int) -> None:
        if done == 4:
            mark(there)

    with pytest.raises(OutputError, match=f"{address} was taken over by process 4711 on node7"):
        run(galaxies(40), address, progress=take_over)
    assert len([name for name in files_in(there) if name.startswith("part-")]) < 10
    assert json.loads((there / OWNER).read_text())["owner"] == "other"  # which is not this process's to remove


def test_other_predictions_at_an_address_are_refused_by_its_name(model, tree, ten, elsewhere, tmp_path, monkeypatch):
    address, _ = elsewhere
    write_predictions(model, ten, address, config=PARTS)
    on_another_machine(monkeypatch, tmp_path)
    with pytest.raises(PosteriorError, match=f"{address} holds predictions made with another model"):
        write_predictions(tiny_model(tree, seed=4), ten, address, config=PARTS)


# Workers --------------------------------------------------------------------------------------------------------------


def test_a_worker_with_a_cache_of_its_own_writes_to_the_address_and_the_run_finds_it(
    model, ten, tmp_path, elsewhere, monkeypatch
):
    address, there = elsewhere
    write_predictions(model, ten, tmp_path / "here", config=PARTS)
    monkeypatch.setattr("zooactive.prediction.ray_engine._ray", lambda: type("Ray", (), {"get": staticmethod(lambda x: x)}))

    def other_machines(writer, parts):
        sent = pickle.dumps(writer)
        for part in parts:
            on_another_machine(monkeypatch, tmp_path)
            worker = _Worker(pickle.loads(sent))
            assert worker._writer.folder.folder != writer.folder.folder
            assert worker({"part": [part]})["met"] == [""]
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
            yield part

    write_predictions(model, ten, address, config=PARTS, engine=other_machines)
    assert files_in(there) == files_in(tmp_path / "here")
