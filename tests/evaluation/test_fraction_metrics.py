"""What expected fractions are worth, reliability, galaxies agreed on and metrics in bins, beside what they must be."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.evaluation.fractions import (
    bin_names,
    confident_table,
    metrics_by_column,
    reliability,
    vote_fractions,
    worth_in_volunteers,
)
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

ALPHA = np.array([2.0, 3.0, 4.0])
ONE = DecisionTree("one", [Question("q", ["x", "y", "z"])])


def drawn(galaxies: int, volunteers: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True fractions from a Dirichlet, and votes."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(ALPHA, galaxies)
    return p, np.array([rng.multinomial(volunteers, row) for row in p])


def constant(galaxies: int) -> Posterior:
    return Posterior(np.tile(ALPHA, (1, galaxies, 1)), map(str, range(galaxies)), ONE)


@pytest.mark.parametrize("volunteers", [3, 30])
def test_a_constant_dirichlet_is_worth_as_many_volunteers_as_its_concentration(volunteers):
    # For p ~ Dirichlet(a): sum Var(p) = E[sum p (1 - p)] / a0, so that the mean fractions are as good as a0 volunteers.
    row = worth_in_volunteers(constant(20_000), drawn(20_000, volunteers)[1], resamples=200).iloc[0]
    assert row["volunteers"] == pytest.approx(9, rel=0.05)
    assert row["volunteers_low"] < 9 < row["volunteers_high"]
    spread = (ALPHA * (9 - ALPHA)).sum() / 9**2 / 10
    assert row["error"] == pytest.approx(np.sqrt(spread), rel=0.03)
    assert row["noise"] == pytest.approx(np.sqrt(9 * spread / volunteers), rel=0.03)


def test_fractions_that_others_gave_are_worth_as_many_people_as_gave_them():
    p, votes = drawn(20_000, 30)
    others = np.array([np.random.default_rng(i).multinomial(7, row) for i, row in enumerate(p)])
    posterior = Posterior(others[None] + 1e-6, map(str, range(len(p))), ONE)
    row = worth_in_volunteers(posterior, votes, resamples=100).iloc[0]
    assert row["volunteers"] == pytest.approx(7, rel=0.05)


def test_perfect_fractions_are_worth_more_than_can_be_told():
    p, votes = drawn(300, 30)
    posterior = Posterior(p[None] * 100 + 1e-9, map(str, range(300)), ONE)
    row = worth_in_volunteers(posterior, votes).iloc[0]
    assert row["volunteers_high"] == np.inf
    assert row["volunteers_low"] > 50


def test_galaxies_with_one_vote_or_none_are_worth_nothing(tree):
    votes = np.zeros((3, len(tree.columns)))
    votes[0, 0] = 1
    posterior = Posterior(np.ones((1, 3, len(tree.columns))), "abc", tree)
    table = worth_in_volunteers(posterior, votes)
    assert (table["galaxies"] == 0).all()
    assert table["volunteers"].isna().all()
    assert table["volunteers_low"].isna().all()


def test_only_galaxies_that_volunteers_agree_on_are_confident():
    votes = [[9, 1, 0], [8, 2, 0], [0, 10, 0], [4, 3, 3]]
    mean = np.array([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]])
    row = confident_table(Posterior(mean[None] * 10, "abcd", ONE), votes).iloc[0]
    assert row.to_dict() == {"question": "q", "galaxies": 4, "accuracy": 0.5, "confident": 2, "confident_accuracy": 0.5}


def test_the_observed_mean_follows_the_expected_in_every_bin():
    p, votes = drawn(20_000, 30)
    posterior = Posterior(p[None] * 50 + 1e-9, map(str, range(20_000)), ONE)
    table = reliability(posterior, votes, bins=5)
    assert table.groupby("answer")["galaxies"].sum().to_dict() == dict.fromkeys("xyz", 20_000)
    well = table[table["galaxies"] > 100]
    assert (np.abs(well["observed"] - well["expected"]) < 4 * well["error"]).all()
    biased = reliability(constant(20_000), votes[:, ::-1], bins=5)
    assert biased["expected"].tolist() == pytest.approx((ALPHA / 9).tolist())
    assert biased["observed"].tolist() == pytest.approx((ALPHA[::-1] / 9).tolist(), abs=0.01)


def test_bins_of_a_column_hold_every_galaxy_with_a_number_once():
    votes = drawn(400, 30)[1]
    redshift = np.linspace(0, 1, 400)
    redshift[::8] = np.nan
    found = metrics_by_column(constant(400), votes, {"redshift": redshift, "same": np.ones(400)}, bins=4)
    by = found.groupby("column")["galaxies"].sum()
    assert by.to_dict() == {"redshift": 350, "same": 400}
    four = found[found["column"] == "redshift"]
    assert four["galaxies"].between(87, 88).all()
    assert (four["from"].to_numpy()[1:] == four["to"].to_numpy()[:-1]).all()
    chosen = (redshift >= four["from"].iloc[0]) & (redshift <= four["to"].iloc[0])
    assert four["accuracy"].iloc[0] == pytest.approx((votes[chosen].argmax(1) == 2).mean())
    off = np.abs(ALPHA / 9 - votes[chosen] / 30).mean()
    assert four["deviation"].iloc[0] == pytest.approx(off)
    assert metrics_by_column(constant(400), votes, {}).empty
    assert bin_names(found)[-1] == "same 1 to 1"


def test_what_does_not_fit_is_refused():
    with pytest.raises(PosteriorError, match="column 'z' has the shape"):
        metrics_by_column(constant(3), np.ones((3, 3)), {"z": [1, 2]})
    for function in (reliability, lambda *given, bins: metrics_by_column(*given, {}, bins=bins)):
        with pytest.raises(PosteriorError, match="0 bins were asked for"):
            function(constant(3), np.ones((3, 3)), bins=0)


def test_fractions_of_questions_that_nobody_was_asked_are_not_numbers(tree):
    votes = np.zeros((1, len(tree.columns)))
    votes[0, :2] = [3, 1]
    fractions = vote_fractions(votes, tree)[0]
    assert fractions[:2].tolist() == [0.75, 0.25]
    asked = tree.question_sums(votes)[0][tree.question_index] > 0
    assert np.isnan(fractions[~asked]).all()
