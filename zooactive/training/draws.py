"""Fit better draws than dropout to a trained model, from features that are computed once."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, read_catalogue
from zooactive.foundation.errors import ImageError, ModelError, TrainingError, did_you_mean
from zooactive.foundation.showing import counted
from zooactive.foundation.telling import Auto, Progress
from zooactive.foundation.vocabulary import DRAWS, GONE, DrawKind
from zooactive.models import LinearDraws
from zooactive.models.features import embed
from zooactive.models.head.files import KINDS
from zooactive.models.holds import Holds, network_of, network_with_images
from zooactive.prediction.marks import image_mark, marks_of

if TYPE_CHECKING:
    from zooactive.models import GalaxyModel


def fit_draws(
    model: GalaxyModel | Holds,
    train: Catalogue | str | Path,
    *,
    validation: Catalogue | str | Path,
    kind: DrawKind = "laplace",
    batch_size: int = 128,
    progress: Auto | Progress = "auto",
) -> LinearDraws:
    """Fit the draws of a trained model's last layer; give them to `zooactive.predict` as ``draws_from``.

    Parameters
    ----------
    model : GalaxyModel or FinetunedModel
    train : Catalogue or path
        Galaxies with votes that the model was trained on; those without are left out.
    validation : Catalogue or path
        Others, by which the spread of the draws is chosen; never galaxies that anything is tested on.
    kind : {"dropout", "laplace"}
        "laplace": `zooactive.models.LaplaceHead`, in seconds. "dropout": the trained head itself, as `predict` takes it by
        default.
    batch_size : int
        Galaxies a step of the network.
    progress : callable, "auto" or None
        Called with the number of galaxies done; "auto" and None as `zooactive.train`.

    Returns
    -------
    LinearDraws

    Raises
    ------
    ModelError
        For an unknown kind, or votes on another tree.
    TrainingError
        When no galaxy has votes.
    ImageError
        When an image cannot be read.
    """
    network = network_with_images(network_of(model))
    check_kind(kind)
    head = network.linear_head()
    fitted = KINDS[kind].fitted
    if fitted is None:
        return head
    learnt, judged = (_voted(network, *given) for given in ((train, "train"), (validation, "validation")))
    with counted(progress, f"fitting {kind}", len(learnt[0]) + len(judged[0])) as done:
        train_part = _features(network, *learnt, batch_size, done, 0)
        validation_part = _features(network, *judged, batch_size, done, len(learnt[0]))
    return fitted(head, *train_part, validation=validation_part)


def made_of(kind: str, network: GalaxyModel, *catalogues: Catalogue) -> str:
    """Return a mark of what draws are fitted to: kind, model, and of the labelled galaxies ids, votes and images."""
    digest = blake2b(f"{kind}|{network.fingerprint()}".encode(), digest_size=16)
    for catalogue in catalogues:
        votes = catalogue.require_votes(network.tree, error=ModelError).votes[catalogue.labelled]
        labelled = catalogue.take(catalogue.labelled)
        digest.update("\n".join([str(marks_of(labelled, ())), *map(image_mark, labelled.images)]).encode())
        digest.update(np.ascontiguousarray(votes, dtype="<f8").tobytes())
    return digest.hexdigest()


def check_kind(kind: str) -> None:
    """Raise a ModelError for an unknown kind of draws."""
    if kind in GONE:
        raise ModelError(GONE[kind])
    if kind not in DRAWS:
        raise ModelError(f"there are no draws '{kind}'.{did_you_mean(kind, DRAWS)} Use one of {', '.join(DRAWS)}")


def _voted(network: GalaxyModel, catalogue: Catalogue | str | Path, name: str) -> tuple[Catalogue, NDArray[np.float64]]:
    """Return a catalogue's labelled galaxies and their votes."""
    table = read_catalogue(catalogue, tree=network.tree) if isinstance(catalogue, str | Path) else catalogue
    votes = table.require_votes(network.tree, error=ModelError).votes[table.labelled]
    table = table.take(table.labelled)
    if len(table) == 0:
        raise TrainingError(f"no galaxy of {name} ({table.source}) has votes; give galaxies that the model could learn from")
    return table, votes


def _features(
    network: GalaxyModel, table: Catalogue, votes: NDArray[np.float64], batch_size: int, progress: Progress, done: int
) -> tuple[NDArray[np.float16], NDArray[np.float64]]:
    """Return features and votes of galaxies."""
    features, failures = embed(network, table, batch_size=batch_size, progress=lambda so_far: progress(done + so_far))
    if failures:
        raise ImageError(
            f"{len(failures)} of {len(table)} images cannot be read, the first: {next(iter(failures.values()))} "
            "(`zooactive prepare` leaves such galaxies out)"
        )
    return features, votes
