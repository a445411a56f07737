"""How fast is the vote-tree estimator, beside a plain but decent NumPy implementation of the same estimator?

DECaLS tree, T draws, as many trees a galaxy, N volunteers. The peer samples with NumPy's generators (Dirichlet,
then multinomial), has one look-up table a galaxy and no Python loop over galaxies. Bound: at least 3 times the peer, with
20 draws and 40 volunteers; few volunteers and more draws are measured too. Both give the same mean score within their
sampling error, which is printed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

import zooactive as za
from zooactive.acquisition import information_by_question, mutual_information

PEER_GALAXIES, GALAXIES, REPEATS = 2000, 20_000, 5


def make_posterior(galaxies: int, draws: int = 20) -> za.Posterior:
    """Draws that agree about some galaxies and disagree about others, with concentrations as a trained head gives them."""
    tree, rng = za.load_tree("decals_dr5"), np.random.default_rng(0)
    centre = rng.normal(2, 1.5, (galaxies, len(tree.columns)))
    spread = rng.gamma(2, 0.15, (galaxies, 1))
    alpha = np.logaddexp(0, centre + spread * rng.normal(size=(draws, galaxies, len(tree.columns)))) + 0.001
    return za.Posterior(alpha, [f"J{i:07d}" for i in range(galaxies)], tree)


def by_numpy(posterior: za.Posterior, votes: int, seed: int = 0, block: int = 250) -> NDArray[np.float64]:
    """The same estimator in NumPy, one tree from each draw: (galaxy,) scores."""
    tree, rng = posterior.tree, np.random.default_rng(seed)
    scores = np.empty(len(posterior))
    for start in range(0, len(posterior), block):
        alpha = posterior.concentrations[:, start : start + block].astype(np.float64)  # (draw, galaxy, answer)
        counts = np.zeros(alpha.shape, dtype=np.int64)  # the tree of each draw: T = M
        for q in tree.order:
            where = tree.slices[q]
            asked = np.full(alpha.shape[:2], votes) if tree.parents[q] < 0 else counts[..., tree.leads_to[q]].sum(-1)
            gammas = rng.standard_gamma(alpha[..., where]) + 1e-300
            counts[..., where] = rng.multinomial(asked, gammas / gammas.sum(-1, keepdims=True))
        totals, asked = tree.question_sums(alpha), tree.question_sums(counts)
        logits = _gather(_rising(alpha, votes), counts) - _gather(_rising(totals, votes), asked)  # (galaxy, tree, draw)
        w = np.exp(logits - logits.max(-1, keepdims=True))
        w /= w.sum(-1, keepdims=True)
        entropy = -(w * np.log(w, where=w > 0, out=np.zeros_like(w))).sum(-1)
        scores[start : start + block] = np.log(alpha.shape[0]) - entropy.mean(-1)
    return scores


def _rising(alpha: NDArray[np.float64], votes: int) -> NDArray[np.float64]:
    """lnG(alpha + k) - lnG(alpha) for k = 0 ... votes: (draw, galaxy, x) -> (galaxy, x, k, draw)."""
    steps = np.log(np.moveaxis(alpha, 0, -1)[:, :, None] + np.arange(votes)[:, None])
    return np.concatenate([np.zeros_like(steps[:, :, :1]), np.cumsum(steps, axis=2)], axis=2)


def _gather(table: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over x of the table at each tree's counts: -> (galaxy, tree, draw)."""
    galaxy = np.arange(table.shape[0])[:, None]
    return sum(table[galaxy, x, counts[..., x].T] for x in range(table.shape[1]))  # type: ignore[return-value]


def seconds(work: Callable[[], object]) -> float:
    """Median seconds of five runs."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Time both, by turns of one process."""
    for draws, votes in ((20, 40), (20, 5), (64, 5)):
        pool = make_posterior(GALAXIES * 20 // draws, draws)
        few = pool.take(slice(0, PEER_GALAXIES))
        ours, peer = mutual_information(few, votes), by_numpy(few, votes)
        error = (ours - peer).std() / np.sqrt(len(few))
        print(
            f"{draws} draws, {votes} volunteers: mean score {ours.mean():.4f}, the peer's {peer.mean():.4f} (+- {error:.4f})"
        )
        rate = len(pool) / seconds(partial(mutual_information, pool, votes))
        peer_rate = PEER_GALAXIES / seconds(partial(by_numpy, few, votes))
        by_question = len(pool) / seconds(partial(information_by_question, pool, votes))
        print(f"  galaxies/s: {rate:,.0f}, NumPy {peer_rate:,.0f}: ratio {rate / peer_rate:.1f} (bound 3, aim 10)")
        print(f"  with the contributions of each question: {by_question:,.0f}")


if __name__ == "__main__":
    main()
