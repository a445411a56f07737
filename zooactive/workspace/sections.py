"""The tables of ``zooactive.toml``, one frozen value each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from zooactive.acquisition.allocation.config import AllocationConfig
from zooactive.acquisition.config import AcquisitionConfig
from zooactive.catalogue.set_aside import MAX_SET_ASIDE
from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.vocabulary import MOST_FAILED, DrawKind, EngineName, Keep, LearnerKind, LoopStrategy
from zooactive.training.finetuning.tasks import NumberTask, Task, load_task, task_of_column

FILE = "zooactive.toml"
OF_NUMBERS = ("number", "error_column", "limit_column", "missing", "redshift")
"""Entries of a task whose labels are numbers."""

OF_PIXELS = ("crop", "image_size", "bands", "stretch")
"""Entries of a task that say what the encoder sees of an image."""


def _check_share(table: str, share: float) -> None:
    if not 0 <= share <= 1:
        raise WorkspaceError(f"[{table}] max_failed = {share}; give the share of images that may fail, 0 to 1")


@dataclass(frozen=True)
class Survey:
    """The galaxies with votes: table ``[survey]``."""

    tree: str | None = None
    catalogue: Path | None = None
    images: Path | None = None
    id_column: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    volunteers: float | str | None = None
    min_votes: float | None = None
    max_set_aside: float = MAX_SET_ASIDE
    where: str | None = None
    shards: Path = Path("shards")
    split: tuple[float, float, float] = (0.7, 0.2, 0.1)
    split_seed: int = 0
    rehearsal: int | None = None
    rule: str | None = None
    max_failed: float = MOST_FAILED

    def __post_init__(self) -> None:
        _check_share("survey", self.max_failed)


@dataclass(frozen=True)
class Pool:
    """The galaxies to choose from, and their predictions: table ``[pool]``.

    If `embeddings` names a file of features from another encoder, they are used instead of images and a network.
    """

    catalogue: Path | None = None
    images: Path | None = None
    where: str | None = None
    predictions: Path = Path("predictions")
    draws: int = 64
    draws_from: DrawKind = "dropout"
    seed: int = 0
    batch_size: int = 128
    keep: Keep = "embeddings"
    embeddings: Path | None = None
    embedding_ids: Path | None = None
    embedding_column: str | None = None
    encoder: str | None = None
    max_failures: int | None = None
    max_failed: float = MOST_FAILED
    engine: EngineName = "local"
    workers: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        _check_share("pool", self.max_failed)


@dataclass(frozen=True)
class Acquire(AcquisitionConfig):
    """The choice of galaxies: table ``[acquire]``."""

    n: int = 500
    out: Path = Path("selection.csv")


@dataclass(frozen=True)
class Allocate(AllocationConfig):
    """The allocation of clicks: table ``[allocate]``.

    `draws` is the number of posterior draws per galaxy; by default it is that of the predictions.
    """

    draws: int | None = None
    out: Path = Path("allocation.csv")


@dataclass(frozen=True)
class Rounds:
    """Rounds with volunteers: table ``[loop]``; ``[acquire]`` says what each round asks for.

    The `learner` "network" trains the whole network in every round. The learner "head" trains only the head, on features
    that are computed once with the weights of ``start`` under ``[model]`` (default: the bundled encoder). `strategy`
    replaces "auto", which decides in every round between the score under ``[acquire]`` and random choice.
    """

    folder: Path = Path("loop")
    learner: LearnerKind = "network"
    strategy: LoopStrategy | None = None
    warm: bool = False
    judge_share: float = 0.2
    stop_share: float = 0.2
    stop_rounds: int = 2


@dataclass(frozen=True)
class Zooniverse:
    """Unattended rounds with the Zooniverse: table ``[zooniverse]``.

    `project` and `workflow` are the numbers of both on the Zooniverse. `wording` says how the workflow words the tree, and
    `task` is the key of its first task. `live` and `prioritized` say what is expected; zooactive does not set them. `budget`
    is in clicks (answers of volunteers). `side`, `credit`, `licence` and `columns` are those of ``zooactive export``.
    """

    project: int | None = None
    workflow: int | None = None
    wording: Path | None = None
    task: str = "T0"
    live: bool = True
    prioritized: bool = False
    budget: float | None = None
    price: float | None = None
    retire_share: float = 0.5
    round_days: float = 14.0
    side: int | None = None
    credit: str | None = None
    licence: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskLabels:
    """A question to fine-tune to: table ``[tasks.NAME]``."""

    labels: Path | None = None
    images: Path | None = None
    task: str | None = None
    column: str | None = None
    id_column: str | None = None
    image_column: str | None = None
    volunteers: float | str | None = None
    max_set_aside: float = MAX_SET_ASIDE
    number: bool | None = None
    error_column: str | None = None
    limit_column: str | None = None
    missing: tuple[float, ...] = ()
    redshift: bool | None = None
    policy: str | None = None
    folds: int | None = None
    prevalence: float | None = None
    unfreeze_epochs: int | None = None
    crop: float | None = None
    image_size: int | None = None
    bands: str | tuple[str, ...] | None = None
    stretch: str | tuple[str, ...] | None = None

    def load(self, name: str) -> Task | NumberTask:
        """Load the task: the one that is named, or one for a column of the labels; by default the task called `name`.

        Entries about the image (`OF_PIXELS`) override those of the task itself.
        """
        pixels = {name: value for name in OF_PIXELS if (value := getattr(self, name)) is not None}
        return replace(self._loaded(name), **pixels)

    def _loaded(self, name: str) -> Task | NumberTask:
        columns = {name: getattr(self, name) for name in ("id_column", "image_column", "volunteers")}
        given = {name: value for name, value in columns.items() if value is not None}
        if self.column is not None and self.labels is not None:
            numbers = {name: getattr(self, name) for name in OF_NUMBERS}
            return task_of_column(self.labels, self.column, **given, **numbers)
        if any(getattr(self, name) for name in OF_NUMBERS):
            raise WorkspaceError(f"the task '{name}' has options for numbers, but names no column of numbers; give --column")
        return replace(load_task(self.task or name), **given)
