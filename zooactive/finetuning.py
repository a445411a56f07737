"""Carry a trained encoder to a new question with a few hundred labels: a new head on frozen features, then the rest."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zooactive.augmentation import Augmentation
from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.errors import ModelError, TrainingError, did_you_mean
from zooactive.evaluation import binary_metrics, constant_concentrations
from zooactive.stages import Progress, Stage, fit_head, votes_of
from zooactive.tree import DecisionTree
from zooactive.tree_files import BUNDLED, catalogs_folder, load_tree
from zooactive.writing import aside, write_json

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.models import GalaxyModel


@dataclass(frozen=True)
class Task:
    """A question to learn from a small table of labels.

    Parameters
    ----------
    name : str
    tree : str
        Name or path of the task's own tree.
    label_column : str, optional
        The column with one label a galaxy; without it the table holds vote columns of the tree.
    """

    name: str
    tree: str
    label_column: str | None = None

    def load_tree(self) -> DecisionTree:
        """Load the task's tree."""
        return load_tree(self.tree)


def list_tasks() -> tuple[str, ...]:
    """Names of the tasks that come with zooactive, sorted."""
    return tuple(sorted(path.stem for path in (catalogs_folder() / "tasks").glob("*.toml")))


def load_task(name: str | Path | Task) -> Task:
    """Load a task by its name, or from a TOML file of one's own.

    Raises
    ------
    TrainingError
        When there is no such task, or its file has unknown or missing entries.
    """
    if isinstance(name, Task):
        return name
    path = Path(name) if str(name).endswith(".toml") else catalogs_folder() / "tasks" / f"{name}.toml"
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingError(
            f"there is no task '{name}'.{did_you_mean(str(name), list_tasks())} "
            f"Known are {', '.join(list_tasks())}; a task of your own is a path that ends in .toml"
        ) from error
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no readable TOML: {error}") from error
    known = [field.name for field in fields(Task)]
    for key in values:
        if key not in known:
            raise TrainingError(f"{path}: the entry '{key}' is unknown.{did_you_mean(key, known)}")
    if not {"name", "tree"} <= values.keys():
        raise TrainingError(f"{path}: a task needs the entries name and tree")
    for key, value in values.items():
        if not isinstance(value, str):
            raise TrainingError(f"{path}: {key} = {value!r}; give a text")
    if values["tree"].endswith(".toml"):
        values["tree"] = str(path.parent / values["tree"])
    return Task(**values)


@dataclass(frozen=True)
class FinetuneConfig:
    """How a task is learnt.

    Parameters
    ----------
    head_epochs : int
        At most, on frozen features.
    unfreeze_epochs : int
        Then, at most, with the encoder's weights free too (batch norms stay frozen with their statistics); 0: never.
    copies : int
        Orientations of each image whose features train the head, 1 to 8.
    learning_rate : float
        Of the head's stage.
    unfreeze_learning_rate : float
        Of the second stage.
    batch_size, patience, seed : int
    ratios : (float, float, float)
        Shares that train, choose the best epoch, and are held out for the metrics; split by hashed id.
    """

    head_epochs: int = 60
    unfreeze_epochs: int = 0
    copies: int = 8
    learning_rate: float = 3e-3
    unfreeze_learning_rate: float = 3e-4
    batch_size: int = 32
    patience: int = 10
    seed: int = 0
    ratios: tuple[float, float, float] = (0.6, 0.15, 0.25)

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 8:
            raise TrainingError(f"copies = {self.copies}; an image has 1 to 8 orientations")
        if self.head_epochs < 1 or self.unfreeze_epochs < 0:
            raise TrainingError("head_epochs is at least 1 and unfreeze_epochs at least 0")


@dataclass(frozen=True, eq=False)
class FinetunedModel:
    """A model of the task's own tree, with what was measured on the galaxies held out.

    Parameters
    ----------
    model : GalaxyModel
    task : Task
    held_out : DataFrame
        id, truth (votes of the first answer as a share), and the mean fraction of each answer.
    history : DataFrame
        stage, epoch, loss, val_loss.
    """

    model: GalaxyModel
    task: Task
    held_out: pd.DataFrame
    history: pd.DataFrame

    @property
    def answer(self) -> str:
        """The column that a binary task is about: the tree's first."""
        return self.model.tree.columns[0]

    def predict(self, catalogue: Catalogue | str | Path, **options: Any) -> Any:
        """Predict the task's answers; takes the options of `zooactive.predict`."""
        from zooactive.prediction import predict

        return predict(self.model, catalogue, **options)

    def evaluate(self) -> dict[str, float]:
        """Return accuracy, AUC and the number of galaxies, on those held out (a binary question)."""
        truth = self.held_out["truth"].to_numpy(float) > 0.5
        return {"galaxies": float(len(truth)), **binary_metrics(self.held_out[self.answer].to_numpy(float), truth)}

    def save(self, folder: str | Path) -> None:
        """Write the model, the task, the held-out table and the history."""
        folder = Path(folder)
        self.model.save(folder / "model")
        for name, table in (("held_out", self.held_out), ("history", self.history)):
            with aside(folder / f"{name}.csv") as temporary:
                table.to_csv(temporary, index=False)
        write_json(folder / "finetuned.json", {"task": asdict(self.task)})


