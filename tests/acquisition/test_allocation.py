"""Allocation: the plan against brute force, and that it does not depend on order or chunks."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pandas as pd
import pytest

import zooactive as za
from zooactive.acquisition import Aim, AllocationConfig, catalogue_error, expected_clicks, value_of_votes
from zooactive.acquisition.allocation import plan as planning
from zooactive.acquisition.allocation.config import AllocationOptions
from zooactive.acquisition.allocation.look import CLICK, Look
from zooactive.acquisition.allocation.plan import settle
from zooactive.foundation.errors import AcquisitionError, PosteriorError, TreeError
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree, Question

TREE = DecisionTree("t", [Question("shape", ["smooth", "disk", "artifact"]), Question("bar", ["yes", "no"], ["shape_disk"])])


def pool(galaxies=60, draws=4, seed=0):
    rng = np.random.default_rng(seed)
    centre = np.exp(rng.normal(0.7, 1, (1, galaxies, 5)))
    alpha = centre * np.exp(rng.normal(0, 0.3, (draws, galaxies, 5)))
    return Posterior(alpha, [f"J{i}" for i in range(galaxies)], TREE)


def looked(points, values, cost):
    import pyarrow as pa

    galaxies = len(points)
    nothing = np.zeros(galaxies, dtype=bool)
    return Look(
        pa.array([f"g{i}" for i in range(galaxies)]),
        np.zeros(galaxies, np.int64),
        values.max(1),
        cost,
        nothing,
        nothing,
        np.zeros(galaxies, np.int32),
        points.astype(np.int32),
        values,
    )


# The optimum -----------------------------------------------------------------------------------------------------------


def best_by_brute_force(points, values, cost, clicks):
    """The best value of any plan: dynamic programming over whole clicks."""
    best = np.zeros(clicks + 1)
    for x, y, c in zip(points, values, cost, strict=True):
        best = np.max(
            [
                np.concatenate([np.full(min(m * c, clicks + 1), -np.inf), best[: max(clicks + 1 - m * c, 0)] + v])
                for m, v in zip(x, y, strict=True)
            ],
            axis=0,
        )
    return best.max()


def test_no_plan_is_better_by_more_than_the_price_of_the_clicks_left():
    rng = np.random.default_rng(8)
    for _ in range(50):
        galaxies, clicks = int(rng.integers(3, 12)), int(rng.integers(5, 120))
        points = np.tile([0, 1, 2, 4, 8], (galaxies, 1))
        values = np.cumsum(rng.gamma(0.5, 1, (galaxies, 5)), axis=1)  # rising and falling gains
        values[:, 0] = 0
        cost = rng.integers(1, 7, galaxies)
        plan = settle(looked(points, values, cost), rng.integers(0, 2**63, galaxies).astype(np.uint64), clicks=clicks)
        assert plan.spent == (plan.more * cost).sum() <= clicks
        best = best_by_brute_force(points, values, cost, clicks)
        bound = plan.price / CLICK * (clicks - plan.spent)
        assert best - bound - 1e-9 <= plan.value.sum() <= best + 1e-9


def test_a_rise_after_a_plain_is_climbed_in_one_step():
    points, cost = np.array([[0, 1, 2, 4], [0, 1, 2, 4]]), np.array([1, 1])
    values = np.array([[0, 0, 0, 4.0], [0, 0.5, 0.6, 0.7]])
    plan = settle(looked(points, values, cost), np.array([1, 2], np.uint64), clicks=5)
    assert plan.more.tolist() == [4, 1]


def test_ties_are_taken_by_hash_until_the_next_would_overspend():
    points, cost = np.tile([0, 2], (6, 1)), np.full(6, 3)
    values = np.tile([0, 1.5], (6, 1))
    hashes = np.array([50, 10, 60, 20, 40, 30], np.uint64)
    plan = settle(looked(points, values, cost), hashes, clicks=20)
    assert plan.more.tolist() == [0, 2, 0, 2, 0, 2]
    assert plan.price == pytest.approx(0.25 * CLICK)


# What users see --------------------------------------------------------------------------------------------------------


def test_the_plan_does_not_depend_on_order_or_chunks():
    galaxies = pool()
    twins = Posterior(
        np.concatenate([galaxies.concentrations, galaxies.concentrations[:, :20]], axis=1),
        [*galaxies.ids, *(f"twin{i}" for i in range(20))],
        TREE,
    )
    plan = za.allocate(twins, clicks=150, seed=4)
    order = np.random.default_rng(1).permutation(80)
    shuffled = za.allocate([twins.take(order[:7]), twins.take(order[7:50]), twins.take(order[50:])], clicks=150, seed=4)
    back = shuffled.set_index("id").loc[list(plan.id)].reset_index()
    pd.testing.assert_frame_equal(back, plan, check_exact=True, check_dtype=False)
    assert 0 < plan.more.gt(0).sum() < 80
    assert plan.attrs["spent"] <= 150


def test_hulls_are_made_some_at_a_time(monkeypatch):
    whole = za.allocate(pool(), clicks=150)
    monkeypatch.setattr(planning, "_BLOCK", 7)
    pd.testing.assert_frame_equal(za.allocate(pool(), clicks=150), whole, check_exact=True)


def test_the_table_says_what_it_costs_and_brings():
    galaxies = pool()
    plan = za.allocate(galaxies, clicks=200)
    assert list(plan.columns) == [
        "id",
        "received",
        "more",
        "stop_at",
        "value",
        "clicks",
        "missing",
        "retire",
        "reason",
        "why",
    ]
    np.testing.assert_allclose(plan.clicks, plan.more * expected_clicks(galaxies, 1), atol=1e-4)
    np.testing.assert_allclose(plan.missing, catalogue_error(galaxies))
    np.testing.assert_allclose(plan.value, value_of_votes(galaxies, plan.more, trees=64), rtol=1e-9)
    assert plan.attrs["spent"] == pytest.approx(plan.clicks.sum())
    assert set(plan.why) <= {"more votes", "other galaxies come first"}
    assert not plan.retire.any()


def test_clicks_go_where_they_bring_most_rather_than_everywhere():
    galaxies = pool(200)
    plan = za.allocate(galaxies, clicks=600, trees=64)
    spent = plan.attrs["spent"]
    shown = np.zeros(200, dtype=int)
    for votes in range(1, 41):  # as many to all as the same clicks pay
        if expected_clicks(galaxies, votes).sum() > spent:
            break
        shown[:] = votes
    assert plan.value.sum() > 1.1 * value_of_votes(galaxies, shown, trees=64).sum()


def test_votes_received_count_by_id_and_by_row():
    galaxies = pool()
    votes = np.zeros((60, 5))
    votes[3], votes[7] = [20, 10, 0, 2, 8], [1, 1, 0, 1, 0]
    by_row = za.allocate(galaxies, clicks=200, received=votes)
    by_id = za.allocate(
        [galaxies.take(slice(0, 30)), galaxies.take(slice(30, 60))],
        clicks=200,
        received={"J3": votes[3], "J7": votes[7], "elsewhere": votes[7]},
    )
    pd.testing.assert_frame_equal(by_row, by_id, check_exact=True)
    assert by_row.received[[3, 7, 8]].tolist() == [30, 2, 0]
    assert by_row.missing[3] == pytest.approx(catalogue_error(galaxies.given_votes(votes))[3])
    assert (by_row.stop_at == by_row.received + by_row.more).all()


def test_floor_and_ceiling_include_votes_received():
    galaxies, votes = pool(), np.zeros((60, 5))
    votes[0], votes[1] = [4, 2, 0, 1, 1], [1, 1, 0, 1, 0]
    plan = za.allocate(galaxies, clicks=10_000, received=votes, floor=3, ceiling=5)
    assert plan.stop_at[0] == 6
    assert plan.stop_at[1:].between(3, 5).all()
    assert plan.reason[0] == "classification_count"
    with pytest.raises(AcquisitionError, match=r"a floor of 3 volunteers per galaxy takes \d+ clicks, but there are 10"):
        za.allocate(galaxies, clicks=10, floor=3)


def test_retirement_has_panoptes_reasons():
    galaxies = pool()
    alpha = galaxies.concentrations.copy()
    alpha[:, 5, :3] = [0.5, 0.5, 9]
    galaxies = Posterior(alpha, galaxies.ids, TREE)
    votes = np.zeros((60, 5))
    votes[2], votes[4] = [38, 2, 0, 1, 1], [200, 0, 0, 0, 0]
    plan = za.allocate(
        galaxies,
        price=0.004,
        received=votes,
        ceiling=40,
        done=float(catalogue_error(galaxies.given_votes(votes))[4]),
        max_artifact=0.5,
    )
    assert plan.reason[5] == "flagged"
    assert plan.reason[4] == "consensus"
    assert plan.reason[2] == "classification_count"
    rest = plan.drop([2, 4, 5])
    assert set(rest.reason[rest.more == 0]) <= {"other", "consensus", "flagged"}
    assert "other" in set(rest.reason)
    assert (rest.reason[rest.more > 0] == "").all()
    assert (plan.retire == (plan.reason != "")).all()


def test_a_price_takes_what_is_worth_more_than_it():
    galaxies = pool()
    by_clicks = za.allocate(galaxies, clicks=200)
    by_price = za.allocate(galaxies, price=by_clicks.attrs["price"] * 0.999999)
    assert (by_price.more >= by_clicks.more).all()
    assert by_price.attrs["spent"] >= by_clicks.attrs["spent"]
    assert za.allocate(galaxies, price=1e9).more.sum() == 0


def test_a_share_of_the_clicks_goes_to_another_goal_first():
    galaxies = pool()
    mixed = za.allocate(galaxies, clicks=200, weights={"bar": 1}, least={"model": 0.3})
    for_model = za.allocate(galaxies, clicks=60, goal="model")
    assert (mixed.more >= for_model.more).all()
    assert mixed.attrs["spent"] <= 200
    alone = za.allocate(galaxies, clicks=200, weights={"bar": 1})
    assert mixed.value.sum() < alone.value.sum()


def test_what_counts_moves_clicks():
    galaxies = pool()
    bar = za.allocate(galaxies, clicks=200, weights={"bar": 1})
    shape = za.allocate(galaxies, clicks=200, weights={"shape": 1})
    asked = galaxies.asked()[:, 1]
    assert (bar.more * asked).sum() / bar.more.sum() > (shape.more * asked).sum() / shape.more.sum()


def test_votes_that_a_recipe_wants_belong_to_the_goal_that_counts_them():
    with pytest.raises(AcquisitionError, match="wanted = 7 belongs to the goal 'count'"):
        AllocationConfig(wanted=7)
    first, last = AllocationConfig(wanted=7, least={"count": 0.2}).aims()
    assert (first[0].goal, first[0].wanted, last[0].goal, last[0].wanted) == ("count", 7, "error", 20)


def test_where_one_question_counts_its_answers_alone_can_be_the_clicks():
    posterior = pool()
    asked = posterior.asked()[:, 1]
    all_answers = za.allocate(posterior, clicks=200, weights={"bar": 1}, ceiling=10)
    own = za.allocate(posterior, clicks=60, weights={"bar": 1}, counted=["bar"], ceiling=10)
    rows = {name: row for row, name in enumerate(posterior.ids)}
    for plan, cost in ((all_answers, 1 + asked), (own, asked)):
        expected = plan["more"] * cost[[rows[name] for name in plan["id"]]]
        assert plan["clicks"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-5)
    # By the answer, galaxies of which few are asked about bars are as good a choice as others; by the click they are not.
    often = {name: asked[row] for name, row in rows.items()}
    chosen = [np.mean([often[name] for name in plan["id"][plan["more"] > 0]]) for plan in (all_answers, own)]
    assert chosen[1] < chosen[0]
    with pytest.raises(TreeError, match="no question 'bars'"):
        za.allocate(posterior, clicks=9, counted=["bars"])


def test_options_are_said_once():
    assert set(AllocationOptions.__annotations__) == {entry.name for entry in dataclasses.fields(AllocationConfig)}
    hints, own = typing.get_type_hints(AllocationOptions), typing.get_type_hints(AllocationConfig)
    assert hints == {name: own[name] for name in hints}
    config = AllocationConfig(weights={"bar": 1.0}, ceiling=9)
    plan = za.allocate(pool(5), clicks=100, config=config, ceiling=3)
    assert plan.stop_at.max() == 3
    assert isinstance(config, Aim)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either the clicks"),
        ({"clicks": 5, "price": 1}, "give either the clicks"),
        ({"clicks": -1}, "clicks = -1"),
        ({"clicks": float("inf")}, "clicks = inf"),
        ({"clicks": 5, "floor": 50}, "floor = 50 is above ceiling = 40"),
        ({"clicks": 5, "ceiling": 2.5}, "ceiling = 2.5"),
        ({"clicks": 5, "done": -0.1}, "done = -0.1"),
        ({"clicks": 5, "max_artifact": 2}, "max_artifact = 2"),
        ({"clicks": 5, "least": {"eror": 0.1}}, "least: there is no goal 'eror'.*Did you mean 'error'"),
        ({"clicks": 5, "least": {"error": 0.1}}, "other goals than 'error'"),
        ({"clicks": 5, "least": {"model": 0.7, "count": 0.6}}, "sum to 1.29"),
        ({"clicks": 5, "goal": "errr"}, "there is no goal 'errr'"),
        ({"clicks": 5, "trees": 0}, "at least one vote tree"),
    ],
)
def test_impossible_options_are_refused(options, said):
    with pytest.raises(AcquisitionError, match=said):
        za.allocate(pool(3), **options)


def test_impossible_galaxies_are_refused():
    galaxies = pool(4)
    with pytest.raises(AcquisitionError, match="'J0' occurs twice"):
        za.allocate([galaxies, galaxies.take([0])], clicks=5)
    with pytest.raises(AcquisitionError, match="there are no galaxies to spend clicks on"):
        za.allocate([], clicks=5)
    with pytest.raises(AcquisitionError, match="can be read only once"):
        za.allocate(iter([galaxies]), clicks=5)
    with pytest.raises(AcquisitionError, match="as a mapping by id"):
        za.allocate([galaxies], clicks=5, received=np.zeros((4, 5)))
    with pytest.raises(PosteriorError, match="not negative"):
        za.allocate(galaxies, clicks=5, received=np.full((4, 5), -1))
    with pytest.raises(TreeError, match="no question 'bra'"):
        za.allocate(galaxies, clicks=5, weights={"bra": 1})
    other = Posterior(np.ones((4, 2, 2)), ["a", "b"], DecisionTree("other", [Question("q", ["x", "y"])]))
    with pytest.raises(AcquisitionError, match="trees 't' and 'other'"):
        za.allocate([galaxies, other], clicks=5)
