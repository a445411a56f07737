"""Answers are kept, undone and changed; what comes next is chosen as it says; the head learns beside it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from zooactive.foundation.errors import CatalogueError, OutputError
from zooactive.loop.labelling.answers import Answers
from zooactive.loop.labelling.journal import Event, Journal
from zooactive.loop.labelling.learning import axes_of, learn, learnable
from zooactive.loop.labelling.queues import different, orders_of
from zooactive.loop.labelling.session import Session
from zooactive.tree import DecisionTree, Question

RING = DecisionTree("labels", (Question("ring", ("yes", "no")),), votes="class")
GALAXIES, WIDTH = 400, 6
IDS = np.array([f"g{i:03d}" for i in range(GALAXIES)], dtype=object)
FEATURES = np.random.default_rng(0).normal(size=(GALAXIES, WIDTH)).astype(np.float16)
TRUTH = np.where(FEATURES[:, 0] + 0.3 * FEATURES[:, 1] > 0.8, "yes", "no")


@pytest.fixture
def session(tmp_path):
    found = Session(IDS, RING, tmp_path / "ring", image_of=lambda row: f"/images/{row}.jpg")
    yield found
    found.close()


def table(session):
    return pd.read_csv(session.folder / "labels.csv", dtype=str, keep_default_na=False)


def label(session, number, *, mode="informative", labeller="me"):
    for _ in range(number):
        found = session.next("page", labeller, mode=mode)
        galaxy = str(IDS[found.row])
        session.answer(galaxy, TRUTH[found.row], labeller, chosen=found.chosen, probability=found.probability)


def test_what_counts_is_the_last_word_and_all_words_are_kept(session):
    session.answer("g001", "yes", "ann")
    session.answer("g002", "no", "ann", chosen="random", probability=0.25)
    session.answer("g001", "no", "ann")
    session.answer("g003", "", "ann")
    assert table(session)["id"].tolist() == ["g001", "g002"]
    assert table(session)["ring"].tolist() == ["no", "no"]
    assert table(session)["probability"].tolist() == ["", "0.25"]
    assert table(session)["image"].tolist() == ["/images/1.jpg", "/images/2.jpg"]
    assert len((session.folder / "answers.jsonl").read_text().splitlines()) == 4


def test_undone_answers_leave_what_was_said_before(session):
    session.answer("g001", "yes", "ann")
    session.answer("g001", "no", "ann")
    assert session.undo("ann").galaxy == "g001"
    assert table(session)["ring"].tolist() == ["yes"]
    session.undo("ann")
    assert table(session).empty
    assert session.undo("ann") is None
    assert session.undo("ben") is None
    session.answer("g001", "no", "ann")
    assert table(session)["ring"].tolist() == ["no"]


def test_two_labellers_are_told_apart_and_their_agreement_is_known(session):
    for galaxy, ann, ben in (("g001", "yes", "yes"), ("g002", "yes", "no"), ("g003", "no", "")):
        session.answer(galaxy, ann, "ann")
        session.answer(galaxy, ben, "ben")
    assert session.answers.agreement() == (1, 2)
    assert table(session)["ring"].tolist() == ["yes", "no", "no"]
    assert table(session)["labeller"].tolist() == ["ben", "ben", "ann"]
    session.undo("ben")
    session.undo("ben")
    assert table(session)["labeller"].tolist() == ["ben", "ann", "ann"]


def test_how_steady_a_labeller_is(session):
    for answer, chosen in (("yes", "random"), ("yes", "again"), ("no", "again")):
        session.answer("g001", answer, "ann", chosen=chosen)
    session.answer("g002", "no", "ann", chosen="again")  # never asked before
    assert session.answers.consistency("ann") == (1, 2)
    assert session.answers.consistency("ben") == (0, 0)


def test_unknown_galaxies_and_answers_are_refused_and_leave_nothing(session):
    with pytest.raises(CatalogueError, match="no galaxy 'g999'"):
        session.answer("g999", "yes", "me")
    with pytest.raises(CatalogueError, match="'maybe' is no answer"):
        session.answer("g001", "maybe", "me")
    assert (session.folder / "answers.jsonl").read_bytes() == b""


def test_a_restart_knows_all_and_a_torn_line_is_cut_off(session, tmp_path):
    session.answer("g001", "yes", "ann")
    session.answer("g002", "no", "ann")
    session.close()
    file = tmp_path / "ring" / "answers.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"galaxy": "g003", "ans')
    (tmp_path / "ring" / "labels.csv").unlink()
    again = Session(IDS, RING, tmp_path / "ring")
    try:
        assert file.read_bytes() == whole
        assert table(again)["id"].tolist() == ["g001", "g002"]
        with ThreadPoolExecutor(1) as other, pytest.raises(OutputError, match="in use by process"):
            other.submit(Session, IDS, RING, tmp_path / "ring").result()
    finally:
        again.close()
    file.write_bytes(whole + b"no line\n")
    with pytest.raises(CatalogueError, match="line 3 is damaged"):
        Session(IDS, RING, tmp_path / "ring")
    file.write_bytes(whole)
    with pytest.raises(CatalogueError, match="'yes' is no answer"):
        Session(IDS, DecisionTree("labels", (Question("ring", ("A", "B")),), votes="class"), tmp_path / "ring")


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "answers.jsonl")
    event = Event("g001", "yes", "me", "now", "named")
    journal.add(event)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        journal.add(event)
    monkeypatch.undo()
    journal.add(event)
    journal.close()
    assert len(Journal(tmp_path / "answers.jsonl").events) == 2


def test_events_are_those_that_any_order_of_steps_leaves():
    """What counts by the fast way is what a plain reading of all events gives."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        answers = Answers()
        for _ in range(40):
            labeller = str(rng.choice(["ann", "ben"]))
            number = answers.undoable(labeller)
            if rng.random() < 0.3 and number is not None:
                before = answers.events[number]
                answers.take(Event(before.galaxy, before.answer, labeller, "", "named", undoes=number))
            else:
                galaxy = str(rng.choice(["a", "b", "c"]))
                answers.take(Event(galaxy, str(rng.choice(["yes", "no", ""])), labeller, "", "named"))
        undone = {event.undoes for event in answers.events}
        standing = [e for n, e in enumerate(answers.events) if n not in undone and e.undoes is None]
        for galaxy in "abc":
            last = {event.labeller: event for event in standing if event.galaxy == galaxy}
            words = [event for event in standing if event in last.values() and event.galaxy == galaxy and event.answer]
            assert answers.of(galaxy) == last
            found = answers.counting(galaxy)
            assert (found.answer if found else None) == (words[-1].answer if words else None)


