"""How many clicks does a catalogue cost where nothing was learnt before, and the head learns each day from what came in?

    python tests/benchmarks/bench_clicks_relearnt.py EMBEDDINGS FOLDER [SEEDS [GALAXIES]]

EMBEDDINGS are predictions of gz2_kaggle by an encoder that has learnt nothing from galaxies: ImageNet's Lite0. Volunteers
are drawn from the recorded fractions, as in bench_clicks.py. Before the first vote all that is known is what the survey says
as a whole, measured on galaxies that are not played. Each day the head is fitted anew to all votes so far, in five folds, so
that what it expects of a galaxy owes nothing to that galaxy's own votes; its prior is the one that bench_prior.py finds best
for these features, with 100 to 1,000 galaxies and 5 or 10 votes of each. One factor a question widens its concentrations,
fitted to the same votes, which no head has seen of its own fold. Ratios are to the clicks of raw votes of 5, 10, 20 and 40
people, with 95% intervals over galaxies and seeds. "model" is the survey as a whole here.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from bench_clicks import DATA, draw, interval, with_bands
from bench_clicks import ratio as clicks_over_raw
from numpy.typing import NDArray

import zooactive as za
from zooactive.acquisition import AllocationConfig
from zooactive.foundation.hashing import uniform_from_ids
from zooactive.loop.clicks import (
    ALLOCATED,
    RAW,
    RELEARNT,
    RELEARNT_UNIFORM,
    SHRUNK,
    ClickCurves,
    Relearn,
    queue_volunteers,
    rehearse_clicks,
)
from zooactive.models import EmbeddingModel, find_axes, fit_bayesian_head
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import scale_concentrations
from zooactive.posterior.loss import constant_concentrations
from zooactive.prediction import Embeddings, Predictions, open_predictions
from zooactive.training.calibrate import fit_pooled_factors

VOLUNTEERS, DRAWS, TREES, FEWEST, RESAMPLES = 60, 32, 32, 20, 400
FOLDS, PRIOR = 5, 1000.0
WAYS = (SHRUNK, ALLOCATED, RELEARNT_UNIFORM, RELEARNT)
RAWS = (5, 10, 20, 40)


def stored_alone(known: Predictions, galaxies: za.Catalogue, folder: Path) -> Predictions:
    """Keep the embeddings of the galaxies that are played."""
    ids, features = known.embeddings_of(galaxies.ids)
    assert galaxies.tree is not None
    model = EmbeddingModel(galaxies.tree, features=features.shape[1], encoder="imagenet")
    model.put_head(
        np.zeros((features.shape[1], len(galaxies.tree.columns)), "f4"), np.zeros(len(galaxies.tree.columns), "f4")
    )
    seen = Embeddings(np.array(ids, dtype=object), features, encoder="imagenet")
    return za.predict(model, seen, out=folder, draws=DRAWS, progress=None)


def learner(stored: Predictions, galaxies: za.Catalogue, start: Posterior) -> Relearn:
    """Return what learns from votes so far; from too few it learns nothing."""
    ids, features = stored.embeddings_of(galaxies.ids)
    assert list(ids) == galaxies.ids.tolist()
    axes, fold = (
        find_axes([features]),
        np.argsort(np.argsort(uniform_from_ids(galaxies.ids, purpose="folds", seed=0))) % FOLDS,
    )

    def relearn(votes: NDArray[np.float64]) -> Posterior:
        some, tree = votes.sum(1) > 0, start.tree
        if some.sum() < FEWEST:
            return start
        concentrations = np.empty((DRAWS, len(votes), len(tree.columns)), dtype=np.float32)
        for number in range(FOLDS):
            known, mine = some & (fold != number), fold == number
            labels = features[known], votes[known]
            head = fit_bayesian_head(None, labels, tree, axes, precisions=(PRIOR,), in_turn=True).head
            concentrations[:, mine] = head.posterior_concentrations(features[mine], draws=DRAWS, seed=0)
        found = Posterior(concentrations, galaxies.ids, tree)
        factors = fit_pooled_factors(found.take(np.flatnonzero(some)), votes[some])
        return scale_concentrations(found, factors.values)

    return relearn


def ratios(curves: list[ClickCurves], rng: np.random.Generator) -> pd.DataFrame:
    """Clicks of each way over those of raw votes, and of the allocated relearnt over the uniform relearnt."""
    galaxies = curves[0].errors[RAW].shape[1]
    rows = []
    for raw in RAWS:
        drawn = [(rng.integers(0, galaxies, galaxies), rng.integers(0, len(curves), len(curves))) for _ in range(RESAMPLES)]
        found = {}
        for way in WAYS:
            centre = np.mean([clicks_over_raw(curve, way, raw, np.arange(galaxies)) for curve in curves])
            again = [
                np.mean([clicks_over_raw(curves[seed], way, raw, some) for seed in seeds])  # type: ignore[arg-type]
                for some, seeds in drawn
            ]
            found[way] = np.array([centre, *again])
            rows.append({"raw": raw, "way": way, **interval(found[way])})
        rows.append(
            {"raw": raw, "way": "relearnt: allocated / uniform", **interval(found[RELEARNT] / found[RELEARNT_UNIFORM])}
        )
    return pd.DataFrame(rows)


def main(embeddings: Path, folder: Path, seeds: int = 3, number: int = 1000) -> None:
    """Play, and print the ratios."""
    folder.mkdir(parents=True, exist_ok=True)
    survey = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle")
    order = np.argsort(uniform_from_ids(survey.ids, purpose="split", seed=0))
    played, others = survey.take(order[:number]), survey.take(order[number:])
    stored = stored_alone(open_predictions(embeddings), played, folder / "embeddings")
    played = played.select(stored.known(played.ids.tolist()))
    tree = played.require_votes().tree
    constant = constant_concentrations(others.require_votes().votes, tree)
    nothing = Posterior(np.broadcast_to(constant, (1, len(played), len(constant))), played.ids, tree)
    with np.errstate(invalid="ignore"):  # nobody was asked
        truth = np.nan_to_num(tree.fractions(played.require_votes().votes))
    config = AllocationConfig(ceiling=VOLUNTEERS, trees=TREES)
    curves, began = list[ClickCurves](), time.perf_counter()
    for seed in range(seeds):
        queue = queue_volunteers(truth, tree, played.ids, volunteers=VOLUNTEERS, seed=seed)
        relearn = learner(stored, played, nothing)
        curves.append(rehearse_clicks(nothing, queue, truth, survey=constant, config=config, relearn=relearn))
        print(f"seed {seed}, {len(played)} galaxies: {(time.perf_counter() - began) / 60:.1f} minutes", flush=True)
        print(ratios(curves, np.random.default_rng(0)).round(3).to_string(index=False), flush=True)
        bands = with_bands(curves, np.random.default_rng(1))
        bands.to_csv(folder / "curves.csv", index=False)
        draw(bands, folder / "clicks_relearnt.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).resolve(), *map(int, sys.argv[3:]))
