"""The models that a round trains: a whole network, or only the head on embeddings computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.foundation.errors import TrainingError, explained
from zooactive.foundation.parsing import read_object
from zooactive.foundation.showing import watch_of
from zooactive.foundation.telling import Auto, EpochProgress, Watch
from zooactive.foundation.vocabulary import DrawKind
from zooactive.foundation.writing import write_json
from zooactive.loop.automatic import Known
from zooactive.models import FeatureAxes, LaplaceHead, find_axes, load_draws
from zooactive.prediction import Predictions
from zooactive.training.config import TrainingConfig
from zooactive.training.draws import check_kind
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel
    from zooactive.models.config import Network
    from zooactive.models.loading import AnyModel


class Learner(Protocol):
    """A model that a `Loop` trains and predicts with.

    All files of a fit lie in one folder. A second call finds them there.
    """

    @property
    def tree(self) -> DecisionTree:
        """The decision tree whose questions are learnt."""

    @property
    def judged_in_turn(self) -> bool:
        """Whether a fit takes all randomly drawn galaxies as validation galaxies, and learns from them too."""

    def fit(
        self, folder: Path, train_part: Catalogue, validation_part: Catalogue, *, seed: int, before: Path | None
    ) -> None:
        """Train on some galaxies and validate on others; `before` is the folder of an earlier round's model."""

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Return predictions for these galaxies by the model in a folder, possibly with more galaxies than asked for."""

    def model(self, folder: Path) -> AnyModel:
        """Return the model that was trained in a folder."""

    def known(self, galaxies: Catalogue) -> Known | None:
        """Return galaxies with votes in the form needed to try strategies, or None if a fit takes too long for trials."""


@dataclass(frozen=True)
class NetworkLearner:
    """A learner that trains a whole network in every round, by `zooactive.train`.

    Parameters
    ----------
    tree : DecisionTree
    network : Network
    training : TrainingConfig
    draws : int
        The number of posterior draws.
    draws_from : {"dropout", "laplace"}
        The kind of draws, as in `zooactive.fit_draws`. Draws by dropout differ as much after many votes as after few.
    batch_size : int
        The batch size of predictions.
    progress : callable, "auto" or None
        As in `zooactive.train`, for fits and predictions.

    Raises
    ------
    ModelError
        For an unknown kind of draws.
    """

    tree: DecisionTree
    network: Network
    training: TrainingConfig
    draws: int = 64
    draws_from: DrawKind = "dropout"
    batch_size: int = 128
    progress: Auto | EpochProgress | Watch[EpochProgress] = "auto"
    judged_in_turn: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_kind(self.draws_from)  # before hours of training, not after

    def fit(
        self, folder: Path, train_part: Catalogue, validation_part: Catalogue, *, seed: int, before: Path | None
    ) -> None:
        """Train a network on some galaxies; a fit that was killed resumes where it stopped."""
        from zooactive.models import load_network
        from zooactive.training.draws import fit_draws
        from zooactive.training.train import train

        model = self.network.build(self.tree, seed=seed)
        if before is not None:
            model.start_from(load_network(before))
        config = replace(self.training, seed=seed)
        train(model, train_part, validation=validation_part, run_dir=folder, config=config, progress=self.progress)
        if self.draws_from != "dropout" and not _draws_file(folder).exists():
            with watch_of(self.progress).show(f"fitting {self.draws_from}", len(train_part) + len(validation_part)) as done:
                draws = fit_draws(
                    model,
                    train_part,
                    validation=validation_part,
                    kind=self.draws_from,
                    batch_size=self.batch_size,
                    progress=done,
                )
            draws.save(_draws_file(folder))

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Predict into a folder next to the model, or return the predictions that are already there."""
        from zooactive.prediction import predict

        fitted = _draws_file(folder)  # also of a round that began with other draws
        kept = self.draws_from != "dropout" and fitted.exists()
        with watch_of(self.progress).show("predicting", len(galaxies)) as done:
            return predict(
                self.model(folder),
                galaxies,
                out=folder / f"predictions-{name}",
                draws=self.draws,
                batch_size=self.batch_size,
                draws_from=load_draws(fitted) if kept else None,
                progress=done,
            )

    def model(self, folder: Path) -> GalaxyModel:
        """Load the model of the best epoch."""
        from zooactive.models import load_network

        return load_network(folder)

    def known(self, galaxies: Catalogue) -> None:
        """Return None, because a trial would train dozens of networks."""
        del galaxies


