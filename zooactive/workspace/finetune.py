"""Fine-tune the workspace's model, or the bundled encoder, to a new question."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import TrainingError, WorkspaceError
from zooactive.foundation.locking import held
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import NOTHING, Show, Tell, Watch, silent
from zooactive.foundation.writing import file_hash, write_how
from zooactive.models.places import local_model
from zooactive.models.saved_form import BUNDLED, config_of, network_folder, stored_origin, takes_embeddings
from zooactive.training.finetuning.checks import (
    Parts,
    decided,
    head_alone,
    refuse_no_images,
    refuse_strange_prevalence,
    refuse_too_few,
)
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.tasks import NumberTask, Task, load_task
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.embeddings import embeddings_record, read_given
from zooactive.workspace.labels_alone import task_home
from zooactive.workspace.numbers import learn_number
from zooactive.workspace.options import Options
from zooactive.workspace.sections import FILE, OF_NUMBERS, OF_PIXELS, TaskLabels
from zooactive.workspace.settings import Settings
from zooactive.workspace.sources import labels_from, learnt, model_from

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.training.finetuning.finetuned_model import FinetunedModel
    from zooactive.training.finetuning.finetuned_numbers import FinetunedNumbers

OPTIONS: Options = EMBEDDING_OPTIONS
OF_LABELS = (
    *("images", "column", "id_column", "image_column", "volunteers", "max_set_aside"),
    *OF_NUMBERS,
)
OF_TASK = OF_PIXELS


def finetune(
    settings: Settings,
    labels: str | Path | None = None,
    task: str | None = None,
    *,
    model: str | Path | None = None,
    out: str | Path | None = None,
    progress: Show = NOTHING,
    tell: Tell = silent,
    **options: Any,
) -> FinetunedModel | FinetunedNumbers:
    """Train on a new question from a few hundred labels, write the result and return it.

    `labels` is a table that replaces the workspace's. `task` is the name or the file of the question; by default it is the
    name of the option `column`, or the only task of a workspace of labels alone, or "rings". `model` is the model to start
    from; by default it is the workspace's model, or the bundled encoder if there is none. `out` is ``tasks/TASK`` by
    default.

    There are four groups of other options, which all override the workspace. Some say where embeddings are (embeddings,
    embedding_ids, embedding_column, encoder); these then replace images and a model. Some are entries of ``[tasks.NAME]``
    (images, column, id_column, image_column, volunteers, max_set_aside, number, error_column, limit_column, missing,
    redshift). Some concern the question's images (crop, image_size, bands, stretch). The last are all entries of
    `FinetuneConfig`. A column of numbers gets a head that predicts numbers.

    Raises a WorkspaceError if no labels are named, and a TrainingError if options do not go together or there is nothing to
    train on.
    """
    asked = {name: value for name, value in options.items() if value is not None}
    name = task or asked.get("column") or settings.default_task or "rings"
    found = _labels(settings, name, labels, {key: asked.pop(key) for key in OF_LABELS if key in asked})
    question = replace(found.load(name), **{key: asked.pop(key) for key in OF_TASK if key in asked})
    config = _config(found, asked)
    folder = task_home(settings, name) if out is None else Path(out)
    if isinstance(question, NumberTask):

        def encoder() -> Path:
            return _network_of(settings, model, tell)

        return learn_number(settings, found, question, config, folder, encoder, progress=progress, tell=tell)
    if settings.pool.embeddings is not None:
        return _on_embeddings(settings, found, question, config, folder, progress, tell)
    start = _network_of(settings, model, tell)
    if start != Path(BUNDLED) and (origin := stored_origin(start)) is not None:
        tell(f"starting from {origin}")
    preprocessing = Preprocessing.from_dict(config_of(start)["preprocessing"])
    galaxies = _galaxies(found, question, config, question.preprocessing(preprocessing))
    config, why = decided(config, question.load_tree(), len(galaxies))
    tell(why)
    with held(folder):
        return _learn(start, found, question, galaxies, config, folder, progress, tell)


def _labels(settings: Settings, name: str, labels: str | Path | None, columns: dict[str, Any]) -> TaskLabels:
    """Return the workspace's table for a task, with the options applied; its task and labels are then known."""
    known = settings.tasks.get(name, TaskLabels())
    images = columns.pop("images", None) or known.images
    labels = labels or known.labels
    found = replace(
        known,
        **columns,
        labels=None if labels is None else Path(labels).absolute(),
        images=None if images is None else Path(images).absolute(),
    )
    if found.column is None:
        load_task(known.task or name)  # report an unknown task before anything else
    if found.labels is None:
        how = f"--task {name}" if found.column is None else f"--column {found.column}"
        raise WorkspaceError(
            f"no labels are named for the task '{name}'; give a table (`zooactive finetune labels.csv {how}`), "
            f"or set labels under [tasks.{name}] in {settings.folder / FILE}"
        )
    return found


