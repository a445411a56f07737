"""A workspace whose shards and predictions lie at addresses: every command finds them, and none of the results differs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_survey import Begun, begun_workspace, write_survey, zooactive

fsspec = pytest.importorskip("fsspec")
from faulty_store import Fault, faulty_store  # noqa: E402  (it needs fsspec)

from zooactive.foundation import retries  # noqa: E402

store = pytest.fixture(faulty_store)


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in ("how.json", "galaxies.json")}


def lie_at(workspace: Path, **tables: dict[str, str]) -> None:
    """Name addresses in a workspace's file."""
    file = workspace / "zooactive.toml"
    for table, entries in tables.items():
        lines = [line for line in file.read_text().splitlines() if line.partition(" =")[0].lstrip("# ") not in entries]
        at = lines.index(f"[{table}]") + 1
        lines[at:at] = [f'{name} = "{address}"' for name, address in entries.items()]
        file.write_text("\n".join(lines) + "\n")


def test_every_command_finds_shards_and_predictions_at_addresses(begun, undrawn, tmp_path, monkeypatch, store):
    monkeypatch.setattr(retries, "PAUSES", (0.0,) * len(retries.PAUSES))
    here, away = (shutil.copytree(begun.home, tmp_path / name / "survey") for name in ("here", "away"))
    shutil.rmtree(away / "shards")
    bucket = f"faulty:/{tmp_path}/bucket"
    lie_at(away, survey={"shards": f"{bucket}/shards"}, pool={"predictions": f"{bucket}/predictions"})
    store.faults = [Fault("write", "*.parquet", times=2, cut=True), Fault("read", "part-*", times=2, cut=True)]
    said = {}
    lines = [
        ("prepare",), ("predict", "--draws", 8), ("acquire", "--n", 5, "--votes", 20), ("top", "bar_strong", "--n", 6),
        ("allocate", "--clicks", 200, "--for", "bar=1,edge-on=2", "--ceiling", 6), ("similar", "g001", "--n", 3),
        ("catalogue",), ("table", "--out", "table.csv"), ("export", "--credit", "us"), ("report",),
    ]  # fmt: skip
    for number, words in enumerate(lines):
        zooactive(*words, folder=here)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{number}"))  # each on a machine of its own
        result = zooactive(*words, folder=away)
        if words == ("prepare",):  # the images' marks have the time of these files
            for part in (tmp_path / "bucket" / "shards").glob("part-*"):
                os.utime(here / "shards" / part.name, (part.stat().st_mtime,) * 2)
        said[words[0]] = result.stdout + result.stderr
        assert "cache-" not in said[words[0]]  # nobody is told of copies
    for name in ("predictions", "shards"):
        assert files_in(tmp_path / "bucket" / name) == files_in(here / name)
        assert not (away / name).exists()
    assert f"faulty://{tmp_path}/bucket/predictions".replace("///", "//") in said["predict"]
    written = {str(file.relative_to(here)): file for file in here.rglob("*.csv")}
    assert {"selection.csv", "table.csv"} <= set(written)
    hows = [*away.rglob("*how.json"), *(tmp_path / "bucket").rglob("how.json")]
    assert len(hows) > 8
    assert [file.name for file in hows if "cache-" in file.read_text()] == []
    for result in ("selection.csv", "catalogue.parquet", "subjects"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{result}"))
        traced = zooactive("trace", result, folder=away).stdout
        assert f"predictions faulty:/{tmp_path}/bucket/predictions, by predict" in traced
        assert f"{begun.survey}/survey.csv" in traced
        assert not any(state in traced for state in ("CHANGED", "GONE"))
    assert [name for name, file in written.items() if file.read_bytes() != (away / name).read_bytes()] == []


def test_train_reads_the_shards_at_an_address(begun, tmp_path, monkeypatch, store):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    away = shutil.copytree(begun.home, tmp_path / "away")
    address = f"faulty:/{tmp_path}/bucket/shards"
    zooactive("prepare", "--out", address, folder=away)
    shutil.rmtree(away / "shards")
    shutil.rmtree(away / "runs")
    lie_at(away, survey={"shards": address})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another"))
    before = len(store.calls)
    zooactive("train", folder=away)
    assert ("read", "part-00000.parquet") in store.calls[before:]
    history = "runs/first/history.csv"
    assert (away / history).read_text() == (begun.home / history).read_text()


PREPARE = """
import sys
from zooactive.catalogue import Preprocessing, read_catalogue
from zooactive.catalogue.shards import write_shards
write_shards(read_catalogue(sys.argv[1], images=sys.argv[2]), sys.argv[3], Preprocessing(size=32), rows_per_shard=2)
"""


@pytest.mark.parametrize("moment", [1, 7, 23])
def test_a_killed_writer_leaves_whole_parts_and_its_address_to_the_next(tmp_path, moment):
    survey = write_survey(tmp_path / "survey", 64)
    bucket = tmp_path / "bucket"
    command = [sys.executable, "-c", PREPARE, survey / "survey.csv", survey / "images", f"file://{bucket}"]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    first = subprocess.Popen(command, env=environment)
    until = time.monotonic() + 60
    while len(list(bucket.glob("part-*"))) < moment and first.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert (bucket / ".lock-owner.json").exists()
    there = files_in(bucket)
    subprocess.run(command, env=environment, check=True)
    subprocess.run([*command[:-1], tmp_path / "here"], env=environment, check=True)
    assert files_in(bucket) == files_in(tmp_path / "here")  # with no file that was on its way, and no mark
    whole = {name: content for name, content in there.items() if name.startswith("part-")}
    assert len(whole) >= moment
    assert whole.items() <= files_in(bucket).items()
