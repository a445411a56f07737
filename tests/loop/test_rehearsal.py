"""Strategies side by side, and what is concluded from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from zooactive.foundation.errors import AcquisitionError, CatalogueError
from zooactive.loop import LoopConfig, draw_votes, label_efficiency, learning_curves, rehearse


def rounds_of(strategies: dict[str, list[list[float]]], costs=(100, 200, 300, 400)) -> pd.DataFrame:
    """Rounds of a rehearsal: for each strategy and seed the likelihood of each round."""
    rows = [
        {"strategy": name, "seed": seed, "round": number, "labelled": cost, "clicks": 40 * cost, "test_likelihood": value}
        for name, seeds in strategies.items()
        for seed, values in enumerate(seeds)
        for number, (cost, value) in enumerate(zip(costs, values, strict=True))
    ]
    return pd.DataFrame(rows)


def test_a_rehearsal_that_was_stopped_goes_on_to_the_same_table(learner, answers, held_out, tmp_path):
    options = {
        "test": held_out,
        "strategies": ("entropy", "random"),
        "seeds": (0, 1),
        "start": 12,
        "rounds": 2,
        "config": LoopConfig(n=6, random_share=0.2),
    }
    pool = answers.take(range(40))
    whole = rehearse(tmp_path / "a", learner, pool, **options)
    assert whole["labelled"].tolist() == [12, 18, 24] * 4
    assert whole.groupby("seed")["test_likelihood"].first().nunique() == 2
    first = whole[whole["round"] == 0].groupby("seed")["test_likelihood"].nunique()
    assert first.tolist() == [1, 1]  # both strategies start from the same galaxies

    def stop(strategy: str, seed: int, number: int) -> None:
        if (strategy, seed, number) == ("random", 0, 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse(tmp_path / "b", learner, pool, **options, progress=stop)
    pd.testing.assert_frame_equal(rehearse(tmp_path / "b", learner, pool, **options), whole)
    stored = pd.read_csv(tmp_path / "b" / "rounds.csv")
    assert stored["test_likelihood"].tolist() == pytest.approx(whole["test_likelihood"].tolist())


def test_too_few_galaxies_for_the_rounds_are_told(learner, answers, held_out, tmp_path):
    with pytest.raises(AcquisitionError, match="20 galaxies at the start and 4 rounds of 6 need more than the 40 labelled"):
        rehearse(tmp_path, learner, answers.take(range(40)), test=held_out, start=20, rounds=4, config=LoopConfig(n=6))


def test_a_strategy_that_is_twice_as_fast_needs_half():
    table = rounds_of({"random": [[10, 9, 8, 7]] * 2, "fast": [[10, 7, 6, 5]] * 2})
    (row,) = label_efficiency(table, resamples=20).to_dict("records")
    assert row == pytest.approx({"strategy": "fast", "ratio": 200 / 400, "low": 0.5, "high": 0.5})
    accurate = table.assign(test_likelihood=-table["test_likelihood"])
    assert label_efficiency(accurate, larger_is_better=True, resamples=20)["ratio"].tolist() == [0.5]
    assert label_efficiency(table, cost="clicks", resamples=20)["ratio"].tolist() == [0.5]


def test_between_rounds_the_cost_lies_on_a_straight_line():
    table = rounds_of({"random": [[10, 9, 8, 7]], "fast": [[10, 8, 6, 5]]})
    assert label_efficiency(table, resamples=20)["ratio"].tolist() == pytest.approx([250 / 400])


def test_a_strategy_that_never_gets_so_far_is_judged_the_other_way_round():
    table = rounds_of({"random": [[10, 7, 6, 5]], "slow": [[10, 9, 8, 7]]})
    assert label_efficiency(table, resamples=20)["ratio"].tolist() == pytest.approx([400 / 200])
    swapped = label_efficiency(table, against="slow", resamples=20)
    assert swapped["ratio"].tolist() == pytest.approx([200 / 400])


def test_a_curve_that_falls_back_is_smoothed_and_not_taken_at_its_luckiest():
    # The second round's 6 is luck: with the 8 after it, isotonic regression has 7 for both.
    table = rounds_of({"random": [[10, 9, 8, 7]], "lucky": [[10, 6, 8, 7]]})
    assert label_efficiency(table, resamples=20)["ratio"].tolist() == pytest.approx([200 / 400])
    table = rounds_of({"random": [[10, 9, 8, 6.5]], "lucky": [[10, 6, 8, 6.5]]})
    assert label_efficiency(table, resamples=20)["ratio"].tolist() == pytest.approx([1.0])


def test_equal_curves_need_the_same_even_if_their_last_rounds_bring_nothing():
    flat = [10, 8, 8, 8]  # both have reached their final result after half of what they have cost
    table = rounds_of({"random": [flat] * 2, "same": [flat] * 2})
    (row,) = label_efficiency(table, resamples=20).to_dict("records")
    assert (row["ratio"], row["low"], row["high"]) == (1.0, 1.0, 1.0)
    noisy = rounds_of({"random": [[10, 7, 9, 8], [9, 8, 6, 8]], "same": [[10, 7, 9, 8], [9, 8, 6, 8]]})
    assert label_efficiency(noisy, resamples=20)["ratio"].tolist() == [1.0]
    slower = rounds_of({"random": [flat], "slower": [[10, 9, 8.5, 8.5]]})
    assert label_efficiency(slower, resamples=20)["ratio"].tolist() == pytest.approx([300 / 175])


def test_a_start_without_cost_has_a_ratio_and_an_interval_all_the_same():
    free = (0, 100, 200, 300)
    only_worse = [10, 11, 11, 11]
    table = rounds_of({"random": [only_worse] * 2, "same": [only_worse] * 2, "learns": [[11, 10.5, 10.2, 10]] * 2}, free)
    same, learns = label_efficiency(table, resamples=20).to_dict("records")
    assert (same["ratio"], same["low"], same["high"]) == (1.0, 1.0, 1.0)
    assert (learns["ratio"], learns["low"], learns["high"]) == (np.inf, np.inf, np.inf)


def test_the_interval_comes_from_the_seeds():
    # Of two seeds one is twice as fast and one as fast; a bootstrap draws (1, 1) and (2, 2) with probability 1/4 each.
    table = rounds_of({"random": [[10, 9, 8, 7]] * 2, "mixed": [[10, 7, 6, 5], [10, 9, 8, 7]]})
    (row,) = label_efficiency(table).to_dict("records")
    assert (row["low"], row["high"]) == pytest.approx((0.5, 1.0))
    assert row["ratio"] == pytest.approx(300 / 400)  # their mean is at 10, 8, 7, 6


def test_the_interval_is_that_of_every_resample_by_itself():
    rng = np.random.default_rng(4)
    costs = 100 + np.cumsum(rng.integers(20, 80, (4, 4)), axis=1)
    played = {
        name: [
            rounds_of({name: [(12 - speed * np.arange(4) + rng.normal(size=4)).tolist()]}, costs[seed]) for seed in range(4)
        ]
        for name, speed in (("random", 1.0), ("fast", 1.6), ("slow", 0.7))
    }

    def ratios(sample) -> list[float]:
        seeds = [seed.assign(seed=new) for one in played.values() for new, seed in enumerate(one[old] for old in sample)]
        return label_efficiency(pd.concat(seeds), resamples=1)["ratio"].tolist()

    found = label_efficiency(
        pd.concat([table.assign(seed=seed) for one in played.values() for seed, table in enumerate(one)]),
        resamples=24,
        seed=9,
    )
    alone = [ratios(sample) for sample in np.random.default_rng(9).integers(0, 4, (24, 4))]
    assert found["ratio"].tolist() == ratios(range(4))
    np.testing.assert_allclose(found[["low", "high"]], np.percentile(alone, [2.5, 97.5], axis=0).T, rtol=1e-12)


def test_an_unfinished_rehearsal_and_a_missing_strategy_are_told():
    table = rounds_of({"random": [[10, 9, 8, 7]] * 2, "fast": [[10, 7, 6, 5]] * 2})
    with pytest.raises(CatalogueError, match="not played with the same seeds and rounds"):
        label_efficiency(table.iloc[:-1].query("not (strategy == 'fast' and seed == 1)"))
    with pytest.raises(CatalogueError, match="has no strategy 'luck' to compare with; it has random, fast"):
        label_efficiency(table, against="luck")


def test_learning_curves_are_means_with_students_intervals():
    values = np.array([[10, 9, 8, 7], [11, 8, 8, 6], [9, 9, 7, 7]], dtype=float)
    curves = learning_curves(rounds_of({"random": values.tolist()}))
    half = stats.t.ppf(0.975, 2) * values.std(0, ddof=1) / np.sqrt(3)
    assert curves["test_likelihood"].tolist() == pytest.approx(values.mean(0).tolist())
    assert curves["low"].tolist() == pytest.approx((values.mean(0) - half).tolist())
    assert curves["labelled"].tolist() == [100, 200, 300, 400]
    assert learning_curves(rounds_of({"random": values[:1].tolist()}))["low"].isna().all()


def test_drawn_votes_are_whole_walk_down_the_tree_and_follow_the_recorded_fractions(answers, tree):
    recorded = replace(answers, votes=answers.votes * 0.37)  # pseudo-counts
    drawn = draw_votes(recorded, volunteers=4000, seed=3)
    votes = drawn.votes
    assert (votes == np.round(votes)).all()
    totals = tree.question_sums(votes)
    assert (totals[:, 0] == 4000).all()
    for q, question in enumerate(tree.questions):
        some = recorded.votes[:, tree.slices[q]].sum(1) > 0
        if question.asked_after:
            assert (totals[some, q] == votes[some][:, tree.leads_to[q]].sum(1)).all()
        counted = some & (totals[:, q] > 50)
        fractions = recorded.votes[counted, tree.slices[q]] / recorded.votes[counted, tree.slices[q]].sum(1, keepdims=True)
        error = np.sqrt(np.maximum(fractions * (1 - fractions), 1e-9) / totals[counted, q, None])
        found = votes[counted, tree.slices[q]] / totals[counted, q, None]
        assert (np.abs(found - fractions) < 5 * error + 1e-9).all()
    again = draw_votes(recorded.take(np.random.default_rng(0).permutation(len(answers))), volunteers=4000, seed=3)
    assert np.array_equal(again.select(drawn.ids).votes, votes)
    assert not np.array_equal(draw_votes(recorded, volunteers=4000, seed=4).votes, votes)


def test_labels_are_given_back_as_they_are_and_a_catalogue_without_votes_is_refused(answers):
    labels = replace(answers, tree=replace(answers.tree, votes="class"))
    assert draw_votes(labels) is labels
    with pytest.raises(CatalogueError, match="has no votes to draw from"):
        draw_votes(answers.without_votes())
