"""How far is a score off that was estimated from T draws?

The relative standard deviation of the score over repeated sets of T draws, beside sqrt(2 / (T - 1)), which holds for small
scores in one dimension (the variance of a variance), with so many vote trees (20 T) that their own error hardly counts. One
question with two answers, whose draws scatter little, middling or much, and the DECaLS tree.
"""

from __future__ import annotations

import numpy as np

import zooactive as za
from zooactive.acquisition import mutual_information

REPEATS, VOTES = 400, 40
BINARY = za.DecisionTree("binary", [za.Question("smooth", ["yes", "no"])])


def spread(tree: za.DecisionTree, draws: int, scatter: float, repeats: int) -> tuple[float, float]:
    """Mean and relative standard deviation of the score of one galaxy over repeated sets of draws."""
    rng = np.random.default_rng(draws)
    centre = np.random.default_rng(7).normal(2, 1, len(tree.columns))
    z = centre + scatter * rng.normal(size=(draws, repeats, len(tree.columns)))
    posterior = za.Posterior(np.logaddexp(0, z) * 10, [f"{i}" for i in range(repeats)], tree)
    scores = mutual_information(posterior, VOTES, trees=20 * draws)
    return float(scores.mean()), float(scores.std() / scores.mean())


def main() -> None:
    """Print one line a number of draws."""
    cases = [("one question, 0.03", BINARY, 0.03), ("0.1", BINARY, 0.1), ("0.5", BINARY, 0.5)]
    cases += [("DECaLS tree, 0.1", za.load_tree("decals_dr5"), 0.1), ("0.5", za.load_tree("decals_dr5"), 0.5)]
    print("relative standard deviation (mean score in nats)")
    print("  T  sqrt(2/(T-1))  " + "  ".join(f"{name:>18}" for name, *_ in cases))
    for draws in (20, 50, 100, 200):
        found = [spread(tree, draws, scatter, REPEATS if tree is BINARY else REPEATS // 4) for _, tree, scatter in cases]
        row = "  ".join(f"{f'{sd:.0%} ({mean:.3f})':>18}" for mean, sd in found)
        print(f"{draws:3d}  {np.sqrt(2 / (draws - 1)):13.0%}  {row}")


if __name__ == "__main__":
    main()
