"""A survey that is not whole does not look whole: what failed is told by its kind, and filled in by a later run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tiny_network import tiny_model

from zooactive.catalogue import Catalogue, Preprocessing, patience, read_catalogue, shards
from zooactive.catalogue.shards import write_shards
from zooactive.foundation.addresses import RemoteImage
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.foundation.metadata import about_of, with_about
from zooactive.models import GalaxyModel
from zooactive.prediction import PredictionConfig
from zooactive.prediction.ray_engine import _Worker
from zooactive.prediction.runs import write_predictions

fsspec = pytest.importorskip("fsspec")
PARTS = PredictionConfig(draws=2, batch_size=4, rows_per_part=4)
SMALL = Preprocessing(size=16)


@pytest.fixture(scope="module")
def kept() -> dict[str, GalaxyModel]:
    return {}


@pytest.fixture
def model(tree, kept) -> GalaxyModel:
    """One model for the whole module: nothing here changes it."""
    if not kept:
        kept["small"] = tiny_model(tree, seed=3)
    return kept["small"]


@pytest.fixture(params=["predict", "prepare"])
def run(request, model) -> Callable:
    """Predict, or pack, a catalogue of parts of four into a folder; the result has `failed()`."""

    def go(catalogue: Catalogue, out: Path, **options):
        if request.param == "predict":
            return write_predictions(model, catalogue, out, config=PARTS, **options)
        return write_shards(catalogue, out, SMALL, rows_per_shard=4, **options)

    return go


def parts_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def kinds(result) -> dict[str, str]:
    failures = result.failures if isinstance(result.failures, pd.DataFrame) else result.failures()
    return dict(zip(failures["id"], failures["kind"], strict=True))


@pytest.fixture
def answers(galaxies, monkeypatch):
    """Eight galaxies at addresses of a server that answers what a test wants first; and how often each was asked for."""
    catalogue = galaxies(8)
    contents = {f"https://survey/{image.name}": image.read_bytes() for image in catalogue.images}
    asked: Counter[str] = Counter()
    scripted: dict[str, list] = {}

    def answer(remote: RemoteImage, most: int) -> bytes:
        asked[remote.address] += 1
        script = scripted.get(remote.address, [])
        said = (script.pop(0) if len(script) > 1 else script[0]) if script else contents[remote.address]
        if isinstance(said, Exception):
            raise said
        return contents[remote.address] if said == "image" else said

    monkeypatch.setattr(RemoteImage, "read", answer)
    remote = replace(catalogue, images=tuple(RemoteImage(address) for address in contents))
    return SimpleNamespace(catalogue=remote, asked=asked, scripted=scripted, addresses=list(contents))


def refused(status: int) -> Exception:
    error = Exception(f"the server said {status}")
    error.status = status
    return error


# Images on disks ------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_unmounted_midway_is_transient_and_filled_in(run, galaxies, tmp_path):
    catalogue, away = galaxies(32), tmp_path / "unmounted"
    whole = parts_of(run(catalogue, tmp_path / "whole").folder)
    images = catalogue.images[0].parent

    def unmount(done: int) -> None:
        if done == 4:
            images.rename(away)

    result = run(catalogue, tmp_path / "out", progress=unmount)
    failed = result.failed()
    assert 8 <= failed.number <= 28
    assert set(kinds(result).values()) == {"transient"}
    assert failed.passing == failed.number
    assert "its folder is missing or empty; check whether the disk is mounted" in failed.reason
    away.rename(images)
    assert run(catalogue, tmp_path / "out").failed().number == 0
    assert parts_of(tmp_path / "out") == whole


def test_a_mount_that_comes_back_during_a_pause_costs_no_galaxy(run, galaxies, tmp_path, monkeypatch):
    catalogue, away = galaxies(6), tmp_path / "unmounted"
    images = catalogue.images[0].parent
    images.rename(away)
    images.mkdir()
    paused = []

    def mount(seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 2:
            images.rmdir()
            away.rename(images)

    monkeypatch.setattr(patience, "_patience", patience.Patience(mount))
    assert run(catalogue, tmp_path / "out").failed().number == 0
    assert len(paused) == 2


def test_all_images_that_are_away_are_no_survey_and_come_back(run, galaxies, tmp_path):
    catalogue = galaxies(6)
    images, away = catalogue.images[0].parent, tmp_path / "unmounted"
    images.rename(away)
    with pytest.raises(ImageError, match=r"none of the 6 images can be read: 6 of 6 .*100%.* failed, .*g000"):
        run(catalogue, tmp_path / "out")
    assert set(pd.read_parquet(tmp_path / "out" / "failures.parquet")["kind"]) == {"transient"}
    away.rename(images)
    assert run(catalogue, tmp_path / "out").failed().number == 0


@pytest.mark.parametrize("damage", [lambda content: content[:200], lambda content: b"", lambda content: b"<html></html>"])
@pytest.mark.parametrize("options", [{}, {"retry_failures": True}])
def test_damaged_files_are_listed_and_filled_in_when_they_are_mended(run, galaxies, tmp_path, damage, options):
    catalogue = galaxies(12)
    whole = parts_of(run(catalogue, tmp_path / "whole").folder)
    broken = catalogue.images[5]
    content, seen = broken.read_bytes(), broken.stat()
    broken.write_bytes(damage(content))
    result = run(catalogue, tmp_path / "out")
    assert kinds(result) == {"g005": "permanent"}
    assert (result.failed().number, result.failed().passing) == (1, 0)
    before = parts_of(tmp_path / "out")
    assert {name for name in before if before[name] != whole[name]} == {"part-00001.parquet", "failures.parquet"}
    run(catalogue, tmp_path / "out", **options)
    assert parts_of(tmp_path / "out") == before, "nothing is written again where nothing is mended"
    broken.write_bytes(content)
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    patience.os.utime(broken, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert run(catalogue, tmp_path / "out", **options).failed().number == 0
    assert parts_of(tmp_path / "out") == whole
    again = {path.name for path in (tmp_path / "out").glob("part-*") if path.stat().st_mtime_ns != times[path.name]}
    assert again == {"part-00001.parquet"}


def test_a_part_that_is_filled_in_keeps_its_other_galaxies_numbers(model, galaxies, tmp_path):
    catalogue = galaxies(8)
    held = tmp_path / "held.jpg"
    catalogue.images[1].rename(held)
    before = write_predictions(model, catalogue, tmp_path / "out", config=PARTS).table().set_index("id")
    held.rename(catalogue.images[1])
    after = write_predictions(model, catalogue, tmp_path / "out", config=PARTS, retry_failures=True).table().set_index("id")
    assert list(after.index) == list(catalogue.ids)
    pd.testing.assert_frame_equal(after.loc[before.index], before, check_exact=True)


def test_a_worker_of_an_engine_makes_a_part_again_that_is_there(model, galaxies, tmp_path):
    catalogue, held = galaxies(8), tmp_path / "held.jpg"
    whole = parts_of(write_predictions(model, catalogue, tmp_path / "whole", config=PARTS).folder)
    catalogue.images[1].rename(held)

    def engine(writer, parts):
        worker = _Worker.__new__(_Worker)
        worker._writer = writer
        said = worker({"part": np.array(parts, dtype=np.int64)})
        assert not any(said["met"])
        return iter(parts)

    assert len(write_predictions(model, catalogue, tmp_path / "out", config=PARTS, engine=engine).failures()) == 1
    held.rename(catalogue.images[1])
    assert write_predictions(model, catalogue, tmp_path / "out", config=PARTS, engine=engine).failures().empty
    assert parts_of(tmp_path / "out") == whole


def test_other_images_are_still_refused_beside_failed_ones(run, galaxies, tmp_path):
    catalogue = galaxies(8)
    catalogue.images[1].unlink()
    run(catalogue, tmp_path / "out")
    catalogue.images[2].write_bytes(catalogue.images[2].read_bytes() + b"\0")
    with pytest.raises(Exception, match="of other images"):
        run(catalogue, tmp_path / "out", retry_failures=True)


# Images in tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [None, {"bytes": None, "path": None}])
def test_null_cells_of_a_parquet_file_are_counted_as_failed(run, galaxies, tmp_path, blank):
    catalogue = galaxies(8)
    cells = [{"bytes": image.read_bytes(), "path": image.name} for image in catalogue.images]
    cells[2] = cells[3] = blank
    pd.DataFrame({"id": list(catalogue.ids), "image": cells}).to_parquet(tmp_path / "galaxies.parquet")
    failed = run(read_catalogue(tmp_path / "galaxies.parquet"), tmp_path / "out").failed()
    assert (failed.number, failed.galaxies, failed.passing) == (2, 8, 0)
    assert failed.too_many()
    assert "galaxy 'g002' has no image" in str(failed)


@pytest.mark.parametrize("blank", ["", " ", None])
def test_a_table_whose_image_column_is_blank_is_no_survey(run, tmp_path, blank):
    pd.DataFrame({"id": ["a", "b"], "file_loc": [blank, blank]}).to_csv(tmp_path / "galaxies.csv", index=False)
    with pytest.raises(ImageError, match=r"none of the 2 images can be read: 2 of 2 galaxies .* galaxy 'a' has no image"):
        run(read_catalogue(tmp_path / "galaxies.csv"), tmp_path / "out")


def test_an_id_without_a_file_in_a_folder_of_ids_is_counted(run, galaxies, tmp_path):
    catalogue = galaxies(8)
    catalogue.images[6].unlink()
    pd.DataFrame({"id": list(catalogue.ids)}).to_csv(tmp_path / "galaxies.csv", index=False)
    read = read_catalogue(tmp_path / "galaxies.csv", images=catalogue.images[0].parent)
    assert kinds(run(read, tmp_path / "out")) == {"g006": "permanent"}


def test_an_image_that_shows_nothing_is_permanent(run, galaxies, tmp_path):
    catalogue = galaxies(8)
    Image.new("RGB", (48, 48), (32, 32, 32)).save(catalogue.images[3])
    result = run(catalogue, tmp_path / "out")
    assert kinds(result) == {"g003": "permanent"}
    assert "is one single value (32): off the survey" in result.failed().reason


# Images at addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [refused(503), refused(429), TimeoutError(), ConnectionResetError(104, "reset")])
def test_a_server_that_is_busy_for_a_moment_costs_no_galaxy(run, answers, tmp_path, error):
    answers.scripted[answers.addresses[5]] = [error, error, "image"]
    assert run(answers.catalogue, tmp_path / "out").failed().number == 0


def test_a_server_that_stays_busy_is_transient_and_asked_again_without_a_flag(run, answers, tmp_path):
    answers.scripted[answers.addresses[5]] = [refused(503)]
    result = run(answers.catalogue, tmp_path / "out")
    assert kinds(result) == {"g005": "transient"}
    assert "https://survey/g005.jpg of galaxy 'g005' cannot be reached now (the server said 503)" in result.failed().reason
    assert answers.asked[answers.addresses[5]] == 1 + len(patience.PAUSES)
    answers.scripted.clear()
    assert run(answers.catalogue, tmp_path / "out").failed().number == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (FileNotFoundError("https://survey/g005.jpg"), "does not exist"),
        (refused(404), "cannot be fetched (the server said 404); check the address"),
        (refused(403), "cannot be fetched (the server said 403); check the address"),
        (CatalogueError("to read it install fsspec"), "cannot be fetched: to read it install fsspec"),
        (b"<!DOCTYPE html><html><body>Please log in</body></html>", "is an HTML or XML page and not an image"),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', "is an HTML or XML page and not an image"),
        (b"", "is empty (0 bytes)"),
    ],
)
def test_an_answer_that_is_no_image_is_permanent_and_asked_again_with_the_flag_alone(run, answers, tmp_path, said, told):
    place = answers.addresses[5]
    answers.scripted[place] = [said]
    result = run(answers.catalogue, tmp_path / "out")
    assert kinds(result) == {"g005": "permanent"}
    assert told in result.failed().reason
    assert answers.asked[place] == 1
    answers.scripted.clear()
    assert run(answers.catalogue, tmp_path / "out").failed().number == 1
    assert answers.asked[place] == 1
    assert run(answers.catalogue, tmp_path / "out", retry_failures=True).failed().number == 0


def test_bytes_at_an_address_are_kept_and_a_failure_of_the_second_read_is_told(answers, tmp_path):
    place = answers.addresses[5]
    answers.scripted[place] = ["image", refused(503)]
    result = write_shards(answers.catalogue, tmp_path / "out")
    assert kinds(result) == {"g005": "transient"}


# Folders of before ----------------------------------------------------------------------------------------------------


def test_failures_without_a_kind_are_tried_again(run, galaxies, tmp_path):
    catalogue, held = galaxies(4), tmp_path / "held.jpg"
    catalogue.images[1].rename(held)
    run(catalogue, tmp_path / "out")
    part = tmp_path / "out" / "part-00000.parquet"
    table = pq.read_table(part)
    about = about_of(table.schema)
    for failure in about["failures"]:
        del failure["kind"]
    pq.write_table(with_about(table, about), part)
    held.rename(catalogue.images[1])
    assert run(catalogue, tmp_path / "out").failed().number == 0


def test_shards_whose_name_held_their_images_are_finished_and_refuse_others(galaxies, tmp_path, monkeypatch):
    catalogue = galaxies(8)
    monkeypatch.setattr(shards, "_FORMAT", 2)
    plan = shards._plan(catalogue, SMALL, shards.PartsFolder(tmp_path / "out", 8, 4, shards._about_part))
    old = replace(plan, metadata=plan.metadata | {"fingerprint": plan.before(), "format": 1})
    (tmp_path / "out").mkdir()
    shards._write_part(old, 0)
    first = (tmp_path / "out" / "part-00000.parquet").read_bytes()
    assert write_shards(catalogue, tmp_path / "out", SMALL, rows_per_shard=4).galaxies == 8
    assert (tmp_path / "out" / "part-00000.parquet").read_bytes() == first
    assert {about_of(pq.read_schema(part))["format"] for part in (tmp_path / "out").glob("part-*")} == {1}
    assert len(read_catalogue(tmp_path / "out")) == 8
    catalogue.images[2].write_bytes(catalogue.images[2].read_bytes() + b"\0")
    with pytest.raises(CatalogueError, match="shards of another catalogue"):
        write_shards(catalogue, tmp_path / "out", SMALL, rows_per_shard=4)
