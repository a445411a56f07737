"""What "auto" stands for: the usual where nothing can be tried, and a trial's verdict where it can."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zooactive.foundation.errors import AcquisitionError
from zooactive.loop import Loop, LoopConfig, automatic, rehearse
from zooactive.loop.automatic import LEAST, Known, Trial, decide, try_out
from zooactive.loop.roles import drawn_at_random
from zooactive.loop.round_files import why_of
from zooactive.models import find_axes
from zooactive.models.head.bayesian import PRECISIONS
from zooactive.tree import DecisionTree, Question

CONFIG = LoopConfig(n=10, votes=5)


def tree_of(kind: str) -> DecisionTree:
    return DecisionTree("t", [Question("smooth", ["yes", "no"])], votes=kind)


@pytest.fixture
def known():
    """Return a function (number, kind of votes) -> galaxies of which one feature says what volunteers say."""

    def make(number: int, kind: str = "counts") -> Known:
        rng = np.random.default_rng(0)
        features = rng.normal(size=(number, 6)).astype(np.float16)
        share = 1 / (1 + np.exp(-3.0 * features[:, 0].astype(float)))
        yes = rng.binomial(1 if kind == "class" else 5, share)
        votes = np.stack([yes, (1 if kind == "class" else 5) - yes], axis=1).astype(float)
        ids = np.array([f"g{i:04d}" for i in range(number)], dtype=object)
        concentrations = "fraction" if kind == "class" else "softplus"
        return Known(ids, features, votes, tree_of(kind), concentrations, find_axes([features]), 8)

    return make


def test_without_a_trial_it_is_the_usual(known):
    few = known(LEAST - 1)
    assert decide(few, CONFIG, few.tree)[:2] == (
        "random",
        "with people's votes and a frozen encoder, no strategy was measured to beat random choice; "
        f"a trial needs {LEAST} randomly drawn galaxies, not {LEAST - 1}",
    )
    labels = known(20, "class")
    assert decide(labels, CONFIG, labels.tree).strategy == "mutual_information"
    assert decide(None, replace(CONFIG, candidate="entropy"), few.tree).strategy == "entropy"
    assert decide(few, replace(CONFIG, candidate="random"), few.tree).strategy == "random"


@pytest.mark.parametrize(
    ("kind", "low", "high", "expected"),
    [
        ("counts", -0.01, 0.3, "mutual_information"),  # not worse than 5% of the clicks
        ("counts", -0.03, 0.3, "random"),
        ("class", -0.5, 0.01, "mutual_information"),
        ("class", -0.5, -0.01, "random"),
    ],
)
def test_the_interval_of_a_trial_decides(known, monkeypatch, kind, low, high, expected):
    trial = Trial("mutual_information", (low + high) / 2, low, high, 0.02, LEAST)
    monkeypatch.setattr(automatic, "try_out", lambda *_: trial)
    found = decide(known(LEAST, kind), CONFIG, tree_of(kind))
    assert (found.strategy, found.why, found.trial) == (expected, trial.told(), trial)


def test_a_trial_compares_at_equal_clicks_with_the_variance_of_seeds_that_share_galaxies(known, monkeypatch):
    rng = np.random.default_rng(1)
    ends = rng.normal(5.0, 0.1, 8)
    curves = [(([100.0, 300.0], [9.0, end]), ([100.0, 200.0], [9.0, 6.0])) for end in ends]
    monkeypatch.setattr(automatic, "_played", lambda known, config, seed, precision: curves[seed])
    found = try_out(known(LEAST), CONFIG)
    gains = 6.0 - (9.0 + ends) / 2  # random choice ends at 200 clicks, where the other is half of its way
    assert found.gain == pytest.approx(gains.mean())
    half = stats.t.ppf(0.975, 7) * gains.std(ddof=1) * np.sqrt(1 / 8 + 1 / 2)
    assert (found.low, found.high) == pytest.approx((gains.mean() - half, gains.mean() + half))
    assert found.worth == pytest.approx(3.0 * (200 - 200 / 1.05) / 100)


def test_a_trial_learns_from_no_galaxy_that_judges_and_knows_no_order(known, monkeypatch):
    met: list[tuple[set[str], set[str]]] = []
    fitted, losses = automatic._fitted, automatic.losses_of
    world = known(LEAST)
    learnt: list[set[int]] = []
    priors: list[tuple[float, ...]] = []

    def watched_fit(known, rows, precisions):
        learnt.append(set(rows.tolist()))
        priors.append(tuple(precisions))
        return fitted(known, rows, precisions)

    def watched_loss(head, features, votes, *, draws):
        judges = {row for row in range(LEAST) for one in features if np.array_equal(one, world.features[row])}
        met.append((learnt[-1], judges))
        return losses(head, features, votes, draws=draws)

    monkeypatch.setattr(automatic, "_SEEDS", 2)
    monkeypatch.setattr(automatic, "_fitted", watched_fit)
    monkeypatch.setattr(automatic, "losses_of", watched_loss)
    found = try_out(world, CONFIG)
    assert len(met) == 2 * 2 * 4
    assert all(len(judges) == LEAST // 3 and not judges & rows for rows, judges in met)
    assert [len(rows) for rows in learnt] == [LEAST, *2 * [25, 37, 49, 61, 37, 49, 61]]
    # All galaxies choose one prior, and neither strategy has another.
    assert priors[0] == PRECISIONS
    assert len(set(priors[1:])) == 1
    assert len(priors[1]) == 1
    assert priors[1][0] in PRECISIONS
    monkeypatch.undo()
    monkeypatch.setattr(automatic, "_SEEDS", 2)
    order = np.random.default_rng(2).permutation(LEAST)
    shuffled = world._replace(ids=world.ids[order], features=world.features[order], votes=world.votes[order])
    again = try_out(shuffled, CONFIG)
    assert (again.gain, again.low, again.high) == pytest.approx((found.gain, found.low, found.high), abs=1e-4)


def test_of_very_many_galaxies_some_are_tried_whatever_their_order(known):
    many = known(200)
    few = many.at_most(150)
    assert (len(few.ids), len(few.features), len(few.votes)) == (150, 150, 150)
    order = np.random.default_rng(0).permutation(200)
    shuffled = many._replace(ids=many.ids[order], features=many.features[order], votes=many.votes[order])
    assert set(shuffled.at_most(150).ids) == set(few.ids)
    assert many.at_most(200) is many


def test_a_loop_writes_down_why_and_plays_it(learner, begun, held_out, config, said, tmp_path):
    config = replace(config, strategy="auto")
    loop = Loop(tmp_path / "loop", learner, begun, test=held_out, config=config)
    selection = loop.ask()
    assert f"a trial needs {LEAST} randomly drawn galaxies, not 12" in str(why_of(loop.rounds[0]))
    how = json.loads((loop.rounds[0].folder / "selection.csv.how.json").read_text())
    assert how["options"]["played"] == "random"
    blind = Loop(tmp_path / "random", learner, begun, config=replace(config, strategy="random")).ask()
    assert selection["id"].tolist() == blind["id"].tolist()
    loop.tell(said(selection["id"]))
    loop.ask()
    assert f"a trial needs {LEAST} randomly drawn galaxies, not 18" in str(
        why_of(loop.rounds[1])
    )  # what random choice acquired too
    chosen = Loop(tmp_path / "chosen", learner, begun, config=replace(config, strategy="mutual_information"))
    chosen.tell(said(chosen.ask()["id"]))
    assert why_of(chosen.rounds[0]) is None
    assert len(drawn_at_random(chosen.rounds[:1])) == 2  # the random arm alone


def test_what_cannot_be_tried_is_explained():
    with pytest.raises(AcquisitionError, match=r"there is no strategy 'autom'\. Did you mean 'auto'"):
        LoopConfig(strategy="autom")  # type: ignore[arg-type]
    with pytest.raises(AcquisitionError, match="there is no strategy 'auto'"):
        LoopConfig(candidate="auto")  # type: ignore[arg-type]
    with pytest.raises(AcquisitionError, match="a target was given and the strategy is 'entropy'"):
        LoopConfig(candidate="entropy", target="smooth_yes")


def test_auto_is_rehearsed_beside_what_it_stands_for(learner, answers, held_out, tmp_path):
    config = LoopConfig(n=6, random_share=0.2)
    options = {"test": held_out, "seeds": (0,), "start": 12, "rounds": 1, "config": config, "progress": None}
    found = rehearse(tmp_path, learner, answers.take(range(40)), strategies=("auto", "random"), **options)
    auto, random = (found[found["strategy"] == name].drop(columns="strategy") for name in ("auto", "random"))
    pd.testing.assert_frame_equal(auto.reset_index(drop=True), random.reset_index(drop=True))
