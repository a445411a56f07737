"""Training recipes: what a paper did, or what we found best, as small TOML files.

A recipe has a table ``[model]``, the settings of `Network`, and a table ``[training]``, those of `TrainingConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.errors import TrainingError, did_you_mean
from zooactive.images import Preprocessing
from zooactive.plain_values import from_toml
from zooactive.settings import read_section
from zooactive.training_config import TrainingConfig
from zooactive.tree import DecisionTree
from zooactive.tree_files import catalogs_folder

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel


_TEXTS = ("name", "title", "citation", "notes")


@dataclass(frozen=True)
class Network:
    """The settings of a model: table ``[model]`` of a workspace or a recipe; see `GalaxyModel` and `Preprocessing`.

    Parameters
    ----------
    questions : tuple of str
        The questions of the survey's tree to learn; by default all.
    start : str, optional
        Whose weights to start from: "bundled" for the encoder that comes with zooactive, the folder of a model, "imagenet",
        or a safetensors file of timm's or Zoobot's EfficientNet-B0 (see `zooactive.models.load_published`).
    folder : Path
        Of the run.
    """

    backbone: str = "efficientnet_b0"
    image_size: int = 224
    channels: int = 3
    crop: float = 1.0
    standardise: bool = False
    scales: tuple[float, ...] = (1.0,)
    dropout: float = 0.2
    concentrations: str = "softplus"
    precision: str = "float32"
    questions: tuple[str, ...] = ()
    start: str | None = None
    folder: Path = Path("runs/first")

    def preprocessing(self) -> Preprocessing:
        """What happens to an image before the network sees it."""
        return Preprocessing(
            size=self.image_size,
            channels=self.channels,
            crop=self.crop,
            standardise=self.standardise,
            scales=self.scales,
        )

    def build(self, tree: DecisionTree, *, seed: int = 0) -> GalaxyModel:
        """Build the model for a tree of questions, with fresh weights or those to start from.

        Parameters
        ----------
        tree : DecisionTree
            Where `questions` are named, only these are learnt.
        seed : int
            Of the first weights and of the dropout in training.

        Raises
        ------
        ModelError
            When settings contradict each other, or there is nothing to start from.
        """
        from zooactive.models import GalaxyModel, load_model
        from zooactive.models.published_weights import is_published, start_from_published

        model = GalaxyModel(
            tree.only(self.questions) if self.questions else tree,
            backbone=self.backbone,
            dropout=self.dropout,
            concentrations=self.concentrations,
            precision=self.precision,
            preprocessing=self.preprocessing(),
            seed=seed,
        )
        if self.start is not None:
            if is_published(self.start):
                start_from_published(model, self.start)
            else:
                model.start_from(load_model(self.start))
        return model


@dataclass(frozen=True)
class Recipe:
    """A named way of training.

    Parameters
    ----------
    name, title, citation, notes : str
        `notes` says where the recipe departs from the paper.
    network : Network
    training : TrainingConfig
    tables : mapping
        What the file says, so that a workspace can lay its own entries over it.
    """

    name: str
    title: str
    citation: str
    notes: str
    network: Network
    training: TrainingConfig
    tables: Mapping[str, Any] = field(repr=False, default_factory=dict)


def list_recipes() -> tuple[str, ...]:
    """Names of the recipes that come with zooactive, sorted."""
    return tuple(sorted(path.stem for path in (catalogs_folder() / "recipes").glob("*.toml")))


def load_recipe(name: str | Path) -> Recipe:
    """Load a recipe by its name, or from a TOML file of one's own.

    Raises
    ------
    TrainingError
        When there is no such recipe, or its file is none.
    WorkspaceError
        When it has unknown or ill-typed entries.

    Examples
    --------
    >>> load_recipe("zhu2019").network.backbone
    'resnet26'
    """
    path = Path(name) if str(name).endswith(".toml") else catalogs_folder() / "recipes" / f"{name}.toml"
    try:
        values = from_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TrainingError(
            f"there is no recipe '{name}'.{did_you_mean(str(name), list_recipes())} "
            f"Known are {', '.join(list_recipes())}; a recipe of your own is a path that ends in .toml"
        ) from error
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path} is no readable TOML: {error}") from error
    known = [*_TEXTS, "model", "training"]
    for key in values:
        if key not in known:
            raise TrainingError(f"{path}: the entry '{key}' is unknown.{did_you_mean(key, known)}")
    texts = {key: values.get(key, "") for key in _TEXTS}
    if not texts["name"] or not all(isinstance(text, str) for text in texts.values()):
        raise TrainingError(f"{path}: a recipe needs a name; name, title, citation and notes are texts")
    tables = {table: values.get(table, {}) for table in ("model", "training")}
    network = read_section(Network, tables["model"], file=path, table="model")
    training = read_section(TrainingConfig, tables["training"], file=path, table="training")
    return Recipe(**texts, network=network, training=training, tables=tables)
