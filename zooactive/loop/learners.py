"""What learns in a round: a whole network, or the head alone on embeddings that are computed once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.errors import TrainingError
from zooactive.prediction import Predictions
from zooactive.training_config import TrainingConfig
from zooactive.tree import DecisionTree
from zooactive.writing import aside

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel
    from zooactive.recipes import Network
    from zooactive.training import Progress


class Learner(Protocol):
    """What a `Loop` trains and asks; everything that a fit leaves is in one folder, and a second call finds it there."""

    @property
    def tree(self) -> DecisionTree:
        """The questions that are learnt."""

    def fit(self, folder: Path, learning: Catalogue, judging: Catalogue, *, seed: int, before: Path | None) -> None:
        """Learn from some galaxies, while others choose the best epoch; `before` has what an earlier round learnt."""

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Return what was learnt there says of galaxies; where more are at hand, of more."""

    def model(self, folder: Path) -> GalaxyModel:
        """Return the model that was learnt there."""


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
    batch_size : int
        Of the prediction.
    progress : callable, optional
        Called after each epoch, as by `zooactive.train`.
    """

    tree: DecisionTree
    network: Network
    training: TrainingConfig
    draws: int = 64
    batch_size: int = 128
    progress: Progress | None = None

    def fit(self, folder: Path, learning: Catalogue, judging: Catalogue, *, seed: int, before: Path | None) -> None:
        """Train; a fit that was killed goes on where it was."""
        from zooactive.models import load_model
        from zooactive.training import train

        model = self.network.build(self.tree, seed=seed)
        if before is not None:
            model.start_from(load_model(before))
        config = replace(self.training, seed=seed)
        train(model, learning, validation=judging, run_dir=folder, config=config, progress=self.progress)

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Predict into a folder beside the model, or find there what was predicted."""
        from zooactive.prediction import predict

        out = folder / f"predictions-{name}"
        return predict(self.model(folder), galaxies, out=out, draws=self.draws, batch_size=self.batch_size)

    def model(self, folder: Path) -> GalaxyModel:
        """Load the model of the best epoch."""
        from zooactive.models import load_model

        return load_model(folder)


class HeadLearner:
    """Fits the head alone, in seconds: the encoder has looked at every image once, before the first round.

    Parameters
    ----------
    start : GalaxyModel
        Its encoder is used as it is.
    tree : DecisionTree
        The questions.
    embeddings : Predictions
        Of this encoder, of all galaxies that will be met.
    draws : int
        Of the posterior.
    config : TrainingConfig
        Its epochs, batch size, learning rate, weight decay and patience.

    Raises
    ------
    PosteriorError
        When the embeddings are of another encoder.
    """

    def __init__(
        self,
        start: GalaxyModel,
        tree: DecisionTree,
        embeddings: Predictions,
        *,
        draws: int = 64,
        config: TrainingConfig | None = None,
    ) -> None:
        embeddings.refuse_another_encoder(start)
        self.tree, self.embeddings, self.draws = tree, embeddings, draws
        self.config = config or TrainingConfig(epochs=100, patience=10, weight_decay=1e-3)
        labels = tree.votes == "class"
        self._model = start.with_tree(tree, concentrations="fraction" if labels else None)

    def fit(self, folder: Path, learning: Catalogue, judging: Catalogue, *, seed: int, before: Path | None) -> None:
        """Fit, from the head of an earlier round or from one that says the same of every galaxy."""
        import pandas as pd

        from zooactive.evaluation import constant_concentrations
        from zooactive.models.linear_head import LinearHead
        from zooactive.stages import Stage, fit_head_to_features, votes_of

        if self._head_file(folder).exists():
            return
        model, config = self._model, self.config
        if before is not None:
            head = LinearHead.load(self._head_file(before))
            model.head.kernel.assign(head.kernel)
            model.head.bias.assign(head.bias)
        else:
            model.head.kernel.assign(_glorot(model.head.kernel.shape, seed))
            model.start_at(constant_concentrations(votes_of(learning), self.tree))
        stage = Stage(
            "head", self.tree, config.epochs, config.learning_rate, config.batch_size, config.patience, seed,
            weight_decay=config.weight_decay,
        )  # fmt: skip
        history = fit_head_to_features(
            model,
            (self._features(learning)[None], votes_of(learning)),
            (self._features(judging), votes_of(judging)),
            stage,
            balance=config.balance,
        )
        folder.mkdir(parents=True, exist_ok=True)
        with aside(folder / "history.csv") as temporary:
            pd.DataFrame(history).to_csv(temporary, index=False)
        model.linear_head().save(self._head_file(folder))

    def predictions(self, folder: Path, galaxies: Catalogue, name: str) -> Predictions:
        """Draw from the embeddings by the head that was fitted, for all galaxies that have some."""
        from zooactive.models.linear_head import LinearHead

        return self.embeddings.redraw(LinearHead.load(self._head_file(folder)), draws=self.draws)

    def model(self, folder: Path) -> GalaxyModel:
        """Return a copy of the encoder with the head that was fitted."""
        from zooactive.models.linear_head import LinearHead

        head = LinearHead.load(self._head_file(folder))
        model = self._model.with_tree(self.tree)
        model.head.kernel.assign(head.kernel)
        model.head.bias.assign(head.bias)
        return model

    def _features(self, galaxies: Catalogue) -> NDArray[np.float32]:
        ids, features = embeddings_of(self.embeddings, galaxies.ids)
        row_of = {galaxy_id: row for row, galaxy_id in enumerate(ids)}
        missing = [galaxy_id for galaxy_id in galaxies.ids if galaxy_id not in row_of]
        if missing:
            raise TrainingError(
                f"galaxy '{missing[0]}' has no embedding in {self.embeddings.folder}, as {len(missing)} of {len(galaxies)}; "
                "its image could not be read (failures.parquet there), or it came later: delete the folder"
            )
        return features[[row_of[galaxy_id] for galaxy_id in galaxies.ids]].astype(np.float32)

    @staticmethod
    def _head_file(folder: Path) -> Path:
        return folder / "head.npz"


def embeddings_of(predictions: Predictions, ids: Collection[str]) -> tuple[list[str], NDArray[np.float16]]:
    """Return ids and embeddings (galaxy, feature) of those of the ids that are there, in the order of the catalogue."""
    wanted, names, found = frozenset(ids), list[str](), list[NDArray[np.float16]]()
    for here, features in predictions.embeddings():
        rows = [row for row, galaxy_id in enumerate(here) if galaxy_id in wanted]
        names += [here[row] for row in rows]
        found.append(features[rows])
    return names, np.concatenate(found) if found else np.empty((0, 0), dtype=np.float16)


def _glorot(shape: Any, seed: int) -> NDArray[np.float32]:
    """First weights of a dense layer, as Keras draws them (Glorot & Bengio 2010), the same for a seed."""
    features, answers = (int(length) for length in shape)
    limit = np.sqrt(6 / (features + answers))
    return np.random.default_rng(seed).uniform(-limit, limit, (features, answers)).astype(np.float32)