class HeadLearner:
    """A learner that fits only the head, in seconds: the encoder embeds every image once, before the first round.

    The draws come from the head's Gaussian posterior (`zooactive.models.fit_bayesian_head`); they narrow as votes come in.
    The validation galaxies choose the width of its prior in turn, and are trained on as well, so that a loop keeps none
    apart. A warm start changes nothing.

    Parameters
    ----------
    start : GalaxyModel or EmbeddingModel
        The model whose encoder is used, unchanged.
    tree : DecisionTree
        The questions.
    embeddings : Predictions
        The embeddings by this encoder of all galaxies that the loop will use.
    draws : int
        The number of posterior draws.
    components : int
        The number of principal components of the embeddings that the head is fitted to.

    Raises
    ------
    PosteriorError
        When another encoder made the embeddings.
    """

    judged_in_turn: ClassVar[bool] = True

    def __init__(
        self,
        start: AnyModel,
        tree: DecisionTree,
        embeddings: Predictions,
        *,
        draws: int = 64,
        components: int = 128,
    ) -> None:
        embeddings.refuse_another_encoder(start)
        self.tree, self.embeddings, self.draws = tree, embeddings, draws
        self._components = components
        self._model = start.with_tree(tree, concentrations="fraction" if tree.votes == "class" else None)

    def fit(
        self, folder: Path, train_part: Catalogue, validation_part: Catalogue, *, seed: int, before: Path | None
    ) -> None:
        """Fit the head to some galaxies; the fit has no random part."""
        from zooactive.models import fit_bayesian_head
        from zooactive.training.weights import votes_of

        if _draws_file(folder).exists():
            self._refuse_another_encoder(folder)
            return
        fitted = fit_bayesian_head(
            (self._features(train_part), votes_of(train_part)),
            (self._features(validation_part), votes_of(validation_part)),
            self.tree,
            self._axes,
            concentrations=self._model.concentrations,
            in_turn=True,
        )
        about = {"precision": fitted.precision, "losses": fitted.losses, "encoder": self.embeddings.encoder}
        write_json(folder / _PRIOR, about)
        fitted.head.save(_draws_file(folder))

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Draw posteriors with the fitted head for all galaxies that have embeddings."""
        self._refuse_another_encoder(folder)
        return self.embeddings.redraw(load_draws(_draws_file(folder)), draws=self.draws)

    def model(self, folder: Path) -> AnyModel:
        """Return the encoder with the fitted head; the draws of this model are by dropout."""
        self._refuse_another_encoder(folder)
        head = load_draws(_draws_file(folder))
        assert isinstance(head, LaplaceHead)
        model = self._model.with_tree(self.tree)
        model.put_head(head.kernel, head.bias)
        return model

    def known(self, galaxies: Catalogue) -> Known:
        """Return the features and votes of these galaxies."""
        from zooactive.training.weights import votes_of

        features, concentrations = self._features(galaxies), self._model.concentrations
        votes = votes_of(galaxies).astype(np.float64)
        return Known(galaxies.ids, features, votes, self.tree, concentrations, self._axes, self.draws)

    def _refuse_another_encoder(self, folder: Path) -> None:
        """Raise a TrainingError if the head was fitted to another encoder's embeddings, which may have the same width."""
        with explained(TrainingError, f"{folder / _PRIOR} is damaged ({{reason}}); delete {folder}", OSError, ValueError):
            fitted = read_object(folder / _PRIOR).get("encoder", self.embeddings.encoder)  # old files name no encoder
        if fitted != self.embeddings.encoder:
            raise TrainingError(
                f"{folder} holds a head for the embeddings of another encoder; use that encoder again, or choose another "
                "folder for the loop"
            )

    @cached_property
    def _axes(self) -> FeatureAxes:
        return find_axes((features for _, features in self.embeddings.embeddings()), components=self._components)

    def _features(self, galaxies: Catalogue) -> NDArray[np.float16]:
        ids, features = self.embeddings.embeddings_of(galaxies.ids)
        row_of = {galaxy_id: row for row, galaxy_id in enumerate(ids)}
        missing = [galaxy_id for galaxy_id in galaxies.ids if galaxy_id not in row_of]
        if missing:
            raise TrainingError(
                f"{len(missing)} of {len(galaxies)} galaxies, such as '{missing[0]}', have no embedding in "
                f"{self.embeddings.folder}: their images could not be read (see failures.parquet there), or the galaxies "
                "were added later; delete the folder to embed them"
            )
        return features[[row_of[galaxy_id] for galaxy_id in galaxies.ids]]


_PRIOR = "prior.json"


def _draws_file(folder: Path) -> Path:
    """Return the file of fitted draws, for draws other than the model's own dropout."""
    return folder / "draws.npz"
