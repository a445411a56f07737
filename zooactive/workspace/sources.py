"""The sources of a workspace's results: the files and folders that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.catalogs import catalogs_folder
from zooactive.foundation.provenance import Making
from zooactive.foundation.remote_folders import fetch
from zooactive.models.places import local_model
from zooactive.models.saved_form import BUNDLED
from zooactive.workspace.sections import TaskLabels
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.prediction import Predictions
    from zooactive.prediction.numbers import NumberPredictions
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers


def survey_from(settings: Settings) -> dict[str, Path | None]:
    """Return where the survey's galaxies and votes come from."""
    survey = settings.survey
    fetch(survey.shards / "how.json")
    shards = survey.shards if (survey.shards / "how.json").is_file() else None
    return {"catalogue": survey.catalogue, "images": survey.images, "shards": shards, "tree": start_of(survey.tree)}


def galaxies_from(settings: Settings) -> dict[str, Path | None]:
    """Return where the pool's galaxies come from."""
    pool = settings.pool
    if pool.embeddings is not None:
        return {"catalogue": pool.catalogue or settings.survey.catalogue, "embeddings": pool.embeddings}
    return survey_from(settings) if pool.catalogue is None else {"catalogue": pool.catalogue, "images": pool.images}


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


def predicted(made: Making, stored: Predictions | NumberPredictions, settings: Settings) -> None:
    """Record what predictions were made from, and log that they are done."""
    folder, failed, failures = stored.folder, stored.failed(), stored.failures()
    kinds = failures["kind"].value_counts().to_dict() if "kind" in failures else {}
    passing = ("journal.json", "how.json", "galaxies.json", "similar.parquet")
    made.done(
        folder,
        outputs=[file for file in sorted(folder.iterdir()) if file.is_file() and file.name not in passing],
        counts={"galaxies": failed.galaxies, "predicted": failed.galaxies - failed.number, "failed": failed.number},
        failures={str(kind) or "unknown": int(number) for kind, number in kinds.items()},
        settings=wanted(settings),
    )


def learnt(made: Making, tuned: FinetunedModel | FinetunedNumbers, folder: Path, labels: int) -> None:
    """Record what a fine-tuned model was made from, with the number of labels, and log that it is done."""
    counts = {"galaxies": labels, "held out": len(tuned.held_out)}
    files = [path for path in sorted(folder.iterdir()) if path.name != "how.json" and path.suffix != ".html"]
    made.done(folder, outputs=files, counts=counts, worked=labels)
