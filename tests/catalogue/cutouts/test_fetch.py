"""Cutouts from a service on loopback: each once, whatever fails, and each failure by its kind."""

from __future__ import annotations

import gc
import hashlib
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sky_service import Sky, fits_cube, jpeg, sky

from zooactive.catalogue import read_catalogue
from zooactive.catalogue.cutouts.asking import Client
from zooactive.catalogue.cutouts.fetch import cutouts_of, fetch_cutouts
from zooactive.catalogue.cutouts.services import load_service
from zooactive.catalogue.cutouts.sizes import CutoutSize
from zooactive.catalogue.tables import read_table
from zooactive.foundation.errors import CatalogueError, OutputError
from zooactive.foundation.locking import held
from zooactive.foundation.writing import how_of

SIZE = CutoutSize(24, arcsec=12.0)


def write_table(folder: Path, number: int = 8) -> Path:
    """A table of galaxies; their places are (10.5, 1.25), (11.5, 2.25), ..."""
    rows = [{"objid": f"58773257831245{i:04d}", "RA": 10.5 + i, "DEC": 1.25 + i, "votes": 40 + i} for i in range(number)]
    file = folder / "table.csv"
    pd.DataFrame(rows).rename(columns={"objid": "id"}).to_csv(file, index=False)
    return file


def place(i: int) -> tuple[str, str]:
    return f"{10.5 + i:g}", f"{1.25 + i:g}"


def fetch(server: Sky, folder: Path, **options):
    service = server.write_service(folder, **options.pop("service", {}))
    table = options.pop("table", None) or write_table(folder)
    options = {"size": SIZE, "progress": None} | options
    return fetch_cutouts(table, service, folder / "images", **options)


def test_each_galaxy_has_its_cutout_and_a_table_that_commands_read(tmp_path):
    with sky() as server:
        found = fetch(server, tmp_path, contact="somebody@example.org")
        again = fetch(server, tmp_path)
    assert (found.galaxies, found.failed.number, found.kinds) == (8, 0, {})
    assert set(server.asked.values()) == {1}, "what is there is not asked for again"
    assert again.galaxies == 8
    assert any(agent.startswith("zooactive/") and "somebody@example.org" in agent for agent in server.agents)
    for i in range(8):
        assert (tmp_path / "images" / f"58773257831245{i:04d}.jpg").read_bytes() == jpeg(10.5 + i, 1.25 + i, 24)
    catalogue = read_catalogue(found.table)
    assert catalogue.ids.tolist() == [f"58773257831245{i:04d}" for i in range(8)]
    table = read_table(found.table).frame
    assert table["votes"].tolist() == [40 + i for i in range(8)]
    assert table["ra"].tolist() == [10.5 + i for i in range(8)]
    assert set(table["arcsec"]) == {12.0}
    options = how_of(found.table)["options"]
    assert (options["credit"], found.credit) == ("Nobody / the tests", "Nobody / the tests")


@pytest.mark.parametrize(
    ("fault", "what", "kind", "words"),
    [
        ("off", "off the survey", "permanent", "has only one colour (32, 32, 32)"),
        ("white", "off the survey", "permanent", "has only one colour (255, 255, 255)"),
        ("clipped", "another size", "permanent", "12 by 12 pixels came, but 24"),
        ("text", "no image", "permanent", "says 'no such layer'"),
        ("400", "refused", "permanent", "answered 400: try later"),
        ("404", "refused", "permanent", "answered 404"),
        ("500", "fault", "transient", "answered 500"),
        ("503", "fault", "transient", "answered 503"),
        ("429", "fault", "transient", "answered 429"),
        ("cut", "fault", "transient", "no complete answer came"),
        ("damaged", "cut off", "transient", "cannot be decoded"),
        ("empty", "cut off", "transient", "the answer is empty"),
        ("hang", "fault", "transient", "no complete answer came (ReadTimeout"),
    ],
)
def test_what_does_not_come_is_told_by_its_kind(tmp_path, fault, what, kind, words):
    with sky({place(3): (fault,)}) as server:
        found = fetch(server, tmp_path, service={"timeout": 0.3})
        assert server.asked[place(3)] == (5 if kind == "transient" else 1)
        (failure,) = pd.read_parquet(tmp_path / "images" / "failures.parquet").to_dict("records")
        assert (failure["id"], failure["what"], failure["kind"]) == ("587732578312450003", what, kind)
        assert words in failure["reason"]
        assert found.kinds == {what: 1}
        assert (found.galaxies, found.failed.number, found.failed.passing) == (7, 1, int(kind == "transient"))
        assert not (tmp_path / "images" / failure["path"]).exists()
        server.faults = {}
        server.asked.clear()
        once_more = fetch(server, tmp_path)
        assert sum(server.asked.values()) == int(kind == "transient"), "what may pass is asked for again, nothing else"
        if kind == "permanent":
            once_more = fetch(server, tmp_path, retry_failures=True)
        assert (once_more.galaxies, once_more.failed.number) == (8, 0)


