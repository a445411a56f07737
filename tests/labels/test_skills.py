"""Skills of a simulated crowd are found again, and votes weighted by them are what the formulas say."""

from __future__ import annotations

import numpy as np
import pytest

from zooactive.foundation.errors import CatalogueError
from zooactive.labels.classifications import Classification
from zooactive.labels.simulate.crowd import Crowd, members
from zooactive.labels.skills import weigh_votes
from zooactive.tree import DecisionTree, Question

RING = DecisionTree("ring", [Question("ring", ["yes", "no", "unsure"])])
A_THIRD_CARELESS = {"volunteers": 300, "skill": 2 / 3, "skill_spread": 0.95, "activity": 0.7}


def classified(tree, rho, crowd, votes, seed=0, *, anonymous=5):
    """What a crowd says; one in `anonymous` is not logged in."""
    ids = [f"g{row:04d}" for row in range(len(rho))]
    out = []
    for part in crowd.classify(rho, tree, ids=ids, volunteers=votes, seed=seed):
        for galaxy, who, chosen in zip(ids, part.who, part.chosen, strict=True):
            for person, columns in zip(who, chosen, strict=True):
                said = tuple(int(column) for column in columns if column >= 0)
                out.append(Classification(len(out), galaxy, f"v{person}", len(out), said, person % anonymous == 4))
    return out


@pytest.fixture(scope="module")
def rho():
    return np.random.default_rng(0).dirichlet(np.full(3, 0.7), 500)


def test_the_careless_are_told_from_those_who_look(rho):
    crowd = Crowd(seed=1, **A_THIRD_CARELESS)
    _, skills = weigh_votes(classified(RING, rho, crowd, 20), RING)
    true = members(crowd, RING)
    known = np.array([int(name[1:]) for name in skills.skill])
    assert len(known) > 200
    assert np.corrcoef(list(skills.skill.values()), true.skills[known])[0, 1] > 0.9
    assert skills.mean == pytest.approx(true.skills.mean(), abs=0.08)
    assert set(known % 5) == {0, 1, 2, 3}, "nobody who was not logged in is named"


def test_weighted_votes_are_nearer_to_the_galaxies_where_a_third_is_careless(rho):
    said = classified(RING, rho, Crowd(seed=1, **A_THIRD_CARELESS), 20)
    weighted, _ = weigh_votes(said, RING)
    raw = np.zeros((len(rho), 3))
    for one in said:
        raw[int(one.galaxy[1:]), one.columns[0]] += 1
    error = [
        np.sqrt(np.mean((counts / counts.sum(1, keepdims=True) - rho) ** 2))
        for counts in (raw, weighted[list(RING.columns)].to_numpy())
    ]
    assert error[1] < 0.9 * error[0]
    assert (weighted["volunteers"] == 20).all()


def test_the_iteration_is_the_one_that_is_written_here_again(rho):
    said = classified(RING, rho[:12], Crowd(volunteers=14, skill=0.7, skill_spread=0.6, activity=0.2, seed=2), 6)
    votes, skills = weigh_votes(said, RING)
    rows = [(int(one.galaxy[1:]), one.columns[0], -1 if one.anonymous else one.volunteer) for one in said]
    grid = [k / 20 for k in range(21)]
    people = list(dict.fromkeys(name for _, _, name in rows if name != -1))
    looked = [0.8] * len(rows)
    crowd = [1 / 21] * 21
    count = [1.0 + sum(answer == a for _, answer, _ in rows) for a in range(3)]
    lean = mean = [number / sum(count) for number in count]
    last = None
    for _ in range(100):
        pi = []
        for i, (galaxy, answer, _) in enumerate(rows):
            same = [j for j in range(len(rows)) if rows[j][0] == galaxy and j != i]
            over = sum(looked[j] for j in same if rows[j][1] == answer) + 3 * mean[answer]
            pi.append(over / (sum(looked[j] for j in same) + 3))
        posterior = {}
        for name in people:
            weight = list(crowd)
            for i, (_, answer, who) in enumerate(rows):
                if who == name:
                    weight = [w * (s * pi[i] + (1 - s) * lean[answer]) for w, s in zip(weight, grid, strict=True)]
            posterior[name] = [w / sum(weight) for w in weight]
        crowd = [sum(posterior[name][k] for name in people) / len(people) for k in range(21)]
        for i, (_, answer, who) in enumerate(rows):
            known = crowd if who == -1 else posterior[who]
            looked[i] = sum(p * s * pi[i] / (s * pi[i] + (1 - s) * lean[answer]) for p, s in zip(known, grid, strict=True))
        for what, part in (("lean", [1 - r for r in looked]), ("mean", looked)):
            count = [1.0 + sum(r for r, (_, answer, _) in zip(part, rows, strict=True) if answer == a) for a in range(3)]
            shares = [number / sum(count) for number in count]
            lean, mean = (shares, mean) if what == "lean" else (lean, shares)
        now = sum(p * s for p, s in zip(crowd, grid, strict=True))
        if last is not None and abs(now - last) < 1e-4:
            break
        last = now
    expected = {name: sum(p * s for p, s in zip(posterior[name], grid, strict=True)) for name in people}
    assert skills.skill == pytest.approx(expected, abs=1e-6)
    assert skills.mean == pytest.approx(now, abs=1e-6)
    for galaxy in range(12):
        for answer in range(3):
            sum_of_weights = sum(now if who == -1 else expected[who] for g, a, who in rows if (g, a) == (galaxy, answer))
            assert votes[RING.columns[answer]][galaxy] == pytest.approx(sum_of_weights, abs=1e-6)


def test_of_one_person_and_galaxy_the_first_counts_whatever_the_order():
    said = [Classification(i, f"g{i % 4}", f"v{i // 4}", i, (i % 2,)) for i in range(40)]
    votes, skills = weigh_votes(said, RING)
    again = [Classification(100 + i, f"g{i % 4}", f"v{i // 4}", 1000 + i, (2,)) for i in range(40)]
    columns = list(RING.columns)
    for order in ([*again, *reversed(said)], [*reversed(said), *again]):
        twice, same = weigh_votes(order, RING)
        assert same.skill == pytest.approx(skills.skill)
        assert np.allclose(twice.set_index("id").loc[votes["id"], columns], votes[columns])
    assert votes["volunteers"].tolist() == [10] * 4


def test_people_of_whom_nothing_is_known_count_as_the_crowd_does_and_each_is_one_more():
    said = [Classification(i, f"g{i % 4}", f"v{i // 4}", i, (i % 2,)) for i in range(40)]
    nobody = [Classification(50 + i, "g0", "", 50 + i, (0,), True) for i in range(3)]
    votes, skills = weigh_votes([*said, *nobody], RING)
    assert votes["volunteers"].tolist() == [13, 10, 10, 10]
    assert skills.weight("a stranger") == skills.mean
    without = sum(skills.skill[f"v{v}"] for v in range(10))
    assert votes[RING.columns[0]][0] == pytest.approx(without + 3 * skills.mean)


def test_without_answers_there_is_nothing_to_fit():
    with pytest.raises(CatalogueError, match="skills cannot be fitted, because there are no answers"):
        weigh_votes([], RING)
