"""Checks before a task is learnt, which need no network; and the roles of the galaxies in a fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, Preprocessing
from zooactive.foundation.errors import TrainingError
from zooactive.prediction.embeddings import Embeddings
from zooactive.training.finetuning.config import FinetuneConfig
from zooactive.training.finetuning.folds import label_counts, stratified_folds, stratified_split
from zooactive.tree import DecisionTree

_FEW = 10
"""With fewer labels of a kind than this, almost nothing can be learnt about it."""

_FIRST = 3
"""The number of images that are checked to see whether there are any."""
JUDGES = 25
"""The number of validation galaxies with fractions or votes that can show what the encoder's stage brings."""
MANY = 1000
"""With more labelled galaxies than this, the encoder's stage runs only if the user asks for it, because it takes long."""


def decided(config: FinetuneConfig, tree: DecisionTree, labelled: int) -> tuple[FinetuneConfig, str]:
    """Return the settings with a policy instead of "auto", and a sentence that gives the reason for it.

    For single labels, five folds showed no gain from the encoder's stage (rings, clean classes), at many times the minutes.
    For fractions it lowered the error by a tenth (Hubble) with 203 galaxies, because each of them holds more information.

    Parameters
    ----------
    config : FinetuneConfig
    tree : DecisionTree
        The tree of the task.
    labelled : int
        The number of galaxies with labels.

    Examples
    --------
    >>> from zooactive.tree import load_tree
    >>> decided(FinetuneConfig(), load_tree("rings"), 377)[0].policy
    'head'
    """
    if config.policy != "auto":
        return config, f"policy {config.policy}, as you asked"
    judges = labelled // config.folds if config.folds else round(labelled * config.ratios[1])
    if tree.votes == "class":
        why = "for single labels the encoder's stage brought nothing measurable on rings or clean classes"
    elif judges < JUDGES:
        why = f"{judges} validation galaxies are too few to show what the encoder's stage brings ({JUDGES} can)"
    elif labelled > MANY:
        why = f"with {labelled} galaxies the encoder's stage takes long"
    else:
        why = f"shares of votes, and {judges} validation galaxies (--policy head is quicker)"
        return replace(config, policy="staged"), f"policy staged: {why}"
    return replace(config, policy="head"), f"policy head: {why} (--policy staged adds it)"


def head_alone(config: FinetuneConfig) -> FinetuneConfig:
    """Return the settings of a fit to embeddings, in which only the head learns; a TrainingError for another policy."""
    if config.policy not in ("auto", "head"):
        raise TrainingError(
            f"policy = '{config.policy}' trains the encoder, which is not possible with embeddings alone; leave it out, "
            "or give images instead of embeddings"
        )
    return replace(config, policy="head")


