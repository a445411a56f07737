"""A workspace: a folder with ``zooactive.toml``, which says once what every command needs."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zooactive.addresses import own_path
from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.class_rules import load_rule
from zooactive.errors import WorkspaceError, did_you_mean
from zooactive.images import Preprocessing
from zooactive.plain_values import from_toml
from zooactive.recipes import Network, Recipe, load_recipe
from zooactive.settings import read_section
from zooactive.tables import tree_of_shards
from zooactive.tasks import Task, load_task, task_of_column
from zooactive.training_config import TrainingConfig
from zooactive.tree import DecisionTree
from zooactive.tree_files import BUNDLED, IMAGENET, load_tree
from zooactive.writing import file_hash

FILE = "zooactive.toml"


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
    where: str | None = None
    shards: Path = Path("shards")
    split: tuple[float, float, float] = (0.7, 0.2, 0.1)
    split_seed: int = 0
    rehearsal: int | None = None
    rule: str | None = None


@dataclass(frozen=True)
class Pool:
    """The galaxies to choose from, and their predictions: table ``[pool]``."""

    catalogue: Path | None = None
    images: Path | None = None
    where: str | None = None
    predictions: Path = Path("predictions")
    draws: int = 64
    draws_from: str = "dropout"
    seed: int = 0
    batch_size: int = 128
    keep: str = "embeddings"
    max_failures: int | None = None
    engine: str = "local"
    workers: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class Acquire:
    """How galaxies are chosen: table ``[acquire]``."""

    n: int = 500
    votes: int = 40
    score: str = "mutual_information"
    random_share: float = 0.1
    beta: float = 4.0
    per_clicks: float = 0.0
    max_artifact: float | None = None
    target: str | None = None
    seed: int = 0
    out: Path = Path("selection.csv")


@dataclass(frozen=True)
class Rounds:
    """How rounds with volunteers are played: table ``[loop]``; what each asks for is said in ``[acquire]``.

    Parameters
    ----------
    learner : {"network", "head"}
        What is trained in every round: the whole network, or the head alone on the features that the weights of ``start``
        under ``[model]`` (default: the bundled encoder) give, which are computed once.
    strategy : str, optional
        In place of the score under ``[acquire]``.
    """

    folder: Path = Path("loop")
    learner: str = "network"
    strategy: str | None = None
    warm: bool = False
    judge_share: float = 0.2
    stop_share: float = 0.2
    stop_rounds: int = 2

    def __post_init__(self) -> None:
        if self.learner not in ("network", "head"):
            raise WorkspaceError(f"learner = '{self.learner}'; give 'network' or 'head'")


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
    policy: str | None = None
    folds: int | None = None
    prevalence: float | None = None
    unfreeze_epochs: int | None = None

    def load(self, name: str) -> Task:
        """Load the task: the one named, or one of a column of the labels; by default that of the table's own name."""
        columns = {name: getattr(self, name) for name in ("id_column", "image_column", "volunteers")}
        given = {name: value for name, value in columns.items() if value is not None}
        if self.column is not None and self.labels is not None:
            return task_of_column(self.labels, self.column, **given)
        return replace(load_task(self.task or name), **given)


