"""`zooactive label` as a student uses it: 200 answers by keys on the bundled rings, Ctrl-C, a model, and what it finds."""

from __future__ import annotations

import json
import multiprocessing.connection
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import HERE, Browser
from small_survey import write_survey, zooactive
from tiny_network import tiny_model

import zooactive as za
from zooactive.foundation.errors import CatalogueError, OutputError, WorkspaceError
from zooactive.foundation.writing import how_of
from zooactive.loop.labelling.answers import next_question
from zooactive.workspace import label
from zooactive.workspace.label import open_labelling
from zooactive.workspace.sections import TaskLabels
from zooactive.workspace.settings import Settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "drills"))
import drill_label

ON_SCREEN = "document.getElementById('galaxy')?.naturalWidth > 0 && document.getElementById('galaxy').dataset.id"
EVENTS = "labelling/ring/answers.jsonl"
KEPT = "Number(document.body.dataset.kept || 0)"


def start(folder: Path, *words: str) -> tuple[subprocess.Popen[str], str]:
    """Start the command, and return it with the address of its page."""
    process = subprocess.Popen(
        [sys.executable, "-m", "zooactive", "label", "--no-browser", *words], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    said = ""
    while process.poll() is None:
        said += process.stderr.readline()
        if found := re.search(r"http://\S+", said):
            return process, found[0]
    raise AssertionError(said + process.stderr.read())


@pytest.mark.skipif(not HERE, reason="needs the browser chromium")
def test_two_hundred_answers_become_a_model_that_finds_more(tmp_path):
    process, address = start(tmp_path, "--demo")
    truth = pd.read_parquet(tmp_path / "rings.parquet", columns=["id", "ring"]).set_index("id")["ring"]

    def answer(number: int) -> None:
        for _ in range(number):
            shown, kept = browser.wait(ON_SCREEN), browser.run(KEPT)
            browser.press("1" if truth[shown] == 1 else "2")
            browser.wait(f"{KEPT} > {kept} && ({ON_SCREEN}) !== {shown!r}")

    with Browser() as browser:
        browser.goto(address)
        answer(20)
        browser.press("u")
        browser.wait("document.getElementById('said').textContent.includes('taken back')")
        answer(1)
        browser.run("location.reload()")
        browser.wait(f"{KEPT} === 0")
        browser.wait("document.getElementById('work').textContent === ''", seconds=600)
        answer(10)
        browser.wait("document.querySelector('#curve polyline') !== null", seconds=600)
        answer(170)
        assert browser.told == []
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    found = pd.read_csv(tmp_path / "labelling" / "ring" / "labels.csv", dtype={"id": str}).set_index("id")
    assert f"{len(found)} labels: {tmp_path / 'labelling' / 'ring' / 'labels.csv'}" in said
    again = sum(json.loads(line)["chosen"] == "again" for line in (tmp_path / EVENTS).read_text().splitlines()[1:])
    assert 5 <= again <= 12
    assert len(found) == 200 - again
    assert ((found["ring"] == "yes") == (truth[found.index] == 1)).all()
    assert (found["chosen"] == "random").sum() >= 15
    assert (found["chosen"] == "informative").sum() > 100  # once there was a fit
    (line,) = re.findall(r"^Next: zooactive (.*)$", said, re.MULTILINE)
    labels = tmp_path / "labelling" / "ring" / "labels.parquet"
    assert shlex.split(line) == ["finetune", str(labels), "--column", "ring"]
    assert len(za.read_catalogue(labels, tree="rings", label_column="ring")) == len(found)
    # As this line has it, but on the features that are there: the images need not be looked at eight more times.
    known = ("--embeddings", "embeddings")
    assert "ring" in zooactive(*shlex.split(line), *known, folder=tmp_path).stdout
    zooactive("top", "--task", "ring", "--n", 40, "--images", ".", "--out", "best.csv", folder=tmp_path)
    best = pd.read_csv(tmp_path / "best.csv", dtype={"id": str})
    assert (truth[best["id"]] == 1).mean() > 0.7


def test_no_acknowledged_answer_is_lost_when_it_is_killed(tmp_path):
    drill_label.write_pool(tmp_path / "pool", 400)
    drill_label.GALAXIES = 400
    acknowledged: dict[str, str] = {}
    for _ in range(2):
        given, pending = drill_label.killed_once(tmp_path, acknowledged, seconds=0.3, least=5)
        assert given >= 5
        rows = drill_label.labels_of(tmp_path)
        assert {galaxy: rows.get(galaxy) for galaxy in acknowledged if galaxy != pending} == {
            galaxy: answer for galaxy, answer in acknowledged.items() if galaxy != pending
        }
        acknowledged |= {pending: rows[pending]} if pending in rows else {}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "exactly one question can be asked (given: none)"),
        (("--tree", "gz2", "--task", "rings"), "given: --task and --tree"),
        (("--tree", "gz9"), "Did you mean"),
        (("--question", "ring", "--classes", "a"), "this question cannot be asked"),
        (("--task", "rings", "--question", "ring"), "given: --question or --classes and --task"),
        (("--task", "ringz"), "Did you mean 'rings'"),
        (("--question", "ring", "--pool", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_served(tmp_path, words, said):
    folder = write_survey(tmp_path / "survey", 4)
    pool = () if "--pool" in words else ("--pool", "images")
    assert said in zooactive("label", "--no-browser", *pool, *words, folder=folder, code=1).stderr


def test_from_python_a_labelling_answers_and_learns(tmp_path):
    folder = write_survey(tmp_path / "survey", 30)
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"})
    with open_labelling(settings, classes=["merger", "ring", "neither"]) as labelling:
        assert isinstance(labelling, za.Labelling)
        assert repr(labelling) == "Labelling('class', 30 galaxies, 0 labels)"
        first = labelling.next("random")
        labelling.answer(first, "merger")
        labelling.answer(labelling.next(), "ring", labeller="ann")
        labelling.undo("ann")
        assert labelling.labels()[["id", "class", "labeller"]].to_numpy().tolist() == [[first, "merger", "me"]]
        assert labelling.with_images() == labelling.file
        frame = labelling._repr_html_()
        assert labelling.start() in frame
    (tmp_path / "m.csv").write_text("id,mass\n" + "".join(f"g{i},{i}.5\n" for i in range(30)))
    tasks = {"mass": TaskLabels(labels=tmp_path / "m.csv", column="mass")}
    with pytest.raises(WorkspaceError, match="numbers, which cannot be given as answers"):
        open_labelling(Settings(tmp_path, tasks=tasks), task="mass")


def test_a_task_goes_on_with_the_labels_that_it_had(tmp_path):
    folder = write_survey(tmp_path / "survey", 30)
    names = sorted(path.stem for path in (folder / "images").iterdir())
    table = pd.DataFrame({"id": names[:12], "ring": [1, 0] * 6, "image": [f"{name}.jpg" for name in names[:12]]})
    table.loc[len(table)] = ["elsewhere", 1, f"{names[0]}.jpg"]
    table.to_csv(tmp_path / "mine.csv", index=False)
    named = {"mine": TaskLabels(labels=tmp_path / "mine.csv", images=folder / "images", column="ring")}
    said: list[str] = []
    settings = Settings(tmp_path, tasks=named).with_options(pool={"catalogue": folder / "images"})
    with open_labelling(settings, task="mine", tell=said.append) as labelling:
        assert said == [
            "12 earlier labels of 'mine' are taken over",
            "1 labels of 'mine' are left out, because their galaxies are not in the pool",
        ]
        found = labelling.labels().set_index("id")
        assert found["ring"].to_dict() == dict(zip(names[:12], ["yes", "no"] * 6, strict=True))
        assert set(found["chosen"]) == {"before"}
        assert labelling.next("random") not in names[:12]
        labelling.answer(names[20], "yes")
    with open_labelling(settings, task="mine", tell=said.append) as labelling:
        assert len(labelling.labels()) == 13
    assert said[2:] == said[1:2]


def test_examples_are_of_the_first_answer_unless_something_was_said_of_them(tmp_path):
    folder = write_survey(tmp_path / "survey", 6)
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"})
    with open_labelling(settings, classes="merger,ring,neither") as labelling:
        one, two, *_ = labelling.pool.ids
        labelling.answer(two, "neither")
        for _ in range(2):
            labelling.give_examples([one, two])
        assert labelling.labels()[["id", "class"]].to_numpy().tolist() == [[two, "neither"], [one, "merger"]]
        assert len(labelling.session.answers.events) == 2
        with pytest.raises(CatalogueError, match="no galaxy 'nowhere'"):
            labelling.give_examples(["nowhere"])


@pytest.mark.filterwarnings("ignore:.*images unlike those")
def test_a_task_that_was_learnt_here_goes_on_under_its_name(tmp_path):
    folder = write_survey(tmp_path / "survey", 30)
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"})
    with open_labelling(settings, "blue") as labelling:
        for place, galaxy in enumerate(labelling.pool.ids):
            labelling.answer(galaxy, "yes" if place % 2 else "no")
        labels = labelling.with_images()
    zooactive("finetune", labels, "--column", "blue", "--image-size", 32, folder=tmp_path)
    with open_labelling(settings, task="blue") as labelling:
        assert len(labelling.labels()) == 30
        assert labelling.tree.columns == ("blue_yes", "blue_no")
        assert labelling.file == labels


def test_answers_and_questions_of_any_name_come_back_as_they_were_or_are_refused(tmp_path):
    folder = write_survey(tmp_path / "survey", 6)
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"})
    with open_labelling(settings, "is it a/ring, Möbius?", classes="=yes,-no") as labelling:
        labelling.answer(str(labelling.pool.ids[0]), "=yes")
        assert labelling.labels()["is it a/ring, Möbius?"].tolist() == ["=yes"]
    for name in ("image", "time"):
        with pytest.raises(CatalogueError, match=f"cannot be named '{name}'"):
            open_labelling(settings, name)


def test_labels_of_a_tree_are_learnt_as_its_task_says(tmp_path):
    folder = write_survey(tmp_path / "survey", 30)
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"})
    with open_labelling(settings, tree="rings") as labelling:
        assert labelling.task is None  # of a single question, whose column says all
    with open_labelling(settings, tree="gz2") as labelling:
        given: set[str] = set()
        for galaxy in labelling.pool.ids:
            given = set()
            while (question := next_question(labelling.tree, given)) is not None:
                labelling.answer(galaxy, question.answers[0], question=question.name)
                given.add(question.columns[0])
    labels = labelling.labels()
    assert len(labels) == 30
    assert labels[sorted(given)].to_numpy().all()
    catalogue = za.tasks.load_task(labelling.task).read(labelling.file)
    assert catalogue.labelled.all()
    assert catalogue.votes.sum() == 30 * len(given)


# The page and the features beside it --------------------------------------------------------------------------------------


def answering(address: str, given: dict[str, str]) -> None:
    """Look at the next galaxies as the page does, give each the same answer, and press Ctrl-C."""

    def get(path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(address + path, data), timeout=30) as told:
            return json.load(told)

    try:
        for _ in range(3):
            (shown,) = get("api/next?page=p&labeller=me&mode=random")["galaxies"]
            get("api/answer", {"id": shown["id"], "answer": "yes", "labeller": "me"})
            given[shown["id"]] = get(f"api/galaxy?id={shown['id']}")["id"]
    finally:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.usefixtures("pythons_own_answer")
def test_the_page_opens_and_what_is_answered_until_ctrl_c_is_kept(tmp_path, monkeypatch):
    folder, given = write_survey(tmp_path / "survey", 12), {}
    np.save(folder / "e.npy", np.random.default_rng(0).normal(size=(12, 4)).astype("f4"))
    pd.DataFrame({"id": [f"g{i:03d}" for i in range(12)], "image": [f"images/g{i:03d}.jpg" for i in range(12)]}).to_csv(
        folder / "pool.csv", index=False
    )

    def opened(address: str) -> None:
        threading.Thread(target=answering, args=(address, given)).start()

    monkeypatch.setattr(webbrowser, "open", opened)
    words = (
        "--pool",
        "pool.csv",
        "--embeddings",
        "e.npy",
        "--embedding-ids",
        "pool.csv",
        "--example",
        "g003",
        "--summary",
        "label.json",
    )
    said = zooactive("label", "--question", "bar", *words, folder=folder).stderr
    assert re.search(r"Label galaxies at http://127\.0\.0\.1:\d+/\S+/", said)
    labels = folder / "labelling" / "bar" / "labels.csv"
    assert f"4 labels: {labels}\nNext: zooactive finetune {labels} --column bar\n" in said
    assert pd.read_csv(labels)["id"].tolist() == ["g003", *given]
    assert list(given) == list(given.values())
    assert how_of(labels)["command"] == "label"
    assert json.loads((folder / "label.json").read_text())["counts"] == {"galaxies": 12, "labels": 4}


def test_features_are_those_of_the_workspaces_encoder_and_are_computed_once(tmp_path, monkeypatch):
    folder = write_survey(tmp_path / "survey", 12)
    (folder / "images" / "g004.jpg").write_bytes(b"no image")
    model = tiny_model("rings")
    model.save(tmp_path / "model")
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"}, model={"folder": tmp_path / "model"})
    with open_labelling(settings, "bar") as labelling:
        for _ in range(2):
            labelling.embed()
        shown = []
        while (galaxy := labelling.next("random")) is not None and len(shown) < 12:
            labelling.answer(galaxy, "no" if len(shown) % 2 else "yes")
            shown.append(galaxy)
        assert sorted({*shown, "g004"}) == sorted(labelling.pool.ids)
        assert "g004" not in shown, "it has no features"
        assert labelling.measures().labels == 11
    known = za.read_embeddings(tmp_path / "embeddings")
    assert (len(known), known.encoder) == (11, model.encoder_fingerprint())


class Beside(threading.Thread):
    """A thread that stands in for a process of one's own."""

    exitcode = 0

    def __init__(self, target: Any, args: tuple[Any, ...], daemon: bool) -> None:
        *given, connection = args
        own = multiprocessing.connection.Connection(os.dup(connection.fileno()), readable=False)
        super().__init__(target=target, args=(*given, own), daemon=daemon)

    def terminate(self) -> None:
        self.join()

    def run(self) -> None:
        try:
            self._target(*self._args)
        except SystemExit as end:
            self.exitcode = int(end.code)
        self._args[-1].close()


@pytest.mark.parametrize("error", [None, "the disk is full"])
def test_while_one_labels_the_page_tells_how_far_the_features_are_and_what_went_wrong(tmp_path, monkeypatch, error):
    folder, steps, told = write_survey(tmp_path / "survey", 12), threading.Semaphore(0), []
    niceness, ignored = [], []

    def embedded(settings: Settings, pool: za.Catalogue, report: Callable[[int], None]) -> None:
        for done in (4, 12):
            report(done)
            steps.acquire()
        if error is not None:
            raise OutputError(error)
        home = settings.folder / "embeddings"
        home.mkdir()
        lists = pa.FixedSizeListArray.from_arrays(pa.array(np.random.default_rng(0).random(48, dtype="f4")), 4)
        pq.write_table(pa.table({"id": list(pool.ids), "embedding": lists}), home / "e.parquet")

    context = SimpleNamespace(Pipe=multiprocessing.Pipe, Process=Beside)
    monkeypatch.setattr(label.multiprocessing, "get_context", {"spawn": context}.__getitem__)
    monkeypatch.setattr(label, "_embedded", embedded)
    monkeypatch.setattr(label.os, "nice", niceness.append)
    answered = SimpleNamespace(SIGINT=signal.SIGINT, SIG_IGN=signal.SIG_IGN, signal=lambda *given: ignored.append(given))
    monkeypatch.setattr(label, "signal", answered)
    settings = Settings(tmp_path).with_options(pool={"catalogue": folder / "images"})

    def work(text: str) -> None:
        wait_for(lambda: text in labelling._work)

    with open_labelling(settings, "bar", tell=told.append) as labelling:
        labelling.embed_beside()
        work("Features of 4 of 12 images are computed")
        steps.release()
        work("Features of 12 of 12 images are computed")
        steps.release()
        labelling._thread.join()
        assert labelling.session.embedded_already == (error is None)
        assert labelling._work == (error or "")
    assert told == ([] if error is None else [error])
    assert niceness == [10]
    assert ignored == [(signal.SIGINT, signal.SIG_IGN)]


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_nothing_to_look_at_is_told(tmp_path):
    write_survey(tmp_path / "survey", 4)
    pd.DataFrame({"id": ["a", "b"]}).to_csv(tmp_path / "pool.csv", index=False)
    said = zooactive("label", "--question", "bar", "--no-browser", "--pool", "pool.csv", folder=tmp_path, code=1).stderr
    assert "names no images, so there is nothing to look at; give a --pool with a column of images" in said
