"""What learns in a round: a whole network, or the head alone on embeddings that are computed once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

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
    """What a `Loop` trains and asks; everything that a fit leaves is in one folder, and a second call finds it there."""

    @property
    def tree(self) -> DecisionTree:
        """The questions that are learnt."""

    def fit(
        self, folder: Path, train_part: Catalogue, validation_part: Catalogue, *, seed: int, before: Path | None
    ) -> None:
        """Learn from some galaxies, while others choose the best epoch; `before` is what an earlier round learnt."""

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Return predictions of galaxies by the model learnt in a folder, and of more galaxies where those are at hand."""

    def model(self, folder: Path) -> AnyModel:
        """Return the model that was learnt in a folder."""

    def known(self, galaxies: Catalogue) -> Known | None:
        """Return galaxies with votes as strategies are tried on them, or None where a fit takes too long for that."""


@dataclass(frozen=True)
class NetworkLearner:
    """Trains a whole network in every round, by `zooactive.train`.

    Parameters
    ----------
    tree : DecisionTree
    network : Network
    training : TrainingConfig
    draws : int
        Of the posterior.
    draws_from : {"dropout", "laplace"}
        As `zooactive.fit_draws`. Those of dropout differ as much after many votes as after few.
    batch_size : int
        Of the prediction.
    progress : callable, "auto" or None
        As of `zooactive.train`, for all that is fitted and predicted.

    Raises
    ------
    ModelError
        For unknown draws.
    """

    tree: DecisionTree
    network: Network
    training: TrainingConfig
    draws: int = 64
    draws_from: DrawKind = "dropout"
    batch_size: int = 128
    progress: Auto | EpochProgress | Watch[EpochProgress] = "auto"

    def __post_init__(self) -> None:
        check_kind(self.draws_from)  # before hours of training, not after

    def fit(
        self, folder: Path, train_part: Catalogue, validation_part: Catalogue, *, seed: int, before: Path | None
    ) -> None:
        """Train a network on some galaxies; a fit that was killed goes on where it was."""
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
        """Predict into a folder beside the model, or find there what was predicted."""
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
        """Return None: a trial would train dozens of networks."""
        del galaxies


class HeadLearner:
    """Fits the head alone, in seconds: the encoder has looked at every image once, before the first round.

    The draws are those of the head's Gaussian posterior (`zooactive.models.fit_bayesian_head`): they come together as votes
    come in. The judges choose the width of its prior and are then learnt from too. A warm start changes nothing.

    Parameters
    ----------
    start : GalaxyModel or EmbeddingModel
        Its encoder is used as it is.
    tree : DecisionTree
        The questions.
    embeddings : Predictions
        Of this encoder, of all galaxies that will be met.
    draws : int
        Of the posterior.
    components : int
        Principal axes of the embeddings that the head looks at.

    Raises
    ------
    PosteriorError
        When the embeddings are of another encoder.
    """

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
        """Fit the head to some galaxies; nothing about the fit is random."""
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
        )
        about = {"precision": fitted.precision, "losses": fitted.losses, "encoder": self.embeddings.encoder}
        write_json(folder / _PRIOR, about)
        fitted.head.save(_draws_file(folder))

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Draw from the embeddings by the head that was fitted, for all galaxies that have some."""
        self._refuse_another_encoder(folder)
        return self.embeddings.redraw(load_draws(_draws_file(folder)), draws=self.draws)

    def model(self, folder: Path) -> AnyModel:
        """Return the encoder with the head that was fitted, whose own draws are then those of dropout."""
        self._refuse_another_encoder(folder)
        head = load_draws(_draws_file(folder))
        assert isinstance(head, LaplaceHead)
        model = self._model.with_tree(self.tree)
        model.put_head(head.kernel, head.bias)
        return model

    def known(self, galaxies: Catalogue) -> Known:
        """Return their features and votes."""
        from zooactive.training.weights import votes_of

        features, concentrations = self._features(galaxies), self._model.concentrations
        votes = votes_of(galaxies).astype(np.float64)
        return Known(galaxies.ids, features, votes, self.tree, concentrations, self._axes, self.draws)

    def _refuse_another_encoder(self, folder: Path) -> None:
        """Refuse a head that was fitted to another encoder's embeddings, which may be as wide as these."""
        with explained(TrainingError, f"{folder / _PRIOR} is damaged ({{reason}}); delete {folder}", OSError, ValueError):
            fitted = read_object(folder / _PRIOR).get("encoder", self.embeddings.encoder)  # before there were marks: any
        if fitted != self.embeddings.encoder:
            raise TrainingError(
                f"{folder} holds a head for the embeddings of another encoder; take that encoder again, or choose another "
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
                f"galaxy '{missing[0]}' has no embedding in {self.embeddings.folder}, as {len(missing)} of {len(galaxies)}; "
                "its image could not be read (failures.parquet there), or it came later: delete the folder"
            )
        return features[[row_of[galaxy_id] for galaxy_id in galaxies.ids]]


_PRIOR = "prior.json"


def _draws_file(folder: Path) -> Path:
    """Return the file of draws that are not those of the model's own dropout."""
    return folder / "draws.npz"