def test_what_passes_is_waited_for(tmp_path):
    faults = {place(0): ("503", "cut", "429", ""), place(5): ("hang", "")}
    with sky(faults) as server:
        found = fetch(server, tmp_path, service={"timeout": 0.3})
    assert (found.galaxies, found.failed.number) == (8, 0)
    assert (server.asked[place(0)], server.asked[place(5)]) == (4, 2)


def test_a_pause_that_the_server_asks_for_is_kept_by_all_connections(tmp_path):
    with sky({place(0): ("later 1", "")}) as server:
        found = fetch(server, tmp_path)
    assert found.galaxies == 8
    gaps = np.diff(sorted(server.begun))
    assert gaps.max() > 0.9
    assert server.begun[-1] - server.begun[0] > 0.9


def test_no_more_requests_than_allowed_run_or_begin(tmp_path):
    told: list[float] = []  # the first time right before the first request
    with sky() as server:
        fetch(server, tmp_path, service={"connections": 2, "pause": 0.05}, progress=lambda _: told.append(time.monotonic()))
    assert server.most_at_once <= 2
    # However loaded the machine is, the service hears of a request late and never early.
    assert (np.sort(server.begun) - told[0] >= 0.05 * np.arange(len(server.begun))).all()


def test_fits_have_the_bands_that_were_asked_for(tmp_path):
    faults = {place(0): ("bands",), place(1): ("no z",), place(2): ("blank",), place(3): ("off",), place(4): ("500",)}
    with sky(faults) as server:
        found = fetch(server, tmp_path, form="fits")
    failures = pd.read_parquet(tmp_path / "images" / "failures.parquet").set_index("id")
    assert failures["what"].tolist() == ["other bands", "other bands", "off the survey", "off the survey", "fault"]
    assert failures["kind"].tolist() == ["permanent"] * 4 + ["transient"]
    assert failures["reason"].iloc[0] == "bands gri came, but grz were requested"
    assert failures["reason"].iloc[1] == "the survey has no z here"
    assert found.galaxies == 3
    assert (tmp_path / "images" / "587732578312450005.fits").read_bytes() == fits_cube(15.5, 6.25, 24, "grz")


def test_a_service_that_gives_no_image_is_not_asked_thousands_of_times(tmp_path):
    table = write_table(tmp_path, 60)
    said = r"has answered 1\d times without an image: .* says 'no such layer'"
    with sky({place(i): ("text",) for i in range(60)}) as server, pytest.raises(CatalogueError, match=said):
        fetch(server, tmp_path, table=table)
    assert sum(server.asked.values()) <= 14


def test_a_folder_holds_cutouts_of_one_kind_and_one_process(tmp_path):
    with sky() as server:
        fetch(server, tmp_path)
        with pytest.raises(CatalogueError, match="images holds cutouts of another size"):
            fetch(server, tmp_path, size=replace(SIZE, arcsec=24.0))
        with pytest.raises(CatalogueError, match="images holds cutouts of another form: jpg and not fits"):
            fetch(server, tmp_path, form="fits")
        (tmp_path / "images" / "cutouts.json").write_text('{"format": 99}')
        with pytest.raises(CatalogueError, match="newer"):
            fetch(server, tmp_path)
        (tmp_path / "images" / "cutouts.json").write_text("{")
        with pytest.raises(CatalogueError, match=r"cutouts.json is damaged .* delete the folder"):
            fetch(server, tmp_path)
    told = []

    def from_another_thread(server: Sky) -> None:
        try:
            fetch_cutouts(write_table(tmp_path), server.write_service(tmp_path), tmp_path / "other", size=SIZE)
        except OutputError as error:
            told.append(str(error))

    with held(tmp_path / "other"), sky() as server:
        thread = threading.Thread(target=from_another_thread, args=(server,))
        thread.start()
        thread.join()
    assert "is in use by" in told[0]


def test_a_galaxy_that_was_moved_or_lost_its_file_is_fetched_again(tmp_path):
    with sky() as server:
        fetch(server, tmp_path)
        (tmp_path / "images" / "587732578312450002.jpg").unlink()
        table = pd.read_csv(tmp_path / "table.csv", dtype=str)
        table.loc[5, "RA"] = "100.5"
        table.to_csv(tmp_path / "moved.csv", index=False)
        server.asked.clear()
        found = fetch(server, tmp_path, table=tmp_path / "moved.csv")
    assert dict(server.asked) == {place(2): 1, ("100.5", "6.25"): 1}
    assert found.galaxies == 8
    assert (tmp_path / "images" / "587732578312450005.jpg").read_bytes() == jpeg(100.5, 6.25, 24)


