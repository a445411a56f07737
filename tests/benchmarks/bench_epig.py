"""How long does EPIG take for a pool of 100,000 toward 2,000 galaxies, and how far can one trust its order?

    python tests/benchmarks/bench_epig.py [GALAXIES]

DECaLS tree, all answers of the target, 5 volunteers, one vote tree a draw. The pool comes in parts of 2,000 galaxies, whose
posteriors are made up. Printed for 64 and for 256 draws: seconds for the pool to second order, most memory beside one part,
and how much longer the exact estimate takes, on 200 galaxies. Then, on these and 100 targets, Spearman's correlation between
two seeds for the exact estimate, for that to second order, and for the difference of two entropies, which has the same mean.
Aim: minutes, and memory that does not grow with the pool.
"""

from __future__ import annotations

import resource
import sys
import time
from functools import partial

import numpy as np
from bench_tree_information import make_posterior
from numpy.typing import NDArray
from scipy import special, stats

import zooactive as za
from zooactive.acquisition import epig
from zooactive.acquisition.compiled.tree_layout import lay_out
from zooactive.acquisition.compiled.vote_trees import tree_logits
from zooactive.foundation.hashing import hash_ids

VOTES, TARGETS, PART, FEW = 5, 2000, 2000, 200


def by_entropies(pool: za.Posterior, target: za.Posterior, seed: int) -> NDArray[np.float64]:
    """The entropy of what is expected of the targets, less its mean once a galaxy's votes are known."""
    tree = target.tree
    fractions = tree.fractions(target.concentrations.astype(float))
    outcomes = np.concatenate([tree.joint(fractions), 1 - tree.asked(fractions)], axis=-1).reshape(target.draws, -1)
    seeds, volunteers = hash_ids(pool.ids, purpose="trees", seed=seed), np.full(len(pool), VOTES)
    alpha, weights, none = pool.concentrations.copy(), pool.weights.copy(), np.empty(0, np.int64)
    logits = tree_logits(alpha, weights, volunteers, seeds, pool.draws, lay_out(tree), none)
    after = special.softmax(logits.astype(float), axis=-1)
    left = [special.entr(w @ outcomes).sum(-1).mean() for w in after]
    return (special.entr(outcomes.mean(0)).sum() - np.array(left)) / len(target)


def main(galaxies: int) -> None:
    """Time both, and compare seeds."""
    for draws in (64, 256):
        part = make_posterior(PART + TARGETS, draws)
        target, part = part.take(slice(0, TARGETS)), part.take(slice(TARGETS, None))
        epig(part.take(slice(0, 10)), target, votes=VOTES)
        before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
        for _ in range(0, galaxies, PART):
            epig(part, target, votes=VOTES, exact=False)
        seconds = time.monotonic() - began
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
        began = time.monotonic()
        epig(part.take(slice(0, FEW)), target, votes=VOTES)
        slower = (time.monotonic() - began) / FEW / (seconds / galaxies)
        print(
            f"{draws} draws: {galaxies:,} galaxies toward {TARGETS:,} in {seconds / 60:.1f} min, {more:.2f} GiB more; "
            f"exactly {slower:.0f} times as long"
        )
        few, some = part.take(slice(0, FEW)), target.take(slice(0, 100))
        for name, score in (
            ("exact", partial(epig, few, some, votes=VOTES)),
            ("to second order", partial(epig, few, some, votes=VOTES, exact=False)),
            ("difference of entropies", partial(by_entropies, few, some)),
        ):
            one, two = score(seed=0), score(seed=1)
            print(f"  {name}: two seeds agree by {stats.spearmanr(one, two)[0]:.3f}, mean {one.mean():.2e}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
