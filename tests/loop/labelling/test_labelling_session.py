"""Answers are kept, undone and changed; what comes next is chosen as it says; the head learns beside it."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from zooactive.foundation.errors import CatalogueError, OutputError
from zooactive.loop.labelling.answers import Answers, by_most, next_question
from zooactive.loop.labelling.background import Learning
from zooactive.loop.labelling.journal import Event, Journal
from zooactive.loop.labelling.learning import axes_of, learn, learnable
from zooactive.loop.labelling.queues import Likeness, different, orders_of
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
    lines = (session.folder / "answers.jsonl").read_text().splitlines()
    assert lines[0] == '{"format": 1}'
    assert len(lines) == 1 + 4


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


def test_labels_that_were_there_before_count_until_somebody_says_something_else(session, tmp_path):
    session.answer("g001", "yes", "me")
    session.answer("g002", "", "me")
    known = {f"g{i:03d}": {"ring": "no"} for i in range(5)} | {"x1": {"ring": "yes"}}
    assert session.take_over(known, "labels of rings") == (3, 1)
    assert session.take_over(known, "labels of rings") == (0, 1)
    found = table(session).set_index("id")
    assert found["ring"].to_dict() == {"g000": "no", "g001": "yes", "g003": "no", "g004": "no"}
    assert found["chosen"].tolist() == ["named", "before", "before", "before"]
    session.answer("g003", "yes", "me")
    assert table(session).set_index("id").loc["g003", ["ring", "labeller"]].tolist() == ["yes", "me"]
    assert session.answers.agreement() == (0, 1)
    with pytest.raises(CatalogueError, match="'maybe' is not an answer"):
        session.take_over({"g009": {"ring": "maybe"}}, "labels of rings")
    before = (session.folder / "answers.jsonl").read_bytes()
    session.close()
    again = Session(IDS, RING, tmp_path / "ring")
    assert again.take_over(known, "labels of rings") == (0, 1)
    assert len(table(again)) == 4
    assert (tmp_path / "ring" / "answers.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([5, 3, 0, 0, 1, 9], {"smooth": "yes", "odd": "no"}),
        ([3, 5, 4, 1, 1, 9], {"smooth": "no", "bar": "weak", "odd": "no"}),
        ([3, 5, 2, 2, 1, 9], {}),  # as many say this as that
        ([3, 5, 0, 0, 1, 9], {}),  # nobody was asked about a bar
        ([0, 0, 0, 0, 0, 0], {}),
    ],
)
def test_what_most_say_on_the_way_through_a_tree(votes, said):
    assert by_most(np.array(votes, dtype=float), BARS) == said


def test_how_steady_a_labeller_is(session):
    for answer, chosen in (("yes", "random"), ("yes", "again"), ("no", "again")):
        session.answer("g001", answer, "ann", chosen=chosen)
    session.answer("g002", "no", "ann", chosen="again")  # never asked before
    assert session.answers.consistency("ann") == (1, 2)
    assert session.answers.consistency("ben") == (0, 0)


def test_unknown_galaxies_and_answers_are_refused_and_leave_nothing(session):
    with pytest.raises(CatalogueError, match="no galaxy 'g999'"):
        session.answer("g999", "yes", "me")
    with pytest.raises(CatalogueError, match="'maybe' is not an answer"):
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
    with pytest.raises(CatalogueError, match="line 4 is damaged"):
        Session(IDS, RING, tmp_path / "ring")
    file.write_bytes(whole)
    with pytest.raises(CatalogueError, match="'yes' is not an answer"):
        Session(IDS, DecisionTree("labels", (Question("ring", ("A", "B")),), votes="class"), tmp_path / "ring")


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "answers.jsonl")
    event = Event("g001", "ring", "yes", "me", "now", "named")
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


BARS = DecisionTree(
    "bars",
    (
        Question("smooth", ("yes", "no")),
        Question("bar", ("weak", "none"), asked_after=["smooth_no"]),
        Question("odd", ("yes", "no")),
    ),
    min_votes=1,
)


def test_the_questions_of_a_tree_are_asked_as_it_says():
    def way(*given):
        question = next_question(BARS, given)
        return None if question is None else question.name

    assert way() == "smooth"
    assert way("smooth_yes") == "odd"
    assert way("smooth_no", "odd_yes") == "bar"
    assert way("smooth_no", "bar_weak", "odd_no") is None


def test_a_galaxy_counts_when_all_is_said_of_it(tmp_path):
    session = Session(IDS[:20], BARS, tmp_path / "bars")
    try:
        session.answer("g001", "no", "ann", question="smooth", chosen="random", probability=0.5)
        session.answer("g001", "no", "ann", question="odd")
        assert table(session).empty
        assert session.answers.given("g001", "ann") == ("smooth_no", "odd_no")
        session.answer("g001", "weak", "ann", question="bar")
        (row,) = table(session).to_dict("records")
        answered = [name for name in BARS.columns if row[name] == "1"]
        assert answered == ["smooth_no", "bar_weak", "odd_no"]
        assert (row["chosen"], row["probability"]) == ("random", "0.5")
        session.answer("g001", "yes", "ann", question="smooth")  # then nobody is asked about a bar
        (row,) = table(session).to_dict("records")
        assert [row[name] for name in ("smooth_yes", "smooth_no", "bar_weak")] == ["1", "0", "0"]
        session.undo("ann")
        session.undo("ann")
        assert table(session).empty
        assert session.answers.given("g001", "ann") == ("smooth_no", "odd_no")
        session.answer("g001", "yes", "ben", question="smooth")
        session.answer("g001", "no", "ben", question="odd")
        assert table(session)["labeller"].tolist() == ["ben"]
        with pytest.raises(CatalogueError, match="no question 'bra'"):
            session.answer("g001", "weak", "ann", question="bra")
    finally:
        session.close()


def test_a_head_learns_all_questions_of_a_tree(tmp_path):
    session = Session(IDS, BARS, tmp_path / "bars")
    try:
        session.embedded(FEATURES)
        for row in range(120):
            galaxy, smooth = str(IDS[row]), "yes" if FEATURES[row, 0] > 0 else "no"
            session.answer(galaxy, smooth, "me", question="smooth")
            session.answer(galaxy, "no" if FEATURES[row, 2] < 1 else "yes", "me", question="odd")
            if smooth == "no":
                session.answer(galaxy, "weak" if FEATURES[row, 1] > 0 else "none", "me", question="bar")
        session.wait()
        assert session.measures().merits["auc"].value > 0.9
        told = [session.expected(str(galaxy)) for galaxy in IDS[200:260]]
        smooth = np.array([found["smooth_yes"] > 0.5 for found in told])
        assert (smooth == (FEATURES[200:260, 0] > 0)).mean() > 0.85
        bars = np.array([found["bar_weak"] > 0.5 for found in told])
        assert (bars == (FEATURES[200:260, 1] > 0)).mean() > 0.75
        assert session.next("page", "me").chosen in ("informative", "random")
    finally:
        session.close()


def test_what_counts_is_what_a_plain_reading_of_all_events_gives():
    rng = np.random.default_rng(0)
    for _ in range(40):
        answers = Answers(BARS)
        for _ in range(60):
            labeller = str(rng.choice(["ann", "ben"]))
            number = answers.undoable(labeller)
            if rng.random() < 0.3 and number is not None:
                before = answers.events[number]
                answers.take(Event(before.galaxy, before.question, before.answer, labeller, "", "named", undoes=number))
                continue
            question = BARS.questions[rng.integers(3)]
            word = "" if question.name == "smooth" and rng.random() < 0.2 else str(rng.choice(question.answers))
            answers.take(Event(str(rng.choice(["a", "b"])), question.name, word, labeller, "", "named"))
        undone = {event.undoes for event in answers.events}
        standing = [(n, e) for n, e in enumerate(answers.events) if n not in undone and e.undoes is None]
        for galaxy in "ab":
            own = {
                labeller: {e.question: (n, e) for n, e in standing if (e.galaxy, e.labeller) == (galaxy, labeller)}
                for labeller in ("ann", "ben")
            }
            said = {}
            for labeller, by in own.items():
                smooth = by["smooth"][1].answer if "smooth" in by else ""
                needed = {"yes": ("smooth", "odd"), "no": ("smooth", "bar", "odd")}.get(smooth)
                if needed and all(name in by for name in needed):
                    said[labeller] = {f"{name}_{by[name][1].answer}" for name in needed}
            expected = max(said, key=lambda labeller: max(n for n, _ in own[labeller].values()), default=None)
            found = answers.counting(galaxy)
            assert (set(found.columns) if found else None) == said.get(expected)


# What comes next -----------------------------------------------------------------------------------------------------


def test_without_a_fit_come_galaxies_that_cover_the_pool(session):
    session.embedded(FEATURES)
    session.wait()
    expected = different(FEATURES, IDS, axes_of(FEATURES), 0)[:5]
    assert [session.next("page", "me", but=expected[:n].tolist()).row for n in range(5)] == expected.tolist()


def test_from_one_example_come_those_that_look_like_it_until_there_is_a_fit(session):
    session.embedded(FEATURES)
    session.wait()
    session.answer("g007", "yes", "me")
    session.wait()
    axes = axes_of(FEATURES)
    points = axes.of(FEATURES)
    cosine = points @ points[7] / np.linalg.norm(points, axis=1) / np.linalg.norm(points[7])
    expected = [row for row in np.argsort(-cosine, kind="stable") if row != 7]
    asked: list[int] = []
    found = []
    for _ in range(8):
        found.append(session.next("page", "me", but=asked))
        asked.append(found[-1].row)
    alike = [shown.row for shown in found if shown.chosen == "similar"]
    assert alike == expected[: len(alike)]
    assert {shown.chosen for shown in found} == {"similar", "different"}
    assert session.next("page", "me", mode="surest", answer="no").chosen == "different"  # of which there is none
    label(session, 40)
    session.wait()
    assert {session.next(f"page {n}", "me").chosen for n in range(6)} & {"informative"}


def test_what_is_like_several_and_unlike_others_is_so_on_average():
    likeness = Likeness(FEATURES, axes_of(FEATURES))
    points = likeness.axes.of(FEATURES)
    points /= np.linalg.norm(points, axis=1)[:, None]
    for rows, unlike in (([5], []), ([5, 6, 300], []), ([5], []), ([5, 6], [7, 8, 9])):  # later by the lengths of the first
        alike = (points @ points[rows].T).mean(1)
        if unlike:
            alike -= (points @ points[unlike].T).mean(1)
        expected = [row for row in np.argsort(-alike, kind="stable") if row not in [*rows, *unlike]]
        assert likeness.order(np.array(rows), np.array(unlike, dtype=np.int64)).tolist() == expected


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


def test_the_most_informative_and_the_surest_come_in_turn(session):
    session.embedded(FEATURES)
    label(session, 60, mode="random")
    session.wait()
    asked: list[int] = []
    found = {"informative": [], "surest": []}
    for _ in range(20):
        shown = session.next("page", "me", mode="both", but=asked)
        asked.append(shown.row)
        if shown.chosen in found:
            found[shown.chosen].append(shown.row)
    assert min(map(len, found.values())) >= 7
    for mode, rows in found.items():
        alone: list[int] = []
        while len(alone) < len(rows):
            shown = session.next("page", "me", mode=mode, but=alone + [row for row in asked if row not in rows])
            if shown.chosen == mode:
                alone.append(shown.row)
        assert alone == rows


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
        assert session.expected(str(IDS[told.row]))["ring_yes"] > 0.8
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
    votes = np.column_stack([TRUTH[:120] == "yes", TRUTH[:120] == "no"]).astype(float)
    learnt = learn(FEATURES[:120], votes, IDS[:120].tolist(), RING, axes_of(FEATURES))
    told = learnt.probabilities(FEATURES)
    np.testing.assert_allclose(told.sum(1), 1, rtol=1e-5)
    assert ((told[120:, 0] > 0.5) == (TRUTH[120:] == "yes")).mean() > 0.92
    assert np.isfinite(learnt.told).all()
    assert (learnt.told.argmax(1) == votes.argmax(1)).mean() > 0.9
    information = learnt.information(FEATURES)
    assert information.shape == (GALAXIES,)
    assert (information >= 0).all()
    assert information.max() < np.log(2)
    doubtful = np.abs(told[:, 0] - 0.5) < 0.2
    assert information[doubtful].mean() > 3 * information[~doubtful].mean()


def test_orders_leave_out_the_labelled_and_count_what_is_expected():
    rows = np.arange(100)
    votes = np.column_stack([TRUTH[rows] == "yes", TRUTH[rows] == "no"]).astype(float)
    learnt = learn(FEATURES[rows], votes, IDS[rows].tolist(), RING, axes_of(FEATURES))
    orders = orders_of(learnt, FEATURES, rows, turn=0)
    assert sorted(orders.informative) == list(range(100, GALAXIES))
    assert [sorted(order) for order in orders.surest] == [list(range(100, GALAXIES))] * 2
    assert orders.expected.sum() == pytest.approx(300, rel=1e-4)
    assert orders.expected[0] == pytest.approx((TRUTH[100:] == "yes").sum(), rel=0.25)


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
    assert "more 'yes' are expected" in found.advice()
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.curve[-1]["labels"] == found.labels


@pytest.mark.parametrize("later", [1, 3, 7])
def test_who_waits_during_a_fit_gets_all_that_was_answered_before(session, monkeypatch, later):
    """Fewer answers than start a fit by themselves came while one was going on: once, nobody learnt them."""
    began, go_on, learnt = threading.Event(), threading.Event(), []

    def held_up(self, features):
        began.set()
        go_on.wait(30)
        learnt.append(len(self.labels()[2]))
        self.orders = self.orders or object()

    monkeypatch.setattr(Learning, "_fit", held_up)
    session.answer("g001", "yes", "me")
    session.embedded(FEATURES)
    assert began.wait(30)
    for number in range(later):
        session.answer(f"g01{number}", "no", "me")
    with ThreadPoolExecutor(1) as other:
        waiting = other.submit(session.wait)
        time.sleep(0.05)
        go_on.set()
        waiting.result(timeout=30)
    assert learnt[-1] == 1 + later


def test_answers_wait_for_no_fit(session, monkeypatch):
    """While a fit is held up, galaxies are given and answers are taken."""
    began, go_on = threading.Event(), threading.Event()

    def held_up(self, features):
        began.set()
        assert go_on.wait(30)
        self.orders = self.orders or object()

    monkeypatch.setattr(Learning, "_fit", held_up)
    session.answer("g001", "yes", "me")
    session.embedded(FEATURES)
    assert began.wait(30)
    label(session, 50)  # which would wait for ever if it waited for the fit
    assert len(session.answers.events) == 51
    go_on.set()
    session.wait()