# What comes next -----------------------------------------------------------------------------------------------------


def test_without_a_fit_come_galaxies_that_cover_the_pool(session):
    session.embedded(FEATURES)
    session.wait()
    expected = different(FEATURES, IDS, axes_of(FEATURES), 0)[:5]
    assert [session.next("page", "me", but=expected[:n].tolist()).row for n in range(5)] == expected.tolist()


def test_one_in_ten_is_drawn_at_random_whatever_is_asked_for(session):
    session.embedded(FEATURES)
    session.wait()
    label(session, 100)
    chosen = table(session)["chosen"]
    assert (chosen == "random").sum() == 10
    rows = table(session)
    probabilities = rows.loc[rows["chosen"] == "random", "probability"].astype(float)
    assert probabilities.between(1 / 400, 1 / 299).all()
    assert (chosen != "random").sum() == (rows["probability"] == "").sum()


def test_two_pages_are_never_shown_the_same_galaxy(session):
    first = [session.next(f"page {n}", "me", mode="random").row for n in range(6)]
    assert len(set(first)) == 6
    assert session.next("page 0", "me", mode="random").row == first[0]


def test_the_surest_come_first_and_an_answered_galaxy_never_again(session):
    session.embedded(FEATURES)
    label(session, 60, mode="random")
    session.wait()
    told = session.next("page", "me", mode="surest", answer="yes")
    if told.chosen == "surest":
        assert session.expected(str(IDS[told.row]))["yes"] > 0.8
    grid = session.grid("page", "yes", 12)
    assert len(grid) == 12
    assert np.mean(TRUTH[[shown.row for shown in grid]] == "yes") > 0.7
    assert not {str(IDS[shown.row]) for shown in grid} & set(table(session)["id"])
    seen = set(table(session)["id"])
    for _ in range(30):
        found = session.next("page", "me", mode="informative")
        if found.chosen != "again":
            assert str(IDS[found.row]) not in seen


