"""How many clicks does a catalogue of given quality cost, judged by real votes that nobody was shown?

On the galaxies of `gz2_votes` that have 40 votes, 321 of 426: about as many mergers, spirals, edge-on and elliptical
galaxies, not a natural mix. Counts were rebuilt from weighted fractions. Volunteers are laid out so that their answers add
up to the counts, and put in random order. The first 20 of each galaxy are the queue, so that no way can show it to more, and
half of all, 20 or more, judge. The noise of those who judge, p (1 - p) / (n - 1) summed over answers, is subtracted from the
squared error; questions that fewer than two of them answered do not count.

Ids of this set and of the galaxies that the encoder learnt from are of two kinds and cannot be compared, so images are: by
radial profiles, which do not change when an image is turned. Galaxies as near to one learnt from as 99% of pairs of images
of one galaxy are left out.

Galaxies are halved by hashed id. Constant concentrations and factors (`fit_answer_factors`, as `--trust` fits them) for one
half are fitted to the first 20 volunteers of the other. Ratios are to the clicks of raw votes of 10 and 20 people; below 1
is cheaper. 95% intervals over galaxies and seeds, by the bootstrap. Options: number of seeds; a folder for the table; names
of questions, the empty one for the whole tree.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from bench_clicks import DATA, DRAWS, TREES, ratios
from learnt import learnt
from numpy.typing import NDArray
from PIL import Image

import zooactive as za
from zooactive.acquisition import AllocationConfig
from zooactive.foundation.hashing import hash_ids, uniform_from_ids
from zooactive.loop.clicks import ClickCurves, rehearse_clicks
from zooactive.models.saved_form import BUNDLED
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import scale_concentrations
from zooactive.posterior.loss import constant_concentrations
from zooactive.training.calibrate import fit_answer_factors
from zooactive.tree import DecisionTree

RAWS, FITTED = (10, 20), 20
DAYS = (0.5, 0.5, 0.5, 0.5, 1, 2, 2, 2, 2, 3, 3, 4)
SAME = 15.5
"""Distance of the profiles of two images of one galaxy, which 99% stay below."""


def profile(image: Image.Image, share: float) -> NDArray[np.float64]:
    """Return mean and deviation of each colour in rings around the centre; `share` of the width is looked at."""
    size, cut = 64, image.width * (1 - share) / 2
    small = (
        image.convert("RGB")
        .crop((cut, cut, image.width - cut, image.width - cut))
        .resize((size, size), Image.Resampling.BOX)
    )
    pixels = np.asarray(small, dtype=float)
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    ring = np.hypot(x, y).astype(int)[:, :, None] // 2 * 3 + np.arange(3)
    inside = (np.hypot(x, y) < size / 2)[:, :, None] & np.full(3, True)
    count, total, square = (np.bincount(ring[inside], v[inside]) for v in (np.ones_like(pixels), pixels, pixels**2))
    return np.concatenate([total / count, np.sqrt(np.maximum(square / count - (total / count) ** 2, 0))])


def profiles(galaxies: za.Catalogue, share: float) -> NDArray[np.float64]:
    """Return the profiles of all images; `share` of the width is looked at."""
    how = za.Preprocessing(size=128)
    parts = [galaxies.decode(how, range(i, min(i + 1000, len(galaxies))))[0] for i in range(0, len(galaxies), 1000)]
    return np.stack([profile(Image.fromarray(pixels), share) for part in parts for pixels in part])


def unseen(galaxies: za.Catalogue) -> NDArray[np.bool_]:
    """Whether no galaxy that was learnt from looks the same; images of zhu5 show 256 of 424 pixels, the others 240."""
    mine, parts = profiles(galaxies, 200 / 240), zip(learnt(), (200 / 240, 200 / 256), strict=True)
    theirs = np.concatenate([profiles(*part) for part in parts])
    nearest = np.array([np.sqrt(((theirs - one) ** 2).sum(1).min()) for one in mine])
    print(f"nearest galaxy learnt from: {nearest.min():.1f} away; two images of one galaxy: {SAME} at 99%", flush=True)
    return nearest > SAME


def lay_out(votes: NDArray[np.float64], tree: DecisionTree, ids: NDArray[np.object_], seed: int) -> list[NDArray[np.int16]]:
    """Return volunteers of each galaxy in random order, (volunteer, answer), whose answers add up to its votes.

    Answers to a question are given at random to those who reached it. Where rounding left more answers than people who
    reached it, the last ones are dropped.
    """
    found = []
    for counts, start in zip(np.rint(votes).astype(int), hash_ids(ids, purpose="crowd", seed=seed), strict=True):
        rng = np.random.default_rng(int(start))
        given = np.zeros((int(tree.question_sums(counts)[list(tree.roots)].max()), len(tree.columns)), dtype=np.int16)
        for q in tree.order:
            where, reached = tree.slices[q], np.arange(len(given))
            if tree.parents[q] >= 0:
                reached = np.flatnonzero(given[:, tree.leads_to[q]].sum(1) > 0)
            answers = rng.permutation(np.repeat(np.arange(where.start, where.stop), counts[where]))[: len(reached)]
            given[rng.permutation(reached)[: len(answers)], answers] = 1
        found.append(given)
    return found


def judged(votes: NDArray[np.float64], tree: DecisionTree) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the fractions of those who judge, NaN where fewer than two answered, and their noise (galaxy, question)."""
    totals = tree.question_sums(votes)
    enough = totals > 1
    with np.errstate(invalid="ignore", divide="ignore"):
        truth = np.where(enough[:, tree.question_index], tree.fractions(votes), np.nan)
        noise = np.where(enough, tree.question_sums(np.nan_to_num(truth * (1 - truth))) / (totals - 1), 0)
    return truth, noise