@dataclass(frozen=True)
class Workspace:
    """What ``zooactive.toml`` says; paths are absolute.

    Examples
    --------
    >>> Workspace(Path("/nowhere")).acquire.n
    500
    """

    folder: Path
    survey: Survey = field(default_factory=Survey)
    model: Network = field(default_factory=Network)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    pool: Pool = field(default_factory=Pool)
    acquire: Acquire = field(default_factory=Acquire)
    loop: Rounds = field(default_factory=Rounds)
    tasks: Mapping[str, TaskLabels] = field(default_factory=dict)
    recipe: Recipe | None = None

    def with_recipe(self, name: str | Path) -> Workspace:
        """Return a workspace with the model and the training of a recipe; where the run lies stays as it was."""
        recipe = load_recipe(name)
        model = replace(recipe.network, folder=self.model.folder)
        return replace(self, model=model, training=recipe.training, recipe=recipe)

    def with_options(self, **sections: Mapping[str, Any]) -> Workspace:
        """Return a workspace in which the options that are not None take the place of what the file says."""
        changed = {
            name: replace(getattr(self, name), **{key: value for key, value in options.items() if value is not None})
            for name, options in sections.items()
        }
        return replace(self, **changed)

    def read_survey(self) -> Catalogue:
        """Read the galaxies with votes: from the packed shards where they are, else from the catalogue.

        Raises
        ------
        WorkspaceError
            When the workspace names no catalogue or no tree.
        """
        return self._rehearsed(self._everything())

    def read_originals(self) -> Catalogue:
        """Read the galaxies with votes from the catalogue itself, no vote hidden; by a rule, their clean classes.

        Raises
        ------
        WorkspaceError
            When the workspace names no catalogue or no tree.
        """
        survey = self.survey
        self._refuse_nameless()
        assert survey.catalogue is not None
        galaxies = read_catalogue(
            survey.catalogue,
            tree=survey.tree,
            images=survey.images,
            id_column=survey.id_column,
            image_column=survey.image_column,
            label_column=survey.label_column,
            volunteers=survey.volunteers,
            min_votes=survey.min_votes,
            where=survey.where,
        )
        return galaxies if survey.rule is None else load_rule(survey.rule).apply(galaxies)

    def survey_tree(self) -> DecisionTree:
        """The tree of what `read_survey` gives: that of the survey's votes, or of the classes that a rule makes of them.

        Raises
        ------
        WorkspaceError
            When the workspace names no tree.
        """
        if self.survey.rule is not None:
            return load_rule(self.survey.rule).result
        return self._tree_of_votes()

    def _refuse_nameless(self) -> None:
        if self.survey.catalogue is None:
            raise WorkspaceError(
                f"no catalogue is named; give --catalogue, or set catalogue under [survey] in {self.folder / FILE} "
                "(`zooactive init` writes one)"
            )
        self._tree_of_votes()

    def _tree_of_votes(self) -> DecisionTree:
        """The tree that is named, or else that of a catalogue of shards."""
        if self.survey.tree is not None:
            return load_tree(self.survey.tree)
        stored = self._stored_tree()
        if stored is None:
            raise WorkspaceError(
                f"no decision tree is named; give --tree, or set tree under [survey] in {self.folder / FILE} "
                "(`zooactive trees` lists them)"
            )
        return DecisionTree.from_dict(stored, where=str(self.survey.catalogue))

    def _stored_tree(self) -> dict[str, Any] | None:
        return None if self.survey.catalogue is None else tree_of_shards(self.survey.catalogue)

    @property
    def has_tree(self) -> bool:
        """Whether it is known what the survey's volunteers were asked."""
        return self.survey.rule is not None or self.survey.tree is not None or self._stored_tree() is not None

    def _everything(self) -> Catalogue:
        self._refuse_nameless()
        everything = self._packed_survey() or self.read_originals()
        return everything.only(self.model.questions) if self.model.questions else everything

    def _rehearsed(self, everything: Catalogue) -> Catalogue:
        labelled = self.survey.rehearsal
        return everything if labelled is None else everything.rehearse(labelled, seed=self.survey.split_seed)

    def shards_record(self) -> dict[str, Any]:
        """What packed shards must have been made of to stand for this survey: file, columns, votes and pixels."""
        survey = self.survey
        assert survey.catalogue is not None
        catalogue = survey.catalogue
        digest = file_hash(catalogue) if catalogue.is_file() else str(catalogue)
        settings = {
            name: getattr(survey, name) for name in ("id_column", "image_column", "volunteers", "min_votes", "where")
        }
        pixels = self.packed_pixels().to_dict()
        # All of the tree, and not its name: a tree of one's own may be edited.
        tree = self._tree_of_votes().to_dict()
        classes: dict[str, Any] = {} if survey.rule is None else {"rule": load_rule(survey.rule).to_dict()}
        classes |= {} if survey.label_column is None else {"label_column": survey.label_column}
        return {"catalogue": digest, "images": str(survey.images), "tree": tree, **classes, **settings, "pixels": pixels}

    def packed_pixels(self) -> Preprocessing:
        """How images are packed: wide enough for every view of them that training shows."""
        return self.training.augmentation.canvas(self.model.preprocessing())

    def _packed_survey(self) -> Catalogue | None:
        """The survey from its shards, unless they were never made or made of something else."""
        try:
            made = json.loads((self.survey.shards / "how.json").read_text(encoding="utf-8"))["options"]
        except (OSError, ValueError, KeyError):
            return None
        if made == json.loads(json.dumps(self.shards_record())):
            return read_catalogue(self.survey.shards)
        warnings.warn(
            f"{self.survey.shards}: packed from another catalogue or with other settings, so the original images are read; "
            "delete the folder and run `zooactive prepare` again",
            stacklevel=2,
        )
        return None

    def read_pool(self) -> Catalogue:
        """Read the galaxies to choose from: those that it asks for of ``[pool]``'s own catalogue or else the survey's."""
        if self.pool.catalogue is None:
            return read_catalogue(self.read_survey(), where=self.pool.where)
        return read_catalogue(
            self.pool.catalogue,
            images=self.pool.images,
            id_column=self.survey.id_column,
            image_column=self.survey.image_column,
            where=self.pool.where,
        )

    def split_survey(self) -> tuple[Catalogue, ...]:
        """Split the survey's galaxies by hashed id: training, validation, test.

        A rehearsal hides votes from the first two alone: galaxies of the test part are never learnt from.
        """
        everything, ratios, seed = self._everything(), self.survey.split, self.survey.split_seed
        learning, validation, _ = self._rehearsed(everything).split(ratios, seed=seed)
        return learning, validation, everything.split(ratios, seed=seed)[-1]


