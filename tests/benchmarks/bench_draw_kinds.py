"""Are draws by Laplace better than dropout's? On the trained Kaggle model of ``bench_gz2_kaggle.py``.

By the test galaxies' votes, of which nothing was learnt or chosen: negative log likelihood, coverage at 50, 80 and 95%,
predicted against realised information (correlation and slope), and cost. Further runs in the same folder (``zooactive train
--run-dir runs/second --seed 1``) are put together with the first to an ensemble of whole models. The folder is the first
argument (default: ``bench-kaggle``); a few minutes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import zooactive as za
from zooactive.evaluation.calibration import acquisition_calibration, coverage
from zooactive.models import LinearDraws, load_network
from zooactive.models.features import embed
from zooactive.posterior.loss import negative_log_likelihood
from zooactive.workspace.file import find_settings

DRAWS = 64


def metrics(posterior: za.Posterior, votes: np.ndarray) -> dict[str, float]:
    """Everything that the test votes say of a posterior."""
    inside = coverage(posterior, votes)
    share = inside["galaxies"] / inside["galaxies"].sum()
    kept = acquisition_calibration(posterior, votes, trees=4 * posterior.draws)
    row = {"nll": float(negative_log_likelihood(posterior, votes).mean())}
    row |= {f"in {100 * float(level):g}%": float((inside[level] * share).sum()) for level in ("0.5", "0.8", "0.95")}
    row |= {"predicted": kept.table["predicted"].mean(), "realised": kept.table["realised"].mean()}
    return row | {"correlation": kept.correlation, "slope": kept.slope}


def main() -> None:
    """Fit, predict and compare."""
    place = find_settings(sys.argv[1] if len(sys.argv) > 1 else "bench-kaggle")
    runs = sorted(path.parent for path in (place.model.folder.parent).glob("*/model"))
    model = load_network(place.model.folder)
    learning, validation, test = (part.take(part.labelled) for part in place.split_survey())
    features = {name: embed(model, part)[0] for name, part in (("l", learning), ("v", validation), ("t", test))}
    head = model.linear_head()
    judged = (features["v"], validation.votes)
    fits: dict[str, Callable[[], LinearDraws]] = {
        "none (the mean head)": lambda: replace(head, dropout=0.0),
        "dropout": lambda: head,
        "laplace": lambda: za.models.fit_laplace(head, features["l"], learning.votes, validation=judged),
        "laplace, prior 1": lambda: za.models.fit_laplace(
            head, features["l"], learning.votes, validation=judged, priors=[1.0]
        ),
    }
    rows: list[dict[str, object]] = []
    for name, fit in fits.items():
        began = time.perf_counter()
        draws = fit()
        fitted = time.perf_counter()
        posterior = za.Posterior(draws.posterior_concentrations(features["t"], draws=DRAWS, seed=0), test.ids, model.tree)
        cost = {"fit s": fitted - began, "draw s": time.perf_counter() - fitted}
        rows.append({"draws": name, **metrics(posterior, test.votes), **cost})
    if len(runs) > 1:
        members = [za.predict(load_network(run), test, draws=DRAWS // 2) for run in runs]
        rows.append({"draws": f"{len(runs)} models", **metrics(za.combine_draws(members), test.votes)})
    print(f"{len(test)} test galaxies, {DRAWS} draws; runs: {', '.join(run.name for run in map(Path, runs))}")
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