def load_finetuned(folder: str | Path) -> FinetunedModel:
    """Load what `FinetunedModel.save` wrote.

    Raises
    ------
    ModelError
        When the folder holds no fine-tuned model.
    """
    import pandas as pd

    from zooactive.models import load_model

    folder = Path(folder)
    try:
        task = Task(**json.loads((folder / "finetuned.json").read_text(encoding="utf-8"))["task"])
        tables = [pd.read_csv(folder / f"{name}.csv", dtype={"id": str}) for name in ("held_out", "history")]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{folder} holds no fine-tuned model; make one with `zooactive finetune`") from error
    return FinetunedModel(load_model(folder / "model"), task, *tables)


def finetune(
    model: GalaxyModel | None,
    labels: Catalogue | str | Path,
    *,
    task: str | Path | Task,
    images: str | Path | None = None,
    config: FinetuneConfig | None = None,
    progress: Progress | None = None,
) -> FinetunedModel:
    """Learn a new question from a few hundred labels.

    The encoder's features are computed once, in several orientations, and a new head is fitted on them in seconds. With
    ``unfreeze_epochs`` the encoder then learns too, at a low rate, its batch norms frozen. The given model is not changed.

    Parameters
    ----------
    model : GalaxyModel or None
        Whose encoder is carried over; None: that of the encoder that comes with zooactive.
    labels : Catalogue or path
        The table of labels; read with the task's tree and label column.
    task : str, path or Task
        One of `list_tasks`, or a TOML file.
    images : path, optional
        The folder that relative image paths start from.
    config : FinetuneConfig, optional
    progress : callable, optional

    Returns
    -------
    FinetunedModel

    Raises
    ------
    TrainingError
        When too few galaxies are labelled, or all with one label.
    """
    from zooactive.models import load_model

    config = config or FinetuneConfig()
    model = load_model(BUNDLED) if model is None else model
    task = load_task(task)
    tree = task.load_tree()
    if not isinstance(labels, Catalogue):
        labels = read_catalogue(labels, tree=tree, label_column=task.label_column, images=images)
    labelled = labels.take(np.flatnonzero(labels.labelled))
    parts = labelled.split(config.ratios, seed=config.seed)
    _refuse_too_little(labelled, parts, tree)
    tuned = model.with_tree(tree, concentrations="fraction" if tree.votes == "class" else None)
    tuned.start_at(constant_concentrations(votes_of(parts[0]), tree))
    history = _fit_head(tuned, parts, config, progress)
    if config.unfreeze_epochs:
        history += _fit_all(tuned, parts, config, progress)
    return FinetunedModel(tuned, task, _held_out_table(tuned, parts[2]), _table(history))


def _refuse_too_little(labelled: Catalogue, parts: tuple[Catalogue, ...], tree: DecisionTree) -> None:
    for part, purpose in zip(parts, ("training", "choosing the best epoch", "the held-out metrics"), strict=True):
        if part.votes is None or len(part) == 0:
            raise TrainingError(
                f"{labelled.source}: of {len(labelled)} labelled galaxies none is left for {purpose}; bring more labels"
            )
    assert parts[0].votes is not None
    first = tree.slices[0]
    for column, votes in zip(tree.columns[first], parts[0].votes[:, first].sum(0), strict=True):
        if votes == 0 and len(tree.columns) == 2:
            raise TrainingError(
                f"{labelled.source}: no training galaxy is labelled '{column}', so there is nothing to tell apart; "
                "bring labels of both kinds"
            )


def _fit_head(
    tuned: GalaxyModel, parts: tuple[Catalogue, ...], config: FinetuneConfig, progress: Progress | None
) -> list[dict[str, Any]]:
    stage = Stage(
        "head", tuned.tree, config.head_epochs, config.learning_rate, config.batch_size, config.patience, config.seed
    )
    return fit_head(tuned, parts[0], parts[1], stage, copies=config.copies, progress=progress)


def _fit_all(
    tuned: GalaxyModel, parts: tuple[Catalogue, ...], config: FinetuneConfig, progress: Progress | None
) -> list[dict[str, Any]]:
    from zooactive.dataset import Cutouts
    from zooactive.training import training_network

    _freeze_batch_norms(tuned.encoder)
    learning, judging = (Cutouts(part, tuned.preprocessing) for part in parts[:2])
    common = config.batch_size, config.patience, config.seed
    stage = Stage("all", tuned.tree, config.unfreeze_epochs, config.unfreeze_learning_rate, *common)
    return stage.fit(
        training_network(tuned, augmentation=Augmentation(), seed=config.seed, encoder_training=False),
        (learning, votes_of(parts[0])),
        (judging.rows(np.arange(len(parts[1]))), votes_of(parts[1])),
        progress,
    )


def _freeze_batch_norms(network: Any) -> None:
    import keras

    from zooactive.models.backbones import nested_layers

    for layer in nested_layers(network):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False


def _held_out_table(tuned: GalaxyModel, held_out: Catalogue) -> pd.DataFrame:
    import pandas as pd

    from zooactive.prediction import predict

    posterior = predict(tuned, held_out)
    votes = votes_of(held_out)[:, tuned.tree.slices[0]].astype(float)
    truth = votes[:, 0] / np.maximum(votes.sum(1), 1e-12)
    means = {column: posterior.mean()[:, i] for i, column in enumerate(tuned.tree.columns)}
    return pd.DataFrame({"id": held_out.ids, "truth": truth, **means})


def _table(history: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(history)
