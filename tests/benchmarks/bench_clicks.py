"""How many clicks does a catalogue of given quality cost? Raw votes, votes shrunk to the survey, model and votes, allocated.

On galaxies that the bundled encoder has never seen: the test tenth of the Galaxy Zoo challenge on Kaggle, volunteers drawn
from the recorded fractions, whose own noise (about 40 people) counts against the model. Concentrations are widened by one
factor a question, fitted to votes drawn for the validation galaxies, which are not judged. Ratios are to the clicks of raw
votes of 10, 20 and 40 people; below 1 is cheaper. 95% intervals over galaxies and seeds, by the bootstrap. About half an
hour on two cores for all questions. Arguments: number of seeds; a folder for the tables and the
picture; names of questions, the empty one for the whole tree.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za
from zooactive.acquisition import AllocationConfig
from zooactive.loop.clicks import ALLOCATED, RAW, SHRUNK, UNIFORM, ClickCurves, queue_volunteers, rehearse_clicks
from zooactive.models import load_network
from zooactive.models.saved_form import BUNDLED
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import scale_concentrations
from zooactive.posterior.loss import constant_concentrations
from zooactive.report import plots
from zooactive.report.plots.style import paper
from zooactive.training.calibrate import fit_pooled_factors

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLIT = (0.85, 0.05, 0.10)
DRAWS, TREES, VOLUNTEERS = 32, 32, 60
RESAMPLES = 400
RAWS = (10, 20, 40)
WAYS = (SHRUNK, UNIFORM, ALLOCATED)


def posterior_of(model: za.GalaxyModel, galaxies: za.Catalogue, tree: za.DecisionTree) -> Posterior:
    """Return what the bundled model expects, for the survey's questions."""
    everything = za.predict(model, galaxies, draws=DRAWS)
    columns = [model.tree.columns.index(column) for column in tree.columns]
    return Posterior(everything.concentrations[..., columns], everything.ids, tree)


def ratios(curves: list[ClickCurves], rng: np.random.Generator, raws: Sequence[int] = RAWS) -> pd.DataFrame:
    """Clicks of each way over those of raw votes, with intervals over galaxies and seeds."""
    galaxies = curves[0].errors[RAW].shape[1]
    everything = np.arange(galaxies)
    rows = []
    for raw in raws:
        drawn = [(rng.integers(0, galaxies, galaxies), rng.integers(0, len(curves), len(curves))) for _ in range(RESAMPLES)]
        found: dict[str, np.ndarray] = {}
        for way in WAYS:
            centre = np.mean([ratio(curve, way, raw, everything) for curve in curves])
            again = [
                np.mean([ratio(curves[seed], way, raw, some) for seed in seeds])  # type: ignore[arg-type]
                for some, seeds in drawn
            ]
            found[way] = np.array([centre, *again])
            rows.append({"raw": raw, "way": way, **interval(found[way])})
        for other, name in ((UNIFORM, "allocated / uniform"), (SHRUNK, "allocated / shrunk")):
            rows.append({"raw": raw, "way": name, **interval(found[ALLOCATED] / found[other])})
    return pd.DataFrame(rows)


def ratio(curve: ClickCurves, way: str, raw: int, rows: np.ndarray) -> float:
    """Clicks of a way over those of raw votes, for the same error."""
    clicks, base = curve.needed(way, raw, rows)
    return clicks / base


def interval(values: np.ndarray) -> dict[str, float]:
    """The measured value, and the middle 95% of the resamples; those that never get there are told."""
    never = ~np.isfinite(values[1:])
    if never.all():
        return {"ratio": values[0], "low": np.nan, "high": np.nan, "never": 1.0}
    low, high = np.percentile(values[1:][~never], [2.5, 97.5])
    return {"ratio": values[0], "low": low, "high": high, "never": float(never.mean())}


def with_bands(curves: list[ClickCurves], rng: np.random.Generator) -> pd.DataFrame:
    """Return the curves' means over galaxies and seeds, with 95% bands of the error."""
    table = curves[0].table()
    galaxies = curves[0].errors[RAW].shape[1]
    for name in ("volunteers", "clicks", "error"):
        table[name] = np.mean([curve.table()[name] for curve in curves], axis=0)
    stacked = np.stack([np.concatenate([curve.errors[way] for way in curve.errors]) for curve in curves])
    again = []
    for _ in range(RESAMPLES):
        rows, seeds = rng.integers(0, galaxies, galaxies), rng.integers(0, len(curves), len(curves))
        again.append(stacked[seeds][:, :, rows].mean((0, 2)))
    table["low"], table["high"] = np.percentile(again, [2.5, 97.5], axis=0)
    return table


def draw(curves: pd.DataFrame, path: Path) -> None:
    """Draw the curves with their bands."""
    figure = paper(5.5, 3.6, layout="constrained")
    plots.click_curves(figure.add_subplot(), curves)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure the whole tree, then each question alone."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    began = time.perf_counter()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    model = load_network(BUNDLED)
    train, validation, test = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle").split(SPLIT)
    tree = train.require_votes().tree
    survey = constant_concentrations(train.votes, tree)
    drawn = queue_volunteers(tree.fractions(validation.votes), tree, validation.ids, volunteers=20, seed=99)[:, -1]
    factors = fit_pooled_factors(posterior_of(model, validation, tree), drawn.astype(float))
    print(factors.table.round(3).to_string(index=False), flush=True)
    plain = posterior_of(model, test, tree)
    posterior = scale_concentrations(plain, factors.values)
    with np.errstate(invalid="ignore"):  # nobody was asked
        truth = np.nan_to_num(tree.fractions(test.votes))
    queues = [queue_volunteers(truth, tree, test.ids, volunteers=VOLUNTEERS, seed=seed) for seed in range(seeds)]
    print(f"{len(test)} galaxies, {seeds} seeds, {time.perf_counter() - began:.0f} s so far", flush=True)
    rng = np.random.default_rng(0)
    tables = []
    asked = sys.argv[3:] or ["", *(question.name for question in tree.questions)]
    for name in asked:
        weights = {name: 1.0} if name else {}
        config = AllocationConfig(weights=weights, ceiling=VOLUNTEERS, trees=TREES)
        counted = [name] if name else None
        curves = [
            rehearse_clicks(posterior, queue, truth, survey=survey, counted=counted, config=config) for queue in queues
        ]
        table = ratios(curves, rng).assign(question=name or "whole tree")
        tables.append(table)
        print(f"\n{name or 'whole tree'} ({time.perf_counter() - began:.0f} s)")
        print(table.drop(columns="question").round(3).to_string(index=False), flush=True)
        if not name:
            without = [rehearse_clicks(plain, queue, truth, survey=survey, config=config, days=()) for queue in queues]
            unwidened = np.mean(
                [[ratio(curve, UNIFORM, raw, np.arange(len(test))) for raw in RAWS] for curve in without], axis=0
            )
            print(f"model, uniform, without the factors: {np.round(unwidened, 3).tolist()}", flush=True)
            if folder is not None:
                bands = with_bands(curves, rng)
                bands.to_csv(folder / "curves.csv", index=False)
                draw(bands, folder / "clicks.png")
    if folder is not None:
        pd.concat(tables).to_csv(folder / "ratios.csv", index=False)
        (folder / "how.json").write_text(
            json.dumps({"seeds": seeds, "galaxies": len(test), "factors": factors.values.tolist()})
        )


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