@dataclass(frozen=True, eq=False)
class Parts:
    """The labelled galaxies of a task, split into parts by row number."""

    labelled: Catalogue
    tree: DecisionTree
    config: FinetuneConfig

    def split(self) -> tuple[NDArray[np.int64], ...]:
        """Return the training rows, the validation rows, and the held-out rows."""
        row_of = {galaxy_id: row for row, galaxy_id in enumerate(self.labelled.ids)}
        parts = stratified_split(self.labelled, self.config.ratios, seed=self.config.seed)
        rows = tuple(np.array([row_of[galaxy_id] for galaxy_id in part.ids], dtype=np.int64) for part in parts)
        self._refuse_unlearnable(rows[0])
        purposes = ("training", "validation", "the held-out metrics")
        for part, purpose, share in zip(rows, purposes, self.config.ratios, strict=True):
            if len(part) == 0 and share > 0:
                raise TrainingError(
                    f"{self.labelled.source}: {len(self.labelled)} labelled galaxies leave none for {purpose}; give "
                    "more labels"
                )
        return rows

    def folds(self) -> list[tuple[NDArray[np.int64], ...]]:
        """Return the parts for each fold: the fold is held out, and the next fold is used for validation."""
        fold = stratified_folds(self.labelled, self.config.folds, seed=self.config.seed)
        parts: list[tuple[NDArray[np.int64], ...]] = []
        for number in range(self.config.folds):
            following = (number + 1) % self.config.folds
            train = np.flatnonzero((fold != number) & (fold != following))
            self._refuse_unlearnable(train)
            parts.append((train, np.flatnonzero(fold == following), np.flatnonzero(fold == number)))
        return parts

    def last(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows of the final fit, after all folds have been measured: it is trained on all but the first fold."""
        fold = stratified_folds(self.labelled, self.config.folds, seed=self.config.seed)
        return np.flatnonzero(fold > 0), np.flatnonzero(fold == 0)

    def _refuse_unlearnable(self, rows: NDArray[np.int64]) -> None:
        if self.tree.votes != "class":
            return
        counts, left = label_counts(self.labelled), label_counts(self.labelled.take(rows))
        if (left > 0).sum() < 2:
            number = int(np.flatnonzero((left == 0) & (counts > 0))[0])
            few = "1 galaxy is" if counts[number] == 1 else f"{counts[number]} galaxies are"
            mend = "give more such labels" + (", or measure without folds" if self.config.folds else "")
            raise TrainingError(
                f"{self.labelled.source}: {few} labelled '{self.tree.columns[number]}', and the split leaves none of them "
                f"for training; {mend}"
            )


def readable(labelled: Catalogue, preprocessing: Preprocessing) -> Catalogue:
    """Return the galaxies whose images can be read and show something; a warning names the others."""
    failures = _unreadable(labelled, preprocessing)
    if not failures:
        return labelled
    warnings.warn(
        f"{labelled.source}: {len(failures)} of {len(labelled)} labelled galaxies are left out because their images are not "
        f"readable; the first: {next(iter(failures.values()))}",
        stacklevel=5,
    )
    return labelled.take([row for row in range(len(labelled)) if row not in failures])


def with_embeddings(labelled: Catalogue, embeddings: Embeddings) -> tuple[Catalogue, NDArray[np.floating]]:
    """Return the labelled galaxies that have an embedding, and these embeddings; a warning counts the others."""
    known = embeddings.of_galaxies(labelled)
    return labelled.select(known.ids), known.features


def refuse_no_images(labelled: Catalogue, preprocessing: Preprocessing) -> None:
    """Raise a TrainingError if no galaxy has a readable image; the first images are checked, and if they fail, all."""
    first = labelled.take(range(min(_FIRST, len(labelled))))
    if len(first.decode(first.prepared or preprocessing)[1]) == len(first):
        _unreadable(labelled, preprocessing)


def _unreadable(labelled: Catalogue, preprocessing: Preprocessing) -> Mapping[int, str]:
    """Return the reasons why images are unreadable, by row; raise a TrainingError if all of them are."""
    _, failures = labelled.decode(labelled.prepared or preprocessing)
    if failures and len(failures) == len(labelled):
        first = next(iter(failures.values()))
        has = "" if any(labelled.images) else f" (it has {', '.join(map(str, labelled.table.columns[:8]))})"
        raise TrainingError(
            f"{labelled.source}: no image of {len(labelled)} labelled galaxies is readable; the first: {first}{has}"
        )
    return failures


def refuse_too_few(labelled: Catalogue, tree: DecisionTree, config: FinetuneConfig) -> None:
    """Raise a TrainingError if there are fewer galaxies than any fit needs, or only labels of one kind."""
    least = max(config.folds, 3)
    if len(labelled) < least:
        raise TrainingError(
            f"{labelled.source}: {len(labelled)} labelled galaxies are too few for training and measuring; give "
            f"more labels, at least {_FEW * len(tree.columns)}"
        )
    if tree.votes == "class":
        counts = label_counts(labelled)
        if (counts > 0).sum() < 2:
            missing = tree.columns[int(np.argmin(counts))]
            raise TrainingError(
                f"{labelled.source}: no galaxy is labelled '{missing}', so there is nothing to tell apart; give "
                f"labels of {'both kinds' if len(counts) == 2 else 'at least two kinds'}"
            )


def warn_of_few(labelled: Catalogue, tree: DecisionTree) -> None:
    """Warn about labels that fewer than ten galaxies have."""
    if tree.votes != "class":
        return
    few = [f"{n} {name}" for name, n in zip(tree.columns, label_counts(labelled), strict=True) if n < _FEW]
    if few:
        warnings.warn(
            f"{labelled.source}: some labels have fewer than {_FEW} galaxies ({', '.join(few)}); hardly anything can be "
            "learnt about these labels, or measured",
            stacklevel=4,
        )


def refuse_strange_prevalence(tree: DecisionTree, config: FinetuneConfig) -> None:
    """Raise a TrainingError if a prevalence is given for anything but a yes-or-no label."""
    if config.prevalence is not None and (tree.votes != "class" or len(tree.columns) != 2):
        raise TrainingError(
            f"prevalence = {config.prevalence} is the share of the first of two labels, but task '{tree.name}' has "
            f"{len(tree.columns)} answers of the kind '{tree.votes}'; leave it out"
        )