def _config(labels: TaskLabels, asked: dict[str, Any]) -> FinetuneConfig:
    """Return the settings of a fit: the options come first, then what the workspace says, then the defaults."""
    names = [entry.name for entry in fields(FinetuneConfig)]
    said = {name: getattr(labels, name) for name in names if getattr(labels, name, None) is not None}
    config = FinetuneConfig(**said | asked)
    if config.policy == "auto" and asked.get("unfreeze_epochs"):
        config = replace(config, policy="staged")
    if "blocks" in asked and config.policy != "last":
        raise TrainingError(f"--blocks is for the policy 'last', but the policy is '{config.policy}'; add --policy last")
    return config


def _network_of(settings: Settings, model: str | Path | None, tell: Tell) -> Path:
    """Return the model to start from, which must have a network."""
    start = network_folder(_start_of(settings, model, tell))
    if takes_embeddings(start):
        raise WorkspaceError(f"the model in {start} takes embeddings and has no network; give --embeddings FILE")
    return start


def _start_of(settings: Settings, model: str | Path | None, tell: Tell) -> Path:
    """Return what to start from: a model that is named, the workspace's trained model, or the bundled encoder."""
    if model is not None:
        return local_model(model)
    own = settings.default_task
    if own is not None and settings.model.folder == task_home(settings, own):
        tell("starting from the bundled encoder")
        return Path(BUNDLED)
    if settings.model.folder.exists():
        return settings.model.folder
    tell(f"{settings.model.folder} holds no model yet: starting from the bundled encoder")
    return Path(BUNDLED)


def _galaxies(labels: TaskLabels, task: Task, config: FinetuneConfig, preprocessing: Preprocessing) -> Catalogue:
    """Read the galaxies with labels, and raise errors about them here, because loading networks takes long."""
    assert labels.labels is not None
    catalogue = task.read(labels.labels, images=labels.images, max_set_aside=labels.max_set_aside)
    labelled, tree = catalogue.take(catalogue.labelled), task.load_tree()
    refuse_strange_prevalence(tree, config)
    refuse_too_few(labelled, tree, config)
    parts = Parts(labelled, tree, config)
    _ = parts.folds() if config.folds else parts.split()
    refuse_no_images(labelled, preprocessing)
    return labelled


def _learn(
    start: Path,
    labels: TaskLabels,
    task: Task,
    galaxies: Catalogue,
    config: FinetuneConfig,
    folder: Path,
    progress: Show,
    tell: Tell,
) -> FinetunedModel:
    """Fine-tune, and write the result into a folder."""
    from zooactive.models import load_network
    from zooactive.training.finetuning.finetune import finetune

    made = Making("finetune", labels_from(labels) | {"model": model_from(start)}, unmarked=("images",))
    made.took("images", galaxies.images)
    with progress("getting ready", 0):
        encoder = load_network(start)
    tuned = finetune(encoder, galaxies, task=task, config=config, progress=Watch(progress))
    _write(tuned, labels, galaxies, config, folder, {"model": encoder.fingerprint()}, {}, tell)
    learnt(made, tuned, folder, len(galaxies), _left_out(galaxies))
    return tuned


def _on_embeddings(
    settings: Settings, labels: TaskLabels, task: Task, config: FinetuneConfig, folder: Path, progress: Show, tell: Tell
) -> FinetunedModel:
    """Fit a head to embeddings, and write the result into a folder; no network is loaded."""
    from zooactive.training.finetuning.finetune import finetune

    config, tree = head_alone(config), task.load_tree()
    made = Making("finetune", {"labels": labels.labels, "embeddings": settings.pool.embeddings})
    tell("policy head: on embeddings, only the head is trained")
    refuse_strange_prevalence(tree, config)
    with progress("getting ready", 0):
        embeddings = read_given(settings)
        assert labels.labels is not None
        catalogue = task.read(labels.labels, images=labels.images, max_set_aside=labels.max_set_aside)
    with held(folder):
        tuned = finetune(None, catalogue, task=task, embeddings=embeddings, config=config, progress=Watch(progress))
        record = {"embeddings": embeddings_record(settings)}
        file = settings.pool.embeddings
        inputs = {str(file): file_hash(file)} if file is not None and file.is_file() else {}
        _write(tuned, labels, catalogue, config, folder, inputs, record, tell)
        learnt(made, tuned, folder, int(catalogue.labelled.sum()), _left_out(catalogue))
    return tuned


def _left_out(galaxies: Catalogue) -> dict[str, int]:
    """Return how many rows of the labels were set aside, by why."""
    return {"contradicts itself": len(galaxies.set_aside)} if len(galaxies.set_aside) else {}


def _write(
    tuned: FinetunedModel,
    labels: TaskLabels,
    galaxies: Catalogue,
    config: FinetuneConfig,
    folder: Path,
    inputs: dict[str, str],
    record: dict[str, Any],
    tell: Tell,
) -> None:
    """Write a fine-tuned model, and record what it was made from."""
    from zooactive.catalogue.set_aside import SET_ASIDE_FILE, write_set_aside

    table = labels.labels
    assert table is not None
    tuned.save(folder)
    if listed := write_set_aside(galaxies.set_aside, folder / SET_ASIDE_FILE):
        tell(listed)
    read = {"labels": table, "images": labels.images, "max_set_aside": labels.max_set_aside}
    options = {"task": tuned.task.to_dict(), **read, "config": asdict(config), **record}
    write_how(folder, command="finetune", options=options, inputs=inputs | {str(table): file_hash(table)})
