"""The sources of a workspace's results: the files and folders that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.catalogue.reading import is_folder_of_images
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.foundation.provenance import Making
from zooactive.foundation.remote_folders import fetch
from zooactive.models.places import local_model
from zooactive.models.saved_form import BUNDLED
from zooactive.workspace.origin import origin_of
from zooactive.workspace.sections import TaskLabels
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.foundation.parts_folder import Failed
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers

_DONE = {"prepare": "packed"}
"""What galaxies are that did not fail; "predicted" elsewhere."""


def survey_from(settings: Settings) -> dict[str, Path | None]:
    """Return where the survey's galaxies and votes come from."""
    survey = settings.survey
    fetch(survey.shards / "how.json")
    shards = survey.shards if (survey.shards / "how.json").is_file() else None
    images = survey.images if shards is None else None  # else those that are packed are looked at
    return {"catalogue": survey.catalogue, "images": images, "shards": shards, "tree": start_of(survey.tree)}


def galaxies_from(settings: Settings) -> dict[str, Path | None]:
    """Return where the pool's galaxies come from."""
    pool = settings.pool
    if pool.embeddings is not None:
        return {"catalogue": pool.catalogue or settings.survey.catalogue, "embeddings": pool.embeddings}
    return survey_from(settings) if pool.catalogue is None else {"catalogue": pool.catalogue, "images": pool.images}


def pictured_from(settings: Settings) -> dict[str, Path | None]:
    """Return where the galaxies of the predictions come from, as `read_predicted` reads them."""
    found = origin_of(settings)
    if found.get("catalogue") is None:
        return galaxies_from(settings)
    return {name: None if found.get(name) is None else Path(found[name]) for name in ("catalogue", "images", "embeddings")}


def folders_of_images(given: Mapping[str, Path | None]) -> tuple[str, ...]:
    """Return which of the sources are folders of images, which are not walked to mark what is in them."""
    catalogue = given.get("catalogue")
    return ("images",) if catalogue is None or not is_folder_of_images(catalogue) else ("catalogue", "images")


def labels_from(labels: TaskLabels) -> dict[str, Path | None]:
    """Return where a task's labels come from."""
    return {"labels": labels.labels, "images": labels.images}


def model_from(folder: Path | None) -> Path | None:
    """Return the local folder of a model, also for the bundled encoder and for models of the hub."""
    if folder is None:
        return None
    return catalogs_folder() / "encoder" if folder == Path(BUNDLED) else local_model(folder)


def start_of(named: object) -> Path | None:
    """Return the file or folder that a setting names; None if it is the name of something bundled."""
    if named is None or not isinstance(named, str | Path):
        return None
    path = Path(named)
    return path if path.exists() else None


def wanted(settings: Settings) -> dict[str, Any]:
    """Return which rows of the tables were wanted, and the names of their columns."""
    survey, own = settings.survey, settings.pool.catalogue is not None
    named: dict[str, object] = {"where": settings.pool.where, "survey where": None if own else survey.where}
    named |= {"tree": survey.tree, "id_column": survey.id_column, "image_column": survey.image_column}
    named |= {"volunteers": survey.volunteers}
    return {name: value if value is None else str(value) for name, value in named.items()}


def predicted(made: Making, folder: Path, failed: Failed, failures: pd.DataFrame, settings: Settings) -> None:
    """Record what predictions, embeddings or shards were made from, and log that they are done."""
    kinds = failures["kind"].value_counts().to_dict() if "kind" in failures else {}
    passing = ("journal.json", "how.json", "galaxies.json", "similar.parquet")
    made.done(
        folder,
        outputs=[file for file in sorted(folder.iterdir()) if file.is_file() and file.name not in passing],
        counts={
            "galaxies": failed.galaxies,
            _DONE.get(made.command, "predicted"): failed.galaxies - failed.number,
            "failed": failed.number,
        },
        failures={str(kind) or "unknown": int(number) for kind, number in kinds.items()},
        settings=wanted(settings),
    )


def evaluated(made: Making, folder: Path, galaxies: int) -> None:
    """Record what metrics were measured on, with the number of galaxies, and log that they are done."""
    target = folder / "evaluation.csv"
    files = [target, target.with_suffix(".json"), target.with_suffix(".html")]
    made.done(target, outputs=files, counts={"galaxies": galaxies}, worked=galaxies)


def learnt(
    made: Making,
    tuned: FinetunedModel | FinetunedNumbers,
    folder: Path,
    labels: int,
    left_out: Mapping[str, int],
) -> None:
    """Record what a fine-tuned model was made from, with the number of labels, and log that it is done.

    `left_out` has the number of rows that were left out of the labels, by reason.
    """
    counts = {"galaxies": labels, "held out": len(tuned.held_out)}
    files = [path for path in sorted(folder.iterdir()) if path.name != "how.json" and path.suffix != ".html"]
    made.done(folder, outputs=files, counts=counts, failures=left_out, worked=labels)
