"""Do votes that are weighted by volunteers' skills tell more? A crowd with a third of careless people, and pace and memory.

Run: ``python tests/benchmarks/bench_skills.py``; it takes some minutes. The error is that of the fractions of the first
question, against the galaxies' own probabilities: the root of the mean square over galaxies and answers. Intervals are 95%,
by a bootstrap over crowds and galaxies.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zooactive.labels.classifications import Classification
from zooactive.labels.simulate.crowd import Crowd
from zooactive.labels.skills import weigh_votes
from zooactive.tree import DecisionTree, load_tree

CROWDS = 6
PEOPLE = {
    "a third careless": {"skill": 2 / 3, "skill_spread": 0.95},
    "all much alike": {"skill": 0.9, "skill_spread": 0.05},
}
"""Skills near 0 or 1, two thirds of the people near 1; and a crowd in which there is nothing to find."""


def classified(
    tree: DecisionTree, rho: NDArray[np.float64], crowd: Crowd, votes: int, seed: int
) -> Iterator[Classification]:
    """Yield what a crowd says; one person in five is not logged in."""
    ids, number = [f"g{row:06d}" for row in range(len(rho))], 0
    start = 0
    for part in crowd.classify(rho, tree, ids=ids, volunteers=votes, seed=seed):
        for row, (who, chosen) in enumerate(zip(part.who.tolist(), part.chosen.tolist(), strict=True)):
            for person, columns in zip(who, chosen, strict=True):
                number += 1
                said = tuple(column for column in columns if column >= 0)
                yield Classification(number, ids[start + row], f"v{person}", number, said, person % 5 == 4)
        start += len(part.who)


def errors(tree: DecisionTree, rho: NDArray[np.float64], crowd: Crowd, votes: int, seed: int) -> NDArray[np.float64]:
    """Return each galaxy's squared error with raw and with weighted votes, (2, galaxy), of the first question."""
    said = list(classified(tree, rho, crowd, votes, seed))
    weighted, _ = weigh_votes(said, tree)
    raw = np.zeros(rho.shape)
    for one in said:
        raw[int(one.galaxy[1:]), list(one.columns)] += 1
    where = tree.slices[0]
    out = []
    for counts in (raw, weighted[list(tree.columns)].to_numpy()):
        some = counts[:, where] + 1e-9
        out.append(((some / some.sum(1, keepdims=True) - rho[:, where]) ** 2).mean(1))
    return np.array(out)


def resampled(found: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the mean squared errors (2,) of a bootstrap sample of crowds and galaxies from (crowd, 2, galaxy)."""
    crowds, galaxies = rng.integers(found.shape[0], size=found.shape[0]), rng.integers(found.shape[2], size=found.shape[2])
    return np.asarray(found[crowds][:, :, galaxies].mean(axis=(0, 2)))


def main() -> None:
    """Print errors, and then pace and memory."""
    tree, galaxies = load_tree("decals_dr5"), 2000
    rng = np.random.default_rng(0)
    rho = np.concatenate([rng.dirichlet(np.full(len(q.answers), 0.7), galaxies) for q in tree.questions], axis=1)
    for name, people in PEOPLE.items():
        for votes in (5, 20):
            found = np.stack(
                [errors(tree, rho, Crowd(volunteers=800, seed=seed, **people), votes, seed) for seed in range(CROWDS)]
            )
            both = np.sqrt(np.stack([resampled(found, rng) for _ in range(2000)], axis=1))
            gain = both[1] / both[0]
            low, high = np.quantile(gain, [0.025, 0.975])
            bars = np.quantile(both, [0.025, 0.975], axis=1)
            said = [f"{np.sqrt(found[:, i].mean()):.4f} ({bars[0, i]:.4f} to {bars[1, i]:.4f})" for i in (0, 1)]
            print(f"{name}, {votes} votes: raw {said[0]}, weighted {said[1]}, ratio {low:.3f} to {high:.3f}", flush=True)
    whole = np.concatenate([rho] * 13)[:25_000]
    given = list(classified(tree, whole, Crowd(volunteers=5000, skill=2 / 3, skill_spread=0.95), 20, 9))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    weigh_votes(given, tree)
    seconds, more = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{len(given)} classifications: {seconds:.0f} s of one processor, {more / 1024:.0f} MB beyond the classifications")


if __name__ == "__main__":
    main()
