"""A table to a program on the desk and a selection back, with a hub and a program of the tests' own."""

from __future__ import annotations

import contextlib
import gc
import threading
import time
import warnings
from pathlib import Path

import pandas as pd
import pytest
from astropy.table import Table
from pyvo.samp import SAMPHubServer, SAMPIntegratedClient
from small_survey import zooactive


class Busy(SAMPHubServer):
    """A hub that is slow to go on after it has passed a message on: an answer may arrive before it waits for one."""

    def _call(self, *args):
        name = super()._call(*args)
        time.sleep(0.3)
        return name


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that nobody else finds."""
    lock = tmp_path / "samp.lock"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = Busy(web_profile=False, mode="multiple", lockfile=str(lock), addr="127.0.0.1")
        server.start()
        yield server
        server.stop()
        gc.collect()  # here, where nobody hears of the connections that pyvo leaves open


class Topcat:
    """A program that loads tables, points at the sky, and selects some rows of what it has loaded."""

    def __init__(self, rows: tuple[str, ...] = (), *, name: str = "topcat", fails: bool = False) -> None:
        self.rows, self.fails = rows, fails
        self.loaded, self.pointed = list[Table](), list[dict[str, str]]()
        self.client = SAMPIntegratedClient(name=name, addr="127.0.0.1")
        self.selecting: threading.Thread | None = None
        self.client.connect()
        self.client.bind_receive_call("table.load.votable", self.load)
        self.client.bind_receive_notification("coord.pointAt.sky", self.point)

    def point(self, key, sender, mtype, params, extra) -> None:
        self.pointed.append(params)

    def load(self, key, sender, message, mtype, params, extra) -> None:
        if self.fails:
            self.client.ereply(message, "samp.error", error={"samp.errortxt": "no memory"})
            return
        self.loaded.append(Table.read(params["url"].removeprefix("file://"), format="votable"))
        self.client.ereply(message, "samp.ok", result={})
        self.selecting = threading.Thread(target=self.select, args=(params["table-id"],), daemon=True)
        self.selecting.start()

    def select(self, table_id: str) -> None:
        time.sleep(0.2)
        for of in ("another-table", table_id):
            params = {"table-id": of, "url": "", "row-list": list(self.rows)}
            self.client.notify_all({"samp.mtype": "table.select.rowList", "samp.params": params})


@contextlib.contextmanager
def started(*rows: str, **options):
    program = Topcat(rows, **options)
    try:
        yield program
    finally:
        if program.selecting is not None:  # it speaks by the connection
            program.selecting.join()
        program.client.disconnect()


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [{"id": f"58773257831245427{i}", "ra": 10.0 + i, "dec": -1.5, "mag": 17.0 + i} for i in range(5)]
    pd.DataFrame(rows).to_csv(tmp_path / "galaxies.csv", index=False)
    return tmp_path / "galaxies.csv"


def test_a_table_goes_out_and_a_selection_comes_back(hub, table, tmp_path):
    with started("3", "1", "99") as topcat:
        words = ("samp", table, "--galaxy", "587732578312454272", "--out", "chosen.csv", "--wait", 20)
        told = zooactive(*words, folder=tmp_path).stderr
        assert told.endswith("taken by topcat\n2 galaxies: chosen.csv\n")
        (loaded,) = topcat.loaded
        assert loaded["id"].tolist() == [f"58773257831245427{i}" for i in range(5)]
        assert topcat.pointed == [{"ra": "12.00000000", "dec": "-1.50000000"}]
    chosen = pd.read_csv(tmp_path / "chosen.csv", dtype={"id": str})
    assert chosen["id"].tolist() == ["587732578312454271", "587732578312454273"]
    assert not list(Path("/tmp").glob("zooactive-samp-*")), "nothing is left behind"


def test_one_of_several_programs_is_named(hub, table, tmp_path):
    with started() as topcat, started(name="Aladin") as aladin:
        told = zooactive("samp", table, "--to", "aladin", folder=tmp_path).stderr
        assert "taken by Aladin" in told
        assert (len(topcat.loaded), len(aladin.loaded)) == (0, 1)
        told = zooactive("samp", table, "--to", "topcta", folder=tmp_path, code=1).stderr
        assert "no program 'topcta' takes tables. Did you mean 'topcat'" in told


def test_what_does_not_work_is_told_in_a_line(hub, table, tmp_path):
    assert "no program on the hub takes tables" in zooactive("samp", table, folder=tmp_path, code=1).stderr
    with started(fails=True):
        assert "topcat could not load the table" in zooactive("samp", table, folder=tmp_path, code=1).stderr
    with started("many") as topcat:
        told = zooactive("samp", table, "--out", "chosen.csv", "--wait", 1, folder=tmp_path, code=1).stderr
        assert "nothing in the table was selected within 1 s" in told
        assert len(topcat.loaded) == 1
        assert "has no galaxy 'g9'" in zooactive("samp", table, "--galaxy", "g9", folder=tmp_path, code=1).stderr


def test_without_a_hub_one_is_asked_for(table, tmp_path, monkeypatch):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    assert "no SAMP hub runs on this machine" in zooactive("samp", table, folder=tmp_path, code=1).stderr