def find_workspace(start: str | Path | None = None) -> Workspace:
    """Load the nearest ``zooactive.toml`` at or above a folder; without one, a workspace of defaults.

    Raises
    ------
    WorkspaceError
        When the file is no TOML, or has unknown or ill-typed entries.
    """
    folder = Path(start or ".").resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file():
            return load_workspace(candidate / FILE)
    if start is not None and not folder.is_dir():
        raise WorkspaceError(f"there is no folder {folder}; `zooactive init` makes a workspace")
    return _workspace({}, folder / FILE)


def load_workspace(path: str | Path) -> Workspace:
    """Load a workspace file; relative paths in it start from its folder.

    Raises
    ------
    WorkspaceError
        When the file is no TOML, or has unknown or ill-typed entries.
    """
    path = Path(path).resolve()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} cannot be read: {error}; `zooactive init` writes another") from error
    return parse_workspace(text, path)


def parse_workspace(text: str, path: Path) -> Workspace:
    """Make a workspace from the text of its file, which lies or will lie at `path`.

    Raises
    ------
    WorkspaceError
        When the text is no TOML, or has unknown or ill-typed entries.
    """
    try:
        values = from_toml(text)
    except ValueError as error:
        raise WorkspaceError(f"{path} is no valid TOML: {error}; mend that line") from error
    return _workspace(values, path)


def _workspace(values: Mapping[str, Any], path: Path) -> Workspace:
    sections = {"survey": Survey, "model": Network, "training": TrainingConfig, "pool": Pool, "acquire": Acquire} | {
        "loop": Rounds
    }
    for key, value in values.items():
        if key not in {*sections, "tasks", "recipe"}:
            raise WorkspaceError(f"{path}: the table [{key}] is unknown.{did_you_mean(key, [*sections, 'tasks'])}")
        if key != "recipe" and not isinstance(value, dict):
            raise WorkspaceError(f"{path}: {key} must be a table; write [{key}]")
    recipe = _named_recipe(values, path)
    values = values if recipe is None else _over_recipe(values, recipe)
    loaded: dict[str, Any] = {
        name: read_section(cls, values.get(name, {}), file=path, table=name) for name, cls in sections.items()
    }
    tasks = {
        name: read_section(TaskLabels, entry, file=path, table=f"tasks.{name}")
        for name, entry in values.get("tasks", {}).items()
    }
    tasks = {name: replace(task, task=_own_file(task.task, path.parent)) for name, task in tasks.items()}
    if loaded["model"].start not in (None, BUNDLED, IMAGENET):
        loaded["model"] = replace(loaded["model"], start=str(path.parent / own_path(loaded["model"].start)))
    files = {entry: _own_file(getattr(loaded["survey"], entry), path.parent) for entry in ("tree", "rule")}
    loaded["survey"] = replace(loaded["survey"], **files)
    return Workspace(path.parent, tasks=tasks, recipe=recipe, **loaded)


def _named_recipe(values: Mapping[str, Any], path: Path) -> Recipe | None:
    name = values.get("recipe")
    if name is None:
        return None
    if not isinstance(name, str):
        raise WorkspaceError(f"{path}: recipe = {name!r}; give the name of a recipe, or a path that ends in .toml")
    return load_recipe(_own_file(name, path.parent) or name)


def _over_recipe(values: Mapping[str, Any], recipe: Recipe) -> Mapping[str, Any]:
    """What the file says, and below it what its recipe says of the model and the training."""
    both = {table: _merged(recipe.tables.get(table, {}), values.get(table, {})) for table in ("model", "training")}
    return {**values, **both}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables as one, tables inside them too; where both have an entry, the one above counts."""
    both = [key for key, value in above.items() if isinstance(value, Mapping) and isinstance(below.get(key), Mapping)]
    tables = {key: _merged(below[key], above[key]) for key in both}
    return {**below, **above, **tables}


def _own_file(name: str | None, folder: Path) -> str | None:
    """The name of a tree, rule or task as it is, or the path of one's own .toml file from the workspace's folder."""
    return str(folder / own_path(name)) if name is not None and name.endswith(".toml") else name