def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path):
    def hashes(folder: Path) -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.glob("*.jpg"))}

    with sky() as server:
        service, table = server.write_service(tmp_path), write_table(tmp_path, 30)
        whole = fetch_cutouts(table, service, tmp_path / "whole", size=SIZE, progress=None)

        class Killed(Exception):
            pass

        def kill(done: int) -> None:
            if done == 12:
                raise Killed

        with pytest.raises(Killed):
            fetch_cutouts(table, service, tmp_path / "images", size=SIZE, progress=kill)
        with (tmp_path / "images" / "fetched.jsonl").open("a") as lines:
            lines.write('{"galaxy": "5877325783')  # the line at which it was killed
        server.asked.clear()
        found = fetch_cutouts(table, service, tmp_path / "images", size=SIZE, progress=None)
    assert sum(server.asked.values()) < 30
    assert hashes(tmp_path / "images") == hashes(tmp_path / "whole")
    pd.testing.assert_frame_equal(pd.read_parquet(found.table), pd.read_parquet(whole.table))


def test_ctrl_c_does_not_wait_for_the_pauses(tmp_path):
    with sky({place(i): ("503",) for i in range(8)}) as server:
        service = server.write_service(tmp_path, patience=60.0)

        def stop(done: int) -> None:
            if done:
                raise KeyboardInterrupt

        server.faults[place(7)] = ("",)
        table = pd.read_csv(write_table(tmp_path), dtype=str)
        table.iloc[[7, 0, 1]].to_csv(tmp_path / "three.csv", index=False)
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt) as stopped:
            fetch_cutouts(tmp_path / "three.csv", service, tmp_path / "images", size=SIZE, progress=stop)
    assert time.monotonic() - began < 30
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
    assert "are kept in" in stopped.value.__notes__[0]


def test_an_answer_without_an_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("zooactive.catalogue.cutouts.asking._MOST_BYTES", 100)
    with sky() as server:
        found = fetch(server, tmp_path)
    assert found.kinds == {"no image": 8}
    assert "more than 0 MiB came" in pd.read_parquet(tmp_path / "images" / "failures.parquet")["reason"][0]


def test_names_of_files_depend_on_the_id_alone(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("id,ra,dec\nJ1+2,1,1\na/b,2,2\na_b,3,3\nA_B,4,4\n")
    with sky() as server:
        planned = cutouts_of(table, server.write_service(tmp_path), size=SIZE)
    names = [one.file for one in planned]
    assert names[0] == "J1+2.jpg"
    assert len({name.casefold() for name in names}) == 4
    assert all("-" in name for name in names[1:])
    alone = tmp_path / "alone.csv"
    alone.write_text("id,ra,dec\nJ1+2,1,1\n")
    with sky() as server:
        assert cutouts_of(alone, server.write_service(tmp_path), size=SIZE)[0].file == "J1+2.jpg"


def test_a_dry_run_asks_nothing(tmp_path):
    with sky() as server:
        planned = cutouts_of(write_table(tmp_path, 2), server.write_service(tmp_path), size=SIZE)
        assert planned[1].address == f"{server.base}/jpeg-cutout?ra=11.5&dec=2.25&layer=sky&pixscale=0.5&size=24"
        assert not server.asked


def test_what_cannot_be_asked_for_is_told_before_anything_is(tmp_path):
    with sky() as server:
        service = load_service(server.write_service(tmp_path))
        table = write_table(tmp_path)
        with pytest.raises(CatalogueError, match="cuts 1 to 512 pixels on a side, but you asked for 600"):
            cutouts_of(table, service, size=CutoutSize(600, arcsec=60))
        with pytest.raises(CatalogueError, match="sdss has no fits; it gives jpg"):
            cutouts_of(table, "sdss", size=CutoutSize(64, arcsec=60), form="fits")
        with pytest.raises(CatalogueError, match=r"there is no survey of cutouts 'legacy-dr10-gzr'\. Did you mean"):
            cutouts_of(table, "legacy-dr10-gzr", size=SIZE)
        assert not server.asked


def test_a_client_that_is_closed_amid_requests_leaves_no_connection_open(tmp_path):
    with sky() as server, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        service = load_service(server.write_service(tmp_path, pause=0.0))
        address = service.address("jpg", 10.5, 1.25, arcsec=12, size=24)
        for moment in range(60):
            client = Client(service, None)
            with ThreadPoolExecutor(2) as threads:
                asked = [threads.submit(client.once, address) for _ in range(2)]
                time.sleep(moment * 2e-4)
                client.close()
            for one in asked:
                one.exception()  # whatever became of it
        del client, asked, one
        gc.collect()
    assert [str(warning.message) for warning in told] == []
