"""The choice of n galaxies: independence of order, the random arm, inclusion probabilities, refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from zooactive.acquisition import (
    acquire,
    epig,
    expected_clicks,
    information_by_question,
    mutual_information,
    one_vote_information,
    predictive_entropy,
)
from zooactive.acquisition.pool import Screening, VotedPool, artifact_share
from zooactive.acquisition.scorings import SCORINGS
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import gumbel_from_ids, hash_ids, uniform_from_ids
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

BINARY = DecisionTree("binary", [Question("smooth", ["yes", "no"])])


def pool_of(galaxies, *, draws=4, tree=BINARY, seed=0):
    alpha = np.random.default_rng(seed).uniform(0.5, 12, (draws, galaxies, len(tree.columns)))
    return Posterior(alpha, [f"g{i:05d}" for i in range(galaxies)], tree)


def chunked(posterior, size):
    return [posterior.select(posterior.ids[i : i + size]) for i in range(0, len(posterior), size)]


def as_bytes(selection):
    return selection.to_csv().encode()


def test_the_table_has_its_columns_and_ranks(tree):
    selection = acquire(pool_of(300, tree=tree), n=20)
    reasons = ["question", "question_share", "clicks"]
    assert list(selection.columns) == ["id", "score", "rank", "arm", "inclusion_probability", *reasons]
    assert selection.question_share.between(1 / len(tree.questions), 1).all()
    assert selection["rank"].tolist() == list(range(1, 21))
    assert selection.arm.tolist() == ["acquired"] * 18 + ["random"] * 2
    assert selection.id.is_unique
    assert (selection.score >= 0).all()
    assert selection.inclusion_probability.between(20 / 300 / 10, 1).all()


@pytest.mark.parametrize("score", ["mutual_information", "one_vote", "entropy", "variance", "random"])
def test_a_shuffled_pool_gives_the_same_selection(tree, score):
    posterior = pool_of(1500, tree=tree)
    selection = acquire(posterior, n=10, score=score, seed=3)
    shuffled = posterior.select(np.random.default_rng(1).permutation(posterior.ids))
    assert as_bytes(acquire(shuffled, n=10, score=score, seed=3)) == as_bytes(selection)
    assert as_bytes(acquire(chunked(shuffled, 37), n=10, score=score, seed=3)) == as_bytes(selection)
    assert as_bytes(acquire(posterior, n=10, score=score, seed=4)) != as_bytes(selection)


def test_ties_of_the_screening_do_not_make_the_order_matter():
    alpha = np.ones((2, 400, 2))  # draws that differ in spread alone: every screening score is 0, every real score is not
    alpha[1] = np.random.default_rng(0).uniform(5, 50, (400, 1))
    posterior = Posterior(alpha, [f"g{i}" for i in range(400)], BINARY)
    shuffled = posterior.select(posterior.ids[::-1])
    assert as_bytes(acquire(posterior, n=4)) == as_bytes(acquire(shuffled, n=4))


def test_the_choice_is_the_top_of_the_perturbed_scores():
    posterior = pool_of(100)
    selection = acquire(posterior, n=20, votes=7, seed=5, beta=2.5)
    u = uniform_from_ids(posterior.ids, purpose="random-arm", seed=5)
    random_arm = posterior.ids[np.argsort(u)[:2]].tolist()
    scores = mutual_information(posterior, 7, seed=5)
    perturbed = pd.Series(2.5 * np.log(scores) + gumbel_from_ids(posterior.ids, seed=5), posterior.ids).drop(random_arm)
    expected = perturbed.sort_values(ascending=False)
    assert selection.id.tolist() == [*expected.index[:18], *random_arm]
    by_id = pd.Series(scores, posterior.ids)
    assert selection.score.tolist() == by_id[selection.id.tolist()].tolist()
    q = 1 - np.exp(-np.exp(2.5 * np.log(by_id[expected.index[:18]]) - expected.iloc[18]))
    assert selection.inclusion_probability[:18].tolist() == pytest.approx((0.02 + 0.98 * q).tolist(), rel=1e-12)


def test_only_the_best_of_the_screening_are_chosen():
    posterior = pool_of(1000)
    screened = pd.Series(one_vote_information(posterior), posterior.ids)
    selection = acquire(posterior, n=2, beta=0, random_share=0.5, seed=1)
    random_arm = selection.id[selection.arm == "random"]
    shortlist = screened.drop(random_arm).nlargest(40).index
    acquired = {acquire(posterior, n=2, beta=0, random_share=0, seed=seed).id[0] for seed in range(60)}
    assert acquired <= set(screened.nlargest(40).index)
    assert len(acquired) > 20
    assert selection.id[0] in set(shortlist)
    r = 1 / 1000
    outside = acquire(posterior, n=2, random_share=1, seed=1)
    assert outside.inclusion_probability.tolist() == [2 * r] * 2


def test_half_a_percent_of_a_large_pool_is_on_the_shortlist():
    posterior = pool_of(9000)
    shortlist = set(pd.Series(predictive_entropy(posterior), posterior.ids).nlargest(45).index)
    found = {acquire(posterior, n=1, beta=0, score="entropy", seed=seed).id[0] for seed in range(60)}
    assert found <= shortlist
    assert len(found) > 21


def test_the_random_arm_comes_from_the_whole_pool_and_is_shared_by_all_scores():
    posterior = pool_of(200)
    u = uniform_from_ids(posterior.ids, purpose="random-arm", seed=2)
    expected = posterior.ids[np.argsort(u)[:5]].tolist()
    for score in ("mutual_information", "entropy", "random"):
        selection = acquire(posterior, n=10, random_share=0.5, score=score, seed=2)
        assert selection.id[selection.arm == "random"].tolist() == expected


def test_the_random_score_takes_the_smallest_hashes_with_equal_probability():
    posterior = pool_of(50)
    selection = acquire(posterior, n=10, score="random", seed=2)
    u = uniform_from_ids(posterior.ids, purpose="random-arm", seed=2)
    assert set(selection.id) == set(posterior.ids[np.argsort(u)[:10]])
    assert selection.inclusion_probability.tolist() == [0.2] * 10
    assert selection.arm.tolist() == ["acquired"] * 9 + ["random"]
    assert selection.score.isna().all()


@pytest.mark.parametrize(
    ("galaxies", "n", "share", "score", "beta", "seeds"),
    [(30, 8, 0.25, "entropy", 1.0, 200), (30, 8, 0.25, "mutual_information", 2.0, 200), (120, 4, 0.5, "entropy", 2.0, 400)],
)
def test_selections_weighted_by_inclusion_probability_stand_for_the_pool(galaxies, n, share, score, beta, seeds):
    posterior = pool_of(galaxies)
    weights = pd.DataFrame(0.0, index=range(seeds), columns=posterior.ids)
    for seed in range(seeds):
        selection = acquire(posterior, n, votes=5, seed=seed, score=score, random_share=share, beta=beta)
        weights.loc[seed, selection.id] = (1 / selection.inclusion_probability).to_numpy()
    error = weights.std() / np.sqrt(seeds)
    assert (np.abs(weights.mean() - 1) < 4 * error).all()
    total = weights.sum(axis=1)
    assert abs(total.mean() - galaxies) < 4 * total.std() / np.sqrt(seeds)


def test_galaxies_of_the_random_arm_are_chosen_uniformly():
    posterior = pool_of(20)
    seeds = 500
    counts = pd.Series(0, posterior.ids)
    for seed in range(seeds):
        selection = acquire(posterior, n=5, random_share=1, score="random", seed=seed)
        counts[selection.id] += 1
    assert (np.abs(counts / seeds - 0.25) < 4 * np.sqrt(0.25 * 0.75 / seeds)).all()


def test_excluded_galaxies_are_never_chosen_and_do_not_count_in_the_pool():
    posterior = pool_of(40)
    excluded = set(posterior.ids[:20])
    selection = acquire(posterior, n=20, random_share=0.2, exclude=excluded | {"elsewhere"})
    assert set(selection.id) == set(posterior.ids[20:])
    assert selection.inclusion_probability.tolist() == [1.0] * 20
    with pytest.raises(AcquisitionError, match=r"21 galaxies were asked for, but 20 are eligible \(20 of the pool are excl"):
        acquire(posterior, n=21, exclude=excluded)


def test_an_excluded_galaxy_changes_nothing_for_the_others():
    posterior = pool_of(60)
    without = posterior.select(posterior.ids[10:])
    assert as_bytes(acquire(posterior, n=6, exclude=posterior.ids[:10])) == as_bytes(acquire(without, n=6))


def test_a_score_that_is_not_positive_is_never_chosen():
    alpha = np.random.default_rng(0).uniform(0.5, 12, (3, 30, 2))
    alpha[:, 8:] = alpha[:1, 8:]  # identical draws: nothing to learn
    posterior = Posterior(alpha, [f"g{i:02d}" for i in range(30)], BINARY)
    for seed in range(20):
        selection = acquire(posterior, n=5, random_share=0, seed=seed)
        assert set(selection.id) <= set(posterior.ids[:8])
    with pytest.warns(UserWarning, match="8 galaxies were acquired instead of 10"):
        fewer = acquire(posterior, n=10, random_share=0)
    assert sorted(fewer.id) == posterior.ids[:8].tolist()
    assert fewer.inclusion_probability.tolist() == [1.0] * 8


def test_a_posterior_that_agrees_with_itself_is_refused_with_the_mend():
    with pytest.raises(AcquisitionError, match=r"draws all agree; predict with more draws"):
        acquire(pool_of(30, draws=1), n=5)
    assert len(acquire(pool_of(30, draws=1), n=5, score="entropy")) == 5


def test_a_pool_that_can_be_read_only_once_is_refused():
    with pytest.raises(AcquisitionError, match="read only once"):
        acquire(iter(chunked(pool_of(30), 10)), n=5)


def test_an_id_in_two_chunks_is_refused():
    posterior = pool_of(30)
    with pytest.raises(AcquisitionError, match="'g00003' occurs twice"):
        acquire([posterior, posterior.select(["g00003"])], n=5)


def test_chunks_of_different_models_are_refused(tree):
    with pytest.raises(AcquisitionError, match=r"'binary' with 4 draws, and tree 'small' with 4"):
        acquire([pool_of(30), pool_of(30, tree=tree)], n=5)
    with pytest.raises(AcquisitionError, match="chunks disagree"):
        acquire([pool_of(30), pool_of(30, draws=5)], n=5)


def test_a_pool_that_changes_between_its_readings_is_refused():
    class Shrinking:
        left = 30

        def __iter__(self):
            whole = pool_of(30)
            yield whole.select(whole.ids[: self.left])
            self.left = 1

    with pytest.raises(AcquisitionError, match="was in the pool the first time, but not the second"):
        acquire(Shrinking(), n=5)


def test_an_empty_pool_is_refused():
    with pytest.raises(AcquisitionError, match="holds no predictions"):
        acquire([], n=5)
    with pytest.raises(AcquisitionError, match="1 galaxies were asked for, but 0 are eligible"):
        acquire(pool_of(0), n=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n = 0"),
        ({"n": 2.5}, r"n = 2\.5"),
        ({"votes": 0}, "votes = 0"),
        ({"score": "entrpy"}, "Did you mean 'entropy'"),
        ({"exclude": "g00001"}, "collection of ids"),
        ({"random_share": 1.5}, r"random_share = 1\.5"),
        ({"beta": -1}, "beta = -1"),
        ({"beta": np.inf}, "beta = inf"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(AcquisitionError, match=message):
        acquire(pool_of(30), **({"n": 5} | arguments))


def test_importing_the_package_does_not_import_numba():
    code = "import sys, zooactive.acquisition; sys.exit('numba' in sys.modules or 'pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Options ----------------------------------------------------------------------------------------------------------------


def test_galaxies_that_look_like_artifacts_are_in_neither_arm(tree):
    posterior = pool_of(400, tree=tree)
    share = posterior.mean()[:, 2]
    selection = acquire(posterior, n=60, random_share=0.5, max_artifact=0.3)
    assert (pd.Series(share, posterior.ids)[selection.id] <= 0.3).all()
    assert selection.attrs["artifacts"] == (share > 0.3).sum()
    assert selection.attrs["eligible"] == (share <= 0.3).sum()
    with pytest.raises(AcquisitionError, match="no answer for artifacts"):
        acquire(pool_of(40), n=2, max_artifact=0.3)


def test_scores_may_be_asked_for_by_the_click(tree):
    posterior = pool_of(300, tree=tree)
    selection = acquire(posterior, n=30, per_clicks=1, votes=10)
    score = pd.Series(mutual_information(posterior, 10), posterior.ids)
    clicks = pd.Series(expected_clicks(posterior, 10), posterior.ids)
    assert selection.score.tolist() == pytest.approx((score / clicks)[selection.id].tolist(), rel=1e-12)
    assert selection.clicks.tolist() == pytest.approx(clicks[selection.id].tolist(), rel=1e-12)
    dear = acquire(posterior, n=30, votes=10)
    assert selection.clicks.mean() < dear.clicks.mean()


def test_a_target_scores_by_what_is_told_about_that_answer_of_the_pool(tree):
    posterior = pool_of(300, tree=tree)
    selection = acquire(posterior, n=30, target="bar_strong", votes=10, beta=8)
    sample = posterior.select(sorted(posterior.ids))
    expected = pd.Series(epig(posterior, sample, column="bar_strong", votes=10), posterior.ids)
    assert selection.score.tolist() == pytest.approx(expected[selection.id].tolist(), abs=1e-12)
    shuffled = posterior.select(np.random.default_rng(1).permutation(posterior.ids))
    assert as_bytes(acquire(chunked(shuffled, 77), n=30, target="bar_strong", votes=10, beta=8)) == as_bytes(selection)


def test_epig_without_a_target_scores_by_what_is_told_about_all_answers_of_a_hundred_galaxies(tree):
    posterior = pool_of(90, tree=tree)
    selection = acquire(posterior, n=20, score="epig", votes=10)
    sample = posterior.select(sorted(posterior.ids))
    expected = pd.Series(epig(posterior, sample, votes=10), posterior.ids)
    assert selection.score.tolist() == pytest.approx(expected[selection.id].tolist(), abs=1e-12)
    with_target = acquire(posterior, n=20, score="epig", target="bar_strong", votes=10)
    assert as_bytes(with_target) == as_bytes(acquire(posterior, n=20, target="bar_strong", votes=10))
    large = pool_of(400, tree=tree)
    hashes = hash_ids(large.ids, purpose="target", seed=0)
    hundred = large.select(sorted(large.ids[np.argsort(hashes)[:100]]))
    selection = acquire(large, n=10, score="epig", votes=5)
    expected = pd.Series(epig(large, hundred, votes=5), large.ids)
    assert selection.score.tolist() == pytest.approx(expected[selection.id].tolist(), abs=1e-12)


def test_each_galaxy_is_listed_with_the_question_that_tells_most(tree):
    posterior = pool_of(300, tree=tree)
    selection = acquire(posterior, n=30)
    shares = information_by_question(posterior.select(selection.id), 40)
    assert selection.question.tolist() == [tree.questions[q].name for q in shares.argmax(1)]


def test_the_selection_says_how_it_came_about():
    posterior = pool_of(3000)
    selection = acquire(posterior, n=10, exclude=posterior.ids[:100])
    screened = np.sort(one_vote_information(posterior.take(slice(100, None))))
    assert selection.attrs["eligible"] == 2900
    assert selection.attrs["excluded"] == 100
    assert selection.attrs["shortlist"] == 200
    assert screened[-202] <= selection.attrs["threshold"] <= screened[-200]


class Stored:
    """A pool whose screening scores are at hand, as stored predictions have them."""

    def __init__(self, posterior, pieces):
        self.posterior, self.pieces = posterior, pieces
        self.looked_at = 0

    def screenings(self, score, *, artifacts):
        for rows in np.array_split(np.arange(len(self.posterior)), self.pieces):
            part = self.posterior.take(rows)
            yield Screening(pa.array(part.ids), SCORINGS[score].screen(part), artifact_share(part) if artifacts else None)

    def posteriors(self, ids):
        found = self.posterior.select(sorted(ids))
        self.looked_at = max(self.looked_at, len(found))
        yield from (found.take([i]) for i in range(len(found)))


def test_a_pool_with_stored_scores_gives_the_same_selection_and_draws_the_shortlist_only(tree):
    posterior = pool_of(3000, tree=tree)
    pool = Stored(posterior, 13)
    options = {"n": 10, "max_artifact": 0.6, "exclude": posterior.ids[::7]}
    assert as_bytes(acquire(pool, **options)) == as_bytes(acquire(posterior, **options))
    assert pool.looked_at == 201


@pytest.mark.parametrize("score", ["mutual_information", "entropy", "random"])
def test_votes_that_came_in_are_taken_into_account_as_if_the_whole_pool_were_conditioned(tree, draw_votes, score):
    posterior = pool_of(400, tree=tree)
    votes = np.zeros((400, len(tree.columns)))
    some = np.arange(0, 400, 7)
    votes[some] = draw_votes(len(some))
    known = dict(zip(posterior.ids[some], votes[some], strict=True))
    expected = acquire(posterior.given_votes(votes), n=12, score=score, max_artifact=0.6)
    voted = VotedPool(chunked(posterior, 90), known | {"a stranger": votes[0]})
    assert as_bytes(acquire(voted, n=12, score=score, max_artifact=0.6)) == as_bytes(expected)
    assert as_bytes(acquire(VotedPool(posterior, {}), n=12)) == as_bytes(acquire(posterior, n=12))
    if score != "random":
        assert as_bytes(acquire(posterior, n=12, score=score, max_artifact=0.6)) != as_bytes(expected)


def test_a_selection_has_its_name_when_all_that_stands_beside_it_is_written(tmp_path, monkeypatch):
    from zooactive.acquisition import selection_files

    def killed(*_: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(selection_files, "write_how", killed)
    with pytest.raises(KeyboardInterrupt):
        selection_files.write_selection(pd.DataFrame({"id": ["g1"]}), tmp_path / "selection.csv", options={}, inputs={})
    assert not (tmp_path / "selection.csv").exists()
