"""Fit better draws than dropout to a trained model, from features that are computed once."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.errors import ModelError, TrainingError, did_you_mean
from zooactive.foundation.showing import counted
from zooactive.foundation.telling import Auto, Progress
from zooactive.foundation.vocabulary import DRAWS, GONE, DrawKind
from zooactive.models import LinearDraws
from zooactive.models.head.files import KINDS
from zooactive.models.holds import Holds, network_of
from zooactive.prediction.marks import image_mark, marks_of
from zooactive.training.seen_features import seen_features

if TYPE_CHECKING:
    from zooactive.models.loading import AnyModel
    from zooactive.prediction.embeddings import Embeddings


def fit_draws(
    model: AnyModel | Holds,
    train: Catalogue | str | Path,
    *,
    validation: Catalogue | str | Path,
    embeddings: Embeddings | None = None,
    kind: DrawKind = "laplace",
    batch_size: int = 128,
    progress: Auto | Progress = "auto",
) -> LinearDraws:
    """Fit the draws of a trained model's last layer; give them to `zooactive.predict` as ``draws_from``.

    Parameters
    ----------
    model : GalaxyModel, EmbeddingModel or FinetunedModel
    train : Catalogue or path
        Galaxies with votes on which the model was trained. Galaxies without votes are left out.
    validation : Catalogue or path
        Other galaxies with votes, which choose the spread of the draws. Never use test galaxies here.
    embeddings : Embeddings, optional
        The input of a model that takes embeddings instead of images. Galaxies without an embedding are left out.
    kind : {"dropout", "laplace"}
        "laplace": `zooactive.models.LaplaceHead`, fitted in seconds. "dropout": the trained head itself, which `predict`
        uses by default.
    batch_size : int
        The number of galaxies per step of the network.
    progress : callable, "auto" or None
        Called with the number of galaxies done; "auto" and None as in `zooactive.train`.

    Returns
    -------
    LinearDraws

    Raises
    ------
    ModelError
        If the kind is unknown, or the votes belong to another tree.
    TrainingError
        If no galaxy has votes.
    ImageError
        If an image cannot be read.
    """
    network = network_of(model)
    check_kind(kind)
    head = network.linear_head()
    fitted = KINDS[kind].fitted
    if fitted is None:
        return head
    learnt, judged = (_voted(network, *given) for given in ((train, "train"), (validation, "validation")))
    with counted(progress, f"fitting {kind}", len(learnt) + len(judged)) as done:
        train_part = _features(network, learnt, embeddings, batch_size, done, 0)
        validation_part = _features(network, judged, embeddings, batch_size, done, len(learnt))
    return fitted(head, *train_part, validation=validation_part)


def made_of(kind: str, network: AnyModel, *catalogues: Catalogue, embeddings: Embeddings | None = None) -> str:
    """Return a mark of the inputs of a fit of draws: kind, model, and the labelled galaxies' ids, votes and features."""
    digest = blake2b(f"{kind}|{network.fingerprint()}".encode(), digest_size=16)
    for catalogue in catalogues:
        votes = catalogue.require_votes(network.tree, error=ModelError).votes[catalogue.labelled]
        labelled = catalogue.take(catalogue.labelled)
        digest.update("\n".join([str(marks_of(labelled, ())), *map(image_mark, labelled.images)]).encode())
        digest.update(np.ascontiguousarray(votes, dtype="<f8").tobytes())
        if embeddings is not None:
            digest.update(embeddings.of_galaxies(labelled).features.tobytes())
    return digest.hexdigest()


def check_kind(kind: str) -> None:
    """Raise a ModelError for an unknown kind of draws."""
    if kind in GONE:
        raise ModelError(GONE[kind])
    if kind not in DRAWS:
        raise ModelError(f"there are no draws '{kind}'.{did_you_mean(kind, DRAWS)} Use one of {', '.join(DRAWS)}")


def _voted(network: AnyModel, catalogue: Catalogue | str | Path, name: str) -> Catalogue:
    """Return a catalogue's labelled galaxies; their votes must belong to the model's tree."""
    table = read_catalogue(catalogue, tree=network.tree) if isinstance(catalogue, str | Path) else catalogue
    table.require_votes(network.tree, error=ModelError)
    table = table.take(table.labelled)
    if len(table) == 0:
        raise TrainingError(f"no galaxy of {name} ({table.source}) has votes; give galaxies on which the model was trained")
    return table


def _features(
    network: AnyModel, table: Catalogue, embeddings: Embeddings | None, batch_size: int, progress: Progress, done: int
) -> tuple[NDArray[np.float16], NDArray[np.float64]]:
    """Return features and votes of galaxies."""

    def after(so_far: int) -> None:
        progress(done + so_far)

    table, features = seen_features(network, table, embeddings, batch_size=batch_size, progress=after)
    return features, table.require_votes(network.tree, error=ModelError).votes
