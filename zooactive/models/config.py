"""The settings of a model as plain values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.catalogue import Preprocessing
from zooactive.models.backbones.names import refuse_bands, refuse_unregistered
from zooactive.models.places import local_start
from zooactive.models.published.architectures import described, refuse_other_backbone
from zooactive.models.published.names import IMAGENET, is_published, published_file
from zooactive.models.published.origin import Origin, origin_of_weights
from zooactive.models.saved_form import config_of, refuse_other_network, stored_origin
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    from zooactive.models.galaxy_model import GalaxyModel


@dataclass(frozen=True)
class Network:
    """The settings of a model: table ``[model]`` of a workspace or a recipe; see `GalaxyModel` and `Preprocessing`.

    Parameters
    ----------
    questions : tuple of str
        The questions of the survey's tree to learn; by default all of them.
    start : str, optional
        The weights to start from: "bundled" for the encoder that comes with zooactive, the folder of a model, "imagenet", a
        file or folder of a network of timm or Zoobot (see `zooactive.models.load_published`), or a repository on the Hugging
        Face hub with either of these, "hf://USER/NAME" or "hf://USER/NAME@REVISION".
    folder : Path
        The folder of the run.
    """

    backbone: str = "efficientnet_b0"
    image_size: int = 224
    channels: int = 3
    crop: float = 1.0
    standardise: bool = False
    scales: tuple[float, ...] = (1.0,)
    bands: str | tuple[str, ...] | None = None
    stretch: str | tuple[str, ...] = "asinh"
    dropout: float = 0.2
    concentrations: str = "softplus"
    precision: str = "float32"
    questions: tuple[str, ...] = ()
    start: str | None = None
    folder: Path = Path("runs/first")

    def preprocessing(self) -> Preprocessing:
        """Return the steps that an image goes through before the network sees it."""
        return Preprocessing(
            size=self.image_size,
            channels=self.channels,
            crop=self.crop,
            standardise=self.standardise,
            scales=self.scales,
            bands=self.bands,
            stretch=self.stretch,
        )

    def fetched(self) -> Network:
        """Return the same settings with the weights to start from on this machine; a ModelError if fetching fails."""
        return self if self.start is None else replace(self, start=local_start(self.start))

    def origin(self) -> Origin | None:
        """Return the origin of the weights to start from, with their licence, or None if it is not known."""
        start = None if self.start is None else local_start(self.start)
        if start is None:
            return None
        return origin_of_weights(start) if is_published(start) else stored_origin(start)

    def spreads(self) -> bool:
        """Return whether listed bands replace other channels that the weights to start from were trained on."""
        start, mine = None if self.start is None else local_start(self.start), self.preprocessing()
        if start is None or is_published(start):
            return start is not None and mine.listed is not None
        theirs = Preprocessing.from_dict(config_of(start)["preprocessing"])
        return theirs.channel_names != mine.channel_names

    def check(self) -> None:
        """Raise a ModelError for an unknown network, and for weights to start from that are missing or of another network.

        This check does not load Keras.
        """
        refuse_unregistered(self.backbone)
        mine = self.preprocessing()
        refuse_bands(self.backbone, mine.listed)
        start = None if self.start is None else local_start(self.start)
        if start is None:
            return
        if is_published(start):
            theirs_told = None if start == IMAGENET else described(published_file(start))
            if theirs_told is not None:
                refuse_other_backbone(self.backbone, theirs_told.backbone, start)
            return
        theirs = config_of(start)
        refuse_other_network((self.backbone, mine), (theirs["backbone"], Preprocessing.from_dict(theirs["preprocessing"])))

    def build(self, tree: DecisionTree, *, seed: int = 0) -> GalaxyModel:
        """Build the model for a tree of questions, with fresh weights or with the weights to start from.

        Parameters
        ----------
        tree : DecisionTree
            The tree. If `questions` are named, only these are learnt.
        seed : int
            The seed for the initial weights and for dropout in training.

        Raises
        ------
        ModelError
            If settings contradict each other, or the weights to start from do not exist.
        """
        from zooactive.models.galaxy_model import GalaxyModel
        from zooactive.models.loading import load_network
        from zooactive.models.published_weights import start_from_published

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
            start = local_start(self.start)
            if is_published(start):
                start_from_published(model, start)
            else:
                model.start_from(load_network(start))
        return model
