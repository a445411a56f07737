"""Information by brute force, along another route than the package: a Polya urn, vote by vote, in plain Python."""

from __future__ import annotations

import functools

import numpy as np
from scipy import special

from zooactive.tree import DecisionTree, Question

ROOT = Question("root", ["x", "y", "z"])
CHILD = Question("child", ["u", "v"], ["root_y"])
SMALL = DecisionTree("small", [ROOT, CHILD])
SMALL_ALPHA = np.array([[6, 3, 1, 2, 8], [2, 7, 1, 5, 1]], dtype=float)
"""The small case of which every number is published."""


def urn(alpha, votes):
    """Counts -> probability in each draw, by adding one vote after the other to Polya's urn."""
    counts = {(0,) * alpha.shape[1]: np.ones(len(alpha))}
    for vote in range(votes):
        grown = {}
        for k, p in counts.items():
            for a in range(len(k)):
                one_more = (*k[:a], k[a] + 1, *k[a + 1 :])
                chance = p * (alpha[:, a] + k[a]) / (alpha.sum(1) + vote)
                grown[one_more] = grown.get(one_more, 0) + chance
        counts = grown
    return counts


def vote_trees(tree, alpha, volunteers):
    """Every tree of votes, as column -> votes, and its probability under each draw, shape (tree, draw)."""
    trees = {(): np.ones(len(alpha))}
    for q in tree.order:
        question, grown = tree.questions[q], {}
        of_its_votes = functools.cache(functools.partial(urn, alpha[:, tree.slices[q]]))
        for known, p in trees.items():
            votes = dict(known)
            asked = sum(votes[column] for column in question.asked_after) if question.asked_after else volunteers
            for counts, chance in of_its_votes(asked).items():
                grown[known + tuple(zip(question.columns, counts, strict=True))] = p * chance
        trees = grown
    p = np.array(list(trees.values()))
    assert np.allclose(p.sum(0), 1)
    return [dict(known) for known in trees], p


def entropies(tree, alpha, volunteers, weights=None):
    """Entropy of the mixture of all vote trees, and the mean entropy given the draw."""
    weights = np.full(len(alpha), 1 / len(alpha)) if weights is None else weights
    _, p = vote_trees(tree, alpha, volunteers)
    mixture = p @ weights
    return -special.xlogy(mixture, mixture).sum(), -(special.xlogy(p, p) @ weights).sum()


def information(tree, alpha, volunteers, weights=None):
    mixture, conditional = entropies(tree, alpha, volunteers, weights)
    return mixture - conditional


def random_tree(rng, questions):
    """A tree whose later questions are roots, or asked after some answers of an earlier question."""
    made = [Question("q0", [f"a{i}" for i in range(rng.integers(2, 5))])]
    while len(made) < questions:
        parent = made[rng.integers(len(made))]
        leading = rng.permutation(parent.columns)[: rng.integers(0, len(parent.columns))]
        answers = [f"a{i}" for i in range(rng.integers(2, 5))]
        made.append(Question(f"q{len(made)}", answers, sorted(leading)))
    order = rng.permutation(questions)
    return DecisionTree("random", [made[i] for i in order])