def rehearse(
    model: Posterior, votes: NDArray[np.float64], seed: int, name: str, *, widened: bool = True
) -> tuple[ClickCurves, list[list[float]]]:
    """Play the days over both halves of the galaxies, each with what the other half says of survey and model."""
    tree, rows = model.tree, np.arange(len(model))
    crowd = lay_out(votes, tree, model.ids, seed)
    shown = min(len(line) // 2 for line in crowd)
    queue = np.stack([np.cumsum(np.vstack([np.zeros_like(line[:1]), line[:shown]]), axis=0) for line in crowd])
    truth, noise = judged(np.stack([line[len(line) // 2 :].sum(0) for line in crowd]).astype(float), tree)
    config = AllocationConfig(weights={name: 1.0} if name else {}, ceiling=shown, trees=TREES)
    weigh = config.question_weights(tree) * tree.asked(np.nan_to_num(truth))
    first = uniform_from_ids(model.ids, purpose="folds", seed=seed) < 0.5
    parts, factors, order = [], [], []
    for mine in (first, ~first):
        told = queue[~mine, FITTED].astype(float)
        fitted = fit_answer_factors(model.take(~mine), told).values if widened else np.ones(len(tree.columns))
        part = rehearse_clicks(
            scale_concentrations(model.take(mine), fitted),
            queue[mine],
            truth[mine],
            survey=constant_concentrations(told, tree),
            days=DAYS,
            counted=[name] if name else None,
            config=config,
        )
        off = (weigh * noise)[mine].sum(1)
        parts.append(replace(part, errors={way: errors - off for way, errors in part.errors.items()}))
        factors.append(fitted.tolist())
        order.append(rows[mine])
    back = np.argsort(np.concatenate(order))
    whole = {
        of: {way: np.concatenate([getattr(part, of)[way] for part in parts], axis=1)[:, back] for way in parts[0].clicks}
        for of in ("clicks", "errors", "shown")
    }
    return ClickCurves(**whole), factors


def main() -> None:
    """Measure the whole tree, then each question alone."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    began = time.perf_counter()
    model = za.load_model(BUNDLED)
    galaxies = za.read_catalogue(DATA / "gz2_votes" / "galaxies.csv", tree="gz2")
    tree, votes = galaxies.require_votes()
    enough = tree.question_sums(votes)[:, list(tree.roots)].max(1) >= 2 * max(RAWS)
    new = unseen(galaxies)
    print(
        f"{len(galaxies)} galaxies, {new.sum()} not learnt from, {(new & enough).sum()} of them with {2 * max(RAWS)} votes"
    )
    galaxies, votes = galaxies.take(new & enough), votes[new & enough]
    everything = za.predict(model, galaxies, draws=DRAWS)
    columns = [model.tree.columns.index(column.replace(tree.suffix, "")) for column in tree.columns]
    posterior = Posterior(everything.concentrations[..., columns], everything.ids, tree)
    rng = np.random.default_rng(0)
    tables = []
    for name in sys.argv[3:] or ("", *(question.name for question in tree.questions)):
        curves, factors = zip(*(rehearse(posterior, votes, seed, name) for seed in range(seeds)), strict=True)
        table = ratios(list(curves), rng, RAWS).assign(question=name or "whole tree")
        tables.append(table)
        print(f"\n{name or 'whole tree'} ({time.perf_counter() - began:.0f} s)")
        print(table.drop(columns="question").round(3).to_string(index=False), flush=True)
        if not name:
            print(f"factors: {np.mean(factors, axis=(0, 1)).round(2).tolist()}")
            plain = [rehearse(posterior, votes, seed, name, widened=False)[0] for seed in range(seeds)]
            print(f"without them\n{ratios(plain, rng, RAWS).round(3).to_string(index=False)}", flush=True)
            mean = pd.concat([curve.table() for curve in curves]).groupby(["way", "volunteers"], sort=False).mean()
            print(mean.round(4).to_string(), flush=True)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        pd.concat(tables).to_csv(folder / "ratios_gz2_votes.csv", index=False)


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