def test_all_that_was_seen_is_said(tmp_path):
    few = Session(IDS[:3], RING, tmp_path / "few")
    try:
        for galaxy in IDS[:3]:
            few.answer(str(galaxy), "", "me")
        assert few.next("page", "me") is None
        assert few.grid("page", "yes") == []
    finally:
        few.close()


def test_galaxies_without_features_are_not_shown(tmp_path):
    found = Session(IDS[:10], RING, tmp_path / "some")
    try:
        found.embedded(FEATURES[:10], without=np.arange(5))
        assert {found.next(f"p{n}", "me", mode="random").row for n in range(5)} == set(range(5, 10))
        assert found.next("another", "me", mode="random") is None
    finally:
        found.close()


# What is learnt ------------------------------------------------------------------------------------------------------


def test_a_head_tells_galaxies_that_it_has_not_seen_and_each_left_out_one():
    rows = np.arange(120)
    labels = (TRUTH[rows] == "no").astype(np.int64)
    learnt = learn(FEATURES, rows, labels, IDS[rows].tolist(), RING, axes_of(FEATURES))
    told = learnt.probabilities(FEATURES)
    np.testing.assert_allclose(told.sum(1), 1, rtol=1e-5)
    assert ((told[120:, 0] > 0.5) == (TRUTH[120:] == "yes")).mean() > 0.92
    assert np.isfinite(learnt.told).all()
    assert (learnt.told.argmax(1) == labels).mean() > 0.9
    information = learnt.information(FEATURES)
    assert information.shape == (GALAXIES,)
    assert (information >= 0).all()
    assert information.max() < np.log(2)
    doubtful = np.abs(told[:, 0] - 0.5) < 0.2
    assert information[doubtful].mean() > 3 * information[~doubtful].mean()


def test_orders_leave_out_the_labelled_and_count_what_is_expected():
    rows = np.arange(100)
    labels = (TRUTH[rows] == "no").astype(np.int64)
    learnt = learn(FEATURES, rows, labels, IDS[rows].tolist(), RING, axes_of(FEATURES))
    orders = orders_of(learnt, FEATURES, rows, turn=0)
    assert sorted(orders.informative) == list(range(100, GALAXIES))
    assert [sorted(order) for order in orders.surest] == [list(range(100, GALAXIES))] * 2
    assert orders.expected.sum() == pytest.approx(300, rel=1e-4)
    assert orders.expected[0] == pytest.approx((TRUTH[100:] == "yes").sum(), rel=0.2)


@pytest.mark.parametrize(
    ("labels", "enough"), [([], False), ([0, 0, 1], False), ([0, 0, 1, 1], True), ([0, 0, 0, 0], False)]
)
def test_nothing_is_learnt_before_two_answers_have_two_labels(labels, enough):
    assert learnable(np.array(labels, dtype=np.int64)) is enough


def test_what_is_known_by_now(session):
    session.embedded(FEATURES)
    assert "Answer a few" in session.measures().advice()
    label(session, 150)
    session.wait()
    found = session.measures()
    assert found.labels == len(table(session)) >= 140
    assert found.counts == table(session)["ring"].value_counts().reindex(["yes", "no"]).to_dict()
    assert found.merits["auc"].low < found.merits["auc"].value <= found.merits["auc"].high
    assert found.merits["auc"].value > 0.85
    assert ("auc_random" in found.merits) == ((table(session)["chosen"] == "random").sum() >= 20)
    left = (TRUTH == "yes").sum() - found.counts["yes"]
    assert found.expected["yes"] == pytest.approx(left, abs=15)
    assert "more of 'yes' are expected" in found.advice()
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.curve[-1]["labels"] == found.labels


def test_answers_wait_for_no_fit(session):
    """While a fit is held up, galaxies are given and answers are taken."""
    session.embedded(FEATURES)
    label(session, 30)
    session.wait()
    began, longest = time.monotonic(), 0.0
    for _ in range(50):
        before = time.monotonic()
        label(session, 1)
        longest = max(longest, time.monotonic() - before)
    assert longest < 5 < 5 + time.monotonic() - began
