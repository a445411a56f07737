"""A workspace: a folder with ``zooactive.toml``, which says once what every command needs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.errors import WorkspaceError, did_you_mean
from zooactive.training import TrainingConfig
from zooactive.writing import aside, file_hash

FILE = "zooactive.toml"
Section = TypeVar("Section")


@dataclass(frozen=True)
class Survey:
    """The galaxies with votes: table ``[survey]``."""

    tree: str | None = None
    catalogue: Path | None = None
    images: Path | None = None
    id_column: str | None = None
    image_column: str | None = None
    volunteers: float | None = None
    min_votes: float | None = None
    where: str | None = None
    shards: Path = Path("shards")
    split: tuple[float, float, float] = (0.7, 0.2, 0.1)
    split_seed: int = 0
    rehearsal: int | None = None


@dataclass(frozen=True)
class Network:
    """The model: table ``[model]``."""

    backbone: str = "efficientnet_b0"
    image_size: int = 224
    channels: int = 3
    crop: float = 1.0
    dropout: float = 0.2
    folder: Path = Path("runs/first")


@dataclass(frozen=True)
class Pool:
    """The galaxies to choose from, and their predictions: table ``[pool]``."""

    catalogue: Path | None = None
    images: Path | None = None
    predictions: Path = Path("predictions")
    draws: int = 64
    seed: int = 0
    batch_size: int = 128


@dataclass(frozen=True)
class Acquire:
    """How galaxies are chosen: table ``[acquire]``."""

    n: int = 500
    votes: int = 40
    score: str = "mutual_information"
    random_share: float = 0.1
    beta: float = 4.0
    seed: int = 0
    out: Path = Path("selection.csv")


@dataclass(frozen=True)
class TaskLabels:
    """A question to fine-tune to: table ``[tasks.NAME]``."""

    labels: Path | None = None
    images: Path | None = None
    task: str | None = None
    unfreeze_epochs: int = 0


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
    tasks: Mapping[str, TaskLabels] = field(default_factory=dict)

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
        survey = self.survey
        if survey.catalogue is None:
            raise WorkspaceError(
                f"no catalogue is named; give --catalogue, or set catalogue under [survey] in {self.folder / FILE}"
            )
        if survey.tree is None:
            raise WorkspaceError(
                f"no decision tree is named; give --tree, or set tree under [survey] in {self.folder / FILE} "
                "(`zooactive trees` lists them)"
            )
        catalogue = self._packed_survey() or read_catalogue(
            survey.catalogue,
            tree=survey.tree,
            images=survey.images,
            id_column=survey.id_column,
            image_column=survey.image_column,
            volunteers=survey.volunteers,
            min_votes=survey.min_votes,
            where=survey.where,
        )
        return catalogue if survey.rehearsal is None else catalogue.rehearse(survey.rehearsal, seed=survey.split_seed)

    def without_rehearsal(self) -> Workspace:
        """The workspace with every vote in sight."""
        return replace(self, survey=replace(self.survey, rehearsal=None))

    def shards_record(self) -> dict[str, Any]:
        """What packed shards must have been made of to stand for this survey: file, columns, votes and pixels."""
        survey, model = self.survey, self.model
        assert survey.catalogue is not None
        catalogue = survey.catalogue
        digest = file_hash(catalogue) if catalogue.is_file() else str(catalogue)
        settings = {name: getattr(survey, name) for name in ("tree", "id_column", "image_column", "volunteers", "where")}
        pixels = {name: getattr(model, name) for name in ("image_size", "channels", "crop")}
        return {"catalogue": digest, "images": str(survey.images), "min_votes": survey.min_votes, **settings, **pixels}

    def _packed_survey(self) -> Catalogue | None:
        """The survey from its shards, unless they were never made or made of something else."""
        try:
            made = json.loads((self.survey.shards / "how.json").read_text(encoding="utf-8"))["options"]
        except (OSError, ValueError, KeyError):
            return None
        return read_catalogue(self.survey.shards) if made == self.shards_record() else None

    def read_pool(self) -> Catalogue:
        """Read the galaxies to choose from: ``[pool]``'s own catalogue, or all of the survey's."""
        if self.pool.catalogue is None:
            return self.read_survey()
        return read_catalogue(
            self.pool.catalogue,
            images=self.pool.images,
            id_column=self.survey.id_column,
            image_column=self.survey.image_column,
        )

    def split_survey(self) -> tuple[Catalogue, ...]:
        """Split the survey's galaxies by hashed id: training, validation, test.

        A rehearsal hides votes from the first two alone: galaxies of the test part are never learnt from.
        """
        learning, validation, _ = self.read_survey().split(self.survey.split, seed=self.survey.split_seed)
        everything = self.without_rehearsal().read_survey()
        return learning, validation, everything.split(self.survey.split, seed=self.survey.split_seed)[-1]


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
    return Workspace(folder)


def load_workspace(path: str | Path) -> Workspace:
    """Load a workspace file."""
    path = Path(path).resolve()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{path} is no readable TOML: {error}") from error
    sections = {"survey": Survey, "model": Network, "training": TrainingConfig, "pool": Pool, "acquire": Acquire}
    for key, value in values.items():
        if key not in {*sections, "tasks"}:
            raise WorkspaceError(f"{path}: the table [{key}] is unknown.{did_you_mean(key, [*sections, 'tasks'])}")
        if not isinstance(value, dict):
            raise WorkspaceError(f"{path}: {key} must be a table; write [{key}]")
    loaded: dict[str, Any] = {
        name: _section(cls, values.get(name, {}), where=f"{path}, [{name}]", folder=path.parent)
        for name, cls in sections.items()
    }
    tasks = {
        name: _section(TaskLabels, entry, where=f"{path}, [tasks.{name}]", folder=path.parent)
        for name, entry in values.get("tasks", {}).items()
    }
    return Workspace(path.parent, tasks=tasks, **loaded)


def _section(cls: type[Section], values: object, *, where: str, folder: Path) -> Section:
    if not isinstance(values, dict):
        raise WorkspaceError(f"{where} must be a table")
    hints = get_type_hints(cls)
    out: dict[str, Any] = {}
    for entry in fields(cls):  # type: ignore[arg-type]
        if entry.name in values:
            out[entry.name] = _typed(values[entry.name], hints[entry.name], f"{where}: {entry.name}")
        elif isinstance(entry.default, Path):
            out[entry.name] = entry.default
    for key in values:
        if key not in hints:
            raise WorkspaceError(f"{where}: the entry '{key}' is unknown.{did_you_mean(key, hints)}")
    return cls(**{key: folder / value if isinstance(value, Path) else value for key, value in out.items()})


def _typed(value: object, hint: Any, where: str) -> Any:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if Path in kinds and isinstance(value, str):
        return Path(value).expanduser()
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        wanted = get_args(hint)
        if len(value) == len(wanted) and all(isinstance(item, int | float) for item in value):
            return tuple(float(item) for item in value)
        raise WorkspaceError(f"{where} = {value}; give a list of {len(wanted)} numbers")
    plain = tuple(kind for kind in kinds if isinstance(kind, type) and kind is not type(None))
    if not isinstance(value, plain) or (isinstance(value, bool) and bool not in plain):
        names = " or ".join("text" if kind in (str, Path) else kind.__name__ for kind in plain)
        raise WorkspaceError(f"{where} = {value!r}; give {names}")
    return value


_TEMPLATE = """\
# A zooactive workspace. Every value can be given as an option of a command instead; paths start from this file.

