"""The files in which `zooactive evaluate` keeps the measures of one task, of labels or of a number."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.writing import aside, how_of, make_folder, write_how, write_json

if TYPE_CHECKING:
    from zooactive.report import Finding


def write_measures(
    folder: Path,
    metrics: Mapping[str, float],
    finding: Finding,
    *,
    model: tuple[Path, str],
    labels: tuple[Path, int],
    about: tuple[str, str],
) -> Path:
    """Write ``evaluation.csv``, ``.json`` and ``.html`` into a folder, with a record of how they were made.

    `model` has the folder and the fingerprint, `labels` the table and the number of folds, and `about` says what was
    learnt, such as ("column", "mass"). Metrics are followed by their 95% intervals, ``_low`` and ``_high``. The table's
    path is returned.
    """
    import pandas as pd

    from zooactive.report import write_report

    make_folder(folder)
    target, (place, fingerprint), (source, folds) = folder / "evaluation.csv", model, labels
    names = [name for name in metrics if not name.endswith(("_low", "_high"))]
    ends = {end: [metrics.get(f"{name}_{end}") for name in names] for end in ("low", "high")}
    with aside(target) as temporary:
        pd.DataFrame({"measure": names, "value": [metrics[name] for name in names], **ends}).to_csv(temporary, index=False)
    write_json(target.with_suffix(".json"), {about[0]: about[1], **metrics})
    options = {"labels": str(source), "folds": folds}
    write_how(target, command="evaluate", options=options, inputs={"model": fingerprint})
    write_report(
        target.with_suffix(".html"),
        title=f"How good is {place.name}?",
        lead=f"Measured on {int(metrics['galaxies']):,} galaxies of {source.name} that it was not trained on.",
        facts=[("galaxies", f"{int(metrics['galaxies']):,}"), about],
        findings=[finding],
        how={"evaluate": how_of(target)},
    )
    return target
