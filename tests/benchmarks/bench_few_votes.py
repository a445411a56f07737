"""Where galaxies have few votes, does it help to learn fractions and concentrations apart, the concentrations more alike?

    python tests/benchmarks/bench_few_votes.py FOLDER [SEEDS [GALAXIES ...]]      default: 8 seeds; 400 and 1600 galaxies

The galaxies, features, seeds and votes of `bench_choices.py`. A head is learnt from galaxies with 5, 10 or 40 votes each, a
fifth of them judging the width of the prior. Today's head has an output for every answer, whose softplus is the answer's
concentration. The others have fractions (a softmax for every question) and the logarithm of each question's concentration,
whose weights have a prior that is so many times narrower: from 1 to "one", which is the same concentration for all galaxies.
"factors" is today's head with one factor for every question's concentrations, found by the judges.

Printed is by how much the negative log-likelihood of a galaxy that was not learnt from, judged by 5, 10 and 40 votes, is
higher than with today's head (nats; below 0 is better), with 95% intervals by the bootstrap over seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from bench_choices import DATA, sky_of
from numpy.typing import NDArray
from scipy import optimize

import zooactive as za
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop import draw_votes
from zooactive.models.head.bayesian import PRECISIONS, _Problem, _Rows, find_axes
from zooactive.posterior.loss import constant_concentrations
from zooactive.prediction import open_predictions
from zooactive.tree.likelihood import GivenVotes, log_rising

NARROWER: dict[str, float] = {"apart, 1": 1.0, "apart, 10": 10.0, "apart, 100": 100.0, "apart, one": np.inf}
JUDGED = (5, 10, 40)
JUDGES = 0.2

Rows = tuple[NDArray[np.float32], NDArray[np.float64]]
Predict = Callable[[NDArray[np.float32]], NDArray[np.float64]]


@dataclass(frozen=True)
class Apart:
    """The fit of weights (component + 1, answer + question): fractions' outputs, then concentrations' logarithms."""

    tree: za.DecisionTree
    narrower: float

    def start(self, votes: NDArray[np.float64], components: int) -> NDArray[np.float64]:
        """Return weights that predict the same for every galaxy."""
        alpha = constant_concentrations(votes, self.tree)
        bias = np.concatenate([np.log(self.tree.fractions(alpha)), np.log(self.tree.question_sums(alpha))])
        return np.vstack([np.zeros((components, len(bias))), bias])

    def alpha(self, x: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return concentrations, (galaxy, answer)."""
        outputs = x @ weights[:-1] + weights[-1]
        z, log_sum = np.split(outputs, [len(self.tree.columns)], axis=1)
        top = np.maximum.reduceat(z, self.tree.starts, axis=-1)[..., self.tree.question_index]
        mu = self.tree.fractions(np.exp(z - top))
        return np.asarray(np.exp(np.clip(log_sum, -4, 8))[:, self.tree.question_index] * np.maximum(mu, 1e-6))

    def fit(self, rows: Rows, precision: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the maximum a posteriori weights."""
        x, votes = rows
        given, answers = GivenVotes(votes, self.tree), len(self.tree.columns)
        one = np.isinf(self.narrower)
        prior = np.full(start.shape[1], precision)
        prior[answers:] *= 1 if one else self.narrower

        def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            weights = flat.reshape(start.shape)
            alpha = self.alpha(x, weights)
            rising, by_alpha = given.log_rising_and_slope(alpha)
            inward = by_alpha * alpha
            by_sum = self.tree.question_sums(inward)
            slope = np.hstack([inward - self.tree.fractions(alpha) * by_sum[:, self.tree.question_index], by_sum])
            penalty = 0.5 * float((prior * weights[:-1] ** 2).sum())
            gradient = np.vstack([prior * weights[:-1] - x.T @ slope, -slope.sum(0)])
            if one:
                gradient[:-1, answers:] = 0
            return (penalty - float(rising.sum())) / len(x), gradient.ravel() / len(x)

        found = optimize.minimize(
            loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-8, "gtol": 1e-6}
        )
        return np.asarray(found.x).reshape(start.shape)


def loss_of(alpha: NDArray[np.float64], votes: NDArray[np.float64], tree: za.DecisionTree) -> float:
    """Return the mean negative log-likelihood, without the number of ways to give the votes."""
    return -float(log_rising(votes, alpha, tree).sum(-1).mean())


def apart(train: Rows, judges: Rows, tree: za.DecisionTree, narrower: float) -> Predict:
    """Learn fractions and concentrations apart, the judges choosing the prior before they are learnt from too."""
    problem = Apart(tree, narrower)
    weights = problem.start(train[1], train[0].shape[1])
    found: dict[float, NDArray[np.float64]] = {}
    for precision in PRECISIONS:
        weights = found[precision] = problem.fit(train, precision, weights)
    best = min(found, key=lambda precision: loss_of(problem.alpha(judges[0], found[precision]), judges[1], tree))
    both = np.concatenate([train[0], judges[0]]), np.concatenate([train[1], judges[1]])
    last = problem.fit(both, best, found[best])
    return lambda x: problem.alpha(x, last)


def today(train: Rows, judges: Rows, tree: za.DecisionTree) -> tuple[Predict, Predict]:
    """Learn as the package does; with and without a factor for every question."""
    problem = _Problem(tree, "softplus")
    parts = [_Rows(x, votes, np.ones(len(x))) for x, votes in (train, judges)]
    weights, losses = problem.judged(parts[0], parts[1], PRECISIONS)
    best = min(losses, key=losses.__getitem__)
    alpha = problem._alpha(problem._outputs(judges[0], weights[best]))

    def worse(log_factor: float, question: int) -> float:
        scaled = alpha * np.where(tree.question_index == question, np.exp(log_factor), 1)
        return -float(log_rising(judges[1], scaled, tree)[:, question].sum())

    found = [optimize.minimize_scalar(worse, (-2, 2), (-2, 2), (q,), method="bounded").x for q in range(len(tree.questions))]
    factors = np.exp(found)[tree.question_index]
    whole = _Rows(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))
    last = problem.fit(whole, best, weights[best])
    return (
        lambda x: problem._alpha(problem._outputs(x, last)),
        lambda x: problem._alpha(problem._outputs(x, last)) * factors,
    )


def main(folder: Path, seeds: int, sizes: list[int]) -> None:
    """Learn with every number of votes and seed, and print what came out."""
    survey = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    ids, features = open_predictions(folder / "embeddings").embeddings_of(survey.ids)
    survey = survey.select(ids)
    x = find_axes([features]).of(features)
    rows = []
    for seed in range(seeds):
        test = uniform_from_ids(survey.ids, purpose="split", seed=seed) < 0.1
        judged = {n: draw_votes(survey.take(test), volunteers=n, seed=2 * seed + 1).require_votes().votes for n in JUDGED}
        for volunteers in JUDGED:
            sky = sky_of(survey, x, volunteers, seed)
            order = np.argsort(uniform_from_ids(sky.ids, purpose="sky", seed=seed))
            for size in sizes:
                known = order[:size]
                judging = uniform_from_ids(sky.ids[known], purpose="judges", seed=seed) < JUDGES
                train, judges = ((sky.x[known[part]], sky.votes[known[part]]) for part in (~judging, judging))
                heads = dict(zip(("today", "factors"), today(train, judges, sky.tree), strict=True))
                heads |= {name: apart(train, judges, sky.tree, narrower) for name, narrower in NARROWER.items()}
                for name, predict in heads.items():
                    alpha = predict(sky.test_x)
                    for n, votes in judged.items():
                        loss = loss_of(alpha, votes, sky.tree)
                        rows.append(
                            {"galaxies": size, "votes": volunteers, "way": name, "judged": n, "seed": seed, "loss": loss}
                        )
        pd.DataFrame(rows).to_csv(folder / "few_votes.csv", index=False)
        report(pd.DataFrame(rows))


def report(rows: pd.DataFrame) -> None:
    """Print each way against today's head."""
    wide = rows.pivot_table("loss", ["galaxies", "votes", "judged", "seed"], "way")
    against = wide.drop(columns="today").sub(wide["today"], axis=0)
    rng = np.random.default_rng(0)

    def words(differences: pd.Series) -> str:
        means = rng.choice(differences.to_numpy(), (4000, len(differences))).mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        return f"{differences.mean():+.3f} ({low:+.3f} to {high:+.3f})"

    table = against.groupby(level=["galaxies", "votes", "judged"]).agg(words)
    with pd.option_context("display.width", 220, "display.max_columns", 20):
        print(f"{rows['seed'].nunique()} seeds, nats a galaxy against today's head")
        print(table[["factors", *NARROWER]].to_string(), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int((sys.argv[2:] or ["8"])[0]), [int(n) for n in sys.argv[3:]] or [400, 1600])