[survey]
tree = "{tree}"              # `zooactive trees` lists them; a path that ends in .toml is a tree of your own
catalogue = "{catalogue}"    # CSV, Parquet, FITS or VOTable: an id, an image and vote columns, matched by name
{images}# volunteers = 40          # behind each fraction, where the catalogue has fractions and no counts
# min_votes = 30           # votes on the first question from which a galaxy counts as labelled
# where = "mag_r < 17.7"   # keep some galaxies only
split = {split}  # training, validation, test: by hashed id
{rehearsal}

[model]
backbone = "{backbone}"      # or "resnet26", "small_cnn"
image_size = {image_size}
folder = "runs/first"

[training]
epochs = {epochs}
batch_size = {batch_size}
learning_rate = {learning_rate}
patience = {patience}             # epochs without a better validation loss, then stop
# seed = 0

[pool]
{pool}predictions = "predictions"
draws = 64

[acquire]
n = {n}
votes = 40                 # volunteers that each chosen galaxy will be shown to
# random_share = 0.1       # reserved for galaxies drawn at random: never train on them, they keep the metrics honest
out = "selection.csv"
"""


def write_workspace(folder: str | Path, *, tree: str, catalogue: str, **values: Any) -> Path:
    """Write a commented ``zooactive.toml`` into a folder.

    Parameters
    ----------
    folder : path
    tree, catalogue : str
    **values
        Any of images, backbone, image_size, epochs, batch_size, learning_rate, patience, n, pool,
        split, rehearsal, and `tasks`: name to (labels, images).

    Raises
    ------
    WorkspaceError
        When the folder has one already.
    """
    path = Path(folder) / FILE
    if path.exists():
        raise WorkspaceError(f"{path} is there already; edit it, or choose another folder")
    training = TrainingConfig()
    images, pool, rehearsal = values.get("images"), values.get("pool"), values.get("rehearsal")
    text = _TEMPLATE.format(
        tree=tree,
        catalogue=catalogue,
        images=f'images = "{images}"\n' if images else '# images = "images"        # where relative image paths start\n',
        rehearsal=(f"rehearsal = {rehearsal}" if rehearsal else "# rehearsal = 2000")
        + "         # pretend that only so many galaxies, by hashed id, have votes yet",
        split=list(values.get("split") or Survey().split),
        backbone=values.get("backbone") or "efficientnet_b0",
        image_size=values.get("image_size") or 224,
        epochs=values.get("epochs") or training.epochs,
        batch_size=values.get("batch_size") or training.batch_size,
        learning_rate=values.get("learning_rate") or training.learning_rate,
        patience=values.get("patience") or training.patience,
        n=values.get("n") or 500,
        pool=f'catalogue = "{pool}"\n' if pool else '# catalogue = "pool.csv"    # default: the survey\'s own galaxies\n',
    )
    tasks = values.get("tasks") or {}
    assert isinstance(tasks, dict)
    for name, (labels, task_images) in tasks.items():
        text += f'\n[tasks.{name}]\nlabels = "{labels}"\n' + (f'images = "{task_images}"\n' if task_images else "")
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    load_workspace(path)
    return path
