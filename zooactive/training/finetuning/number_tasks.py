"""Tasks whose labels are numbers, such as masses or redshifts, and the reading of their tables."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue, Preprocessing, read_catalogue
from zooactive.catalogue.votes import MISSING
from zooactive.foundation.errors import CatalogueError, TrainingError, did_you_mean, explained
from zooactive.training.finetuning.pixels import pixels_of_task
from zooactive.tree import DecisionTree, Question

REDSHIFTS = ("z", "redshift", "photo_z", "photoz", "z_phot", "zphot", "spec_z", "specz", "z_spec", "zspec")
"""Names of columns, in lower case, that are taken for redshifts."""

_BLANK = ("", "none", "nan", "na", "n/a", "null", "<na>", "--")
_SIDES = {"<": -1, "-1": -1, "upper": -1, ">": 1, "1": 1, "lower": 1} | dict.fromkeys(("0", "=", "no", *_BLANK), 0)
"""The side of a limit where the number lies, by the text of a cell: below an upper limit."""

_LEAST = 10
"""The least number of labelled galaxies for a fit."""

_PARTS = 5
"""The number of quantiles of the values; each part of the labels gets the same share of each quantile (a fifth)."""

_SENTINEL = 3
"""The number of rows with the same value, far from all others, from which a warning asks whether it means missing."""


@dataclass(frozen=True)
class NumberTask:
    """A number to learn from a small table of labels.

    Parameters
    ----------
    name : str
    column : str
        The column with one number per galaxy.
    id_column, image_column : str, optional
        Columns of the table of labels; by default as `zooactive.read_catalogue` finds them.
    error_column : str, optional
        The column with the standard deviation of each label, in the labels' unit. It may be blank for a limit.
    limit_column : str, optional
        The column that says which labels are limits: "<" (or -1, upper) if the number is below the given one, ">" (or 1,
        lower) if it is above, and nothing (or 0, =) if it is that number. Labels may also be written as <22.5 and >3.
    missing : tuple of float
        Values that mean that there is no label, in addition to blank cells, NaN and -999.
    redshift : bool
        Whether labels are redshifts, whose errors are measured relative to 1 + z.
    crop, image_size, stretch, bands
        Settings for the images; see `zooactive.training.finetuning.tasks.Task`.

    Examples
    --------
    >>> NumberTask("mass", "log_mass", error_column="log_mass_err").missing
    ()
    """

    name: str
    column: str
    id_column: str | None = None
    image_column: str | None = None
    error_column: str | None = None
    limit_column: str | None = None
    missing: tuple[float, ...] = ()
    redshift: bool = False
    crop: float | None = None
    image_size: int | None = None
    stretch: str | tuple[str, ...] | None = None
    bands: str | tuple[str, ...] | None = None

    def read(self, labels: Catalogue | str | Path, *, images: str | Path | None = None) -> Measured:
        """Read a table of this task's labels; for a catalogue, its own columns are used.

        Raises
        ------
        CatalogueError
            As in `zooactive.read_catalogue`; also for a missing column, or a cell that is not a number.
        """
        catalogue = labels
        if not isinstance(catalogue, Catalogue):
            catalogue = read_catalogue(labels, id_column=self.id_column, image_column=self.image_column, images=images)
        values, blank, limits = self._numbers(catalogue, self.column)
        if self.limit_column is not None:
            limits = _both(
                limits, sides_in(_column(catalogue, self.limit_column), self.limit_column, catalogue.source), self
            )
        gaps = {"without a value": blank, "not finite": ~blank & ~np.isfinite(values)}
        errors = None
        if self.error_column is not None:
            errors, unknown, strange = self._numbers(catalogue, self.error_column)
            if strange.any():
                raise CatalogueError(
                    f"{catalogue.source}, row {int(np.argmax(strange != 0)) + 1}: the error (column '{self.error_column}') "
                    "is a limit; correct that cell, or leave it blank"
                )
            unknown = unknown | ~(np.isfinite(errors) & (errors >= 0))
            errors = np.where(unknown & (limits != 0), 0.0, errors)
            gaps["without an error"] = unknown & (limits == 0)
        known = ~np.logical_or.reduce(list(gaps.values()))
        rows, counts, before = np.flatnonzero(known), dict[str, int](), np.zeros(len(known), dtype=bool)
        for reason, mask in gaps.items():
            counts[reason] = int((mask & ~before).sum())
            before = before | mask
        limits = limits[rows]
        self._ask_about_sentinels(values[rows][limits == 0], catalogue.source)
        left_out = {reason: number for reason, number in counts.items() if number}
        errors = None if errors is None else errors[rows]
        return Measured(catalogue.take(rows), values[rows], errors, left_out, limits if limits.any() else None)

    def preprocessing(self, encoder: Preprocessing) -> Preprocessing:
        """Return the preprocessing of this task's images, for an encoder with preprocessing of its own."""
        return pixels_of_task(encoder, crop=self.crop, stretch=self.stretch, image_size=self.image_size, bands=self.bands)

    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain values, the inverse of `from_dict`."""
        return {name: value for name, value in asdict(self).items() if name != "bands" or value is not None}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "the task") -> NumberTask:
        """Make a task from plain values; raise a TrainingError if they do not describe a task."""
        with explained(TrainingError, f"{where}: {{reason}}; fine-tune the task again"):
            lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
            task = cls(**{**values, **lists, "missing": tuple(map(float, values.get("missing", ())))})
            texts = (task.id_column, task.image_column, task.error_column, task.limit_column)
            whole = isinstance(task.name, str) and isinstance(task.column, str) and isinstance(task.redshift, bool)
            if not (whole and all(text is None or isinstance(text, str) for text in texts)):
                raise ValueError("an entry of the task has another type than it should")
            task.preprocessing(Preprocessing())
        return task

    def _numbers(self, catalogue: Catalogue, column: str) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int8]]:
        """Return a column's numbers, whether each means a missing value, and on which side of a limit the number lies."""
        values, blank, limits = numbers_in(_column(catalogue, column), column, catalogue.source)
        return values, blank | np.isin(values, (MISSING, *self.missing)), limits

    def _ask_about_sentinels(self, values: NDArray[np.float64], source: str) -> None:
        """Warn about a value of several galaxies that is farther from the others than these are from each other."""
        for value in (values.min(initial=np.inf), values.max(initial=-np.inf)):
            others = values[values != value]
            times = len(values) - len(others)
            if len(others) and times >= _SENTINEL and np.abs(others - value).min() > np.ptp(others) > 0:
                warnings.warn(
                    f"{source}: {times} galaxies have '{self.column}' = {value:g}, far from all others; if this marks a "
                    f"missing value, give --missing {value:g}",
                    stacklevel=3,
                )


@dataclass(frozen=True, eq=False)
class Measured:
    """Galaxies with a number each: labels and their errors, (galaxy,), and how many rows were left out for each reason.

    `limits` says which labels are limits, (galaxy,): 1 if the number lies above, -1 if it lies below, 0 if it is the given
    number; None if there are no limits.
    """

    catalogue: Catalogue
    values: NDArray[np.float64]
    errors: NDArray[np.float64] | None
    left_out: Mapping[str, int]
    limits: NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: NDArray[np.integer]) -> Measured:
        """Return the galaxies of some rows."""
        errors = None if self.errors is None else self.errors[rows]
        limits = None if self.limits is None else self.limits[rows]
        return replace(self, catalogue=self.catalogue.take(rows), values=self.values[rows], errors=errors, limits=limits)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return which labels are not limits, (galaxy,)."""
        return np.ones(len(self), dtype=bool) if self.limits is None else self.limits == 0

    def in_fifths(self) -> Catalogue:
        """Return the galaxies with the fifth of the values as a label, for a split with equal shares of each fifth."""
        fifth = np.searchsorted(np.quantile(self.values, np.arange(1, _PARTS) / _PARTS), self.values, side="right")
        tree = DecisionTree("fifths", (Question("fifth", tuple(map(str, range(1, _PARTS + 1)))),), min_votes=1)
        return replace(self.catalogue, tree=tree, votes=np.eye(_PARTS)[fifth], min_votes=1)

    def refuse_unlearnable(self) -> None:
        """Raise a TrainingError if there are too few galaxies, or all labels are equal."""
        source, values = self.catalogue.source, self.values[self.known]
        few = len(values)
        if few < _LEAST:
            gone = ", ".join(f"{number} {reason}" for reason, number in self.left_out.items())
            raise TrainingError(
                f"{source}: {few} galaxies have a number for training{gone and f' (left out: {gone})'}; give {_LEAST} or "
                "more, hundreds are better"
            )
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            raise TrainingError(f"{source}: all {few} labels are {values[0]:g}, so there is nothing to tell apart")


def numbers_in(
    column: pd.Series[Any], name: str, source: str
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int8]]:
    """Return a column's numbers, whether each cell is blank, and which are limits (1, -1, 0), shape (row,) each.

    Raise a CatalogueError for a text.
    """
    texts = _texts(column)
    limits = np.array([_SIDES[text[0]] if text[:1] in ("<", ">") else 0 for text in texts], dtype=np.int8)
    bare = [text.lstrip("<>=").strip() if limit else text for text, limit in zip(texts, limits, strict=True)]
    values = pd.to_numeric(pd.Series(bare, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    blank = np.isin(np.array([text.lower() for text in bare], dtype=object), _BLANK)
    strange = np.isnan(values) & ~blank
    if strange.any():
        row = int(np.argmax(strange))
        raise CatalogueError(
            f"{source}, row {row + 1}: the label '{texts[row]}' (column '{name}') is not a number; correct that cell, or "
            f"leave it blank ({int(strange.sum())} such cells)"
        )
    return values, blank, np.where(blank, 0, limits).astype(np.int8)


def sides_in(column: pd.Series[Any], name: str, source: str) -> NDArray[np.int8]:
    """Return the sides of limits in a column, (row,): 1, -1 or 0 by `_SIDES`; a CatalogueError for another word."""
    texts = [text.lower().removesuffix(".0") for text in _texts(column)]
    unknown = next((row for row, text in enumerate(texts) if text not in _SIDES), None)
    if unknown is not None:
        raise CatalogueError(
            f"{source}, row {unknown + 1}: '{texts[unknown]}' (column '{name}') does not say on which side of a limit the "
            "number lies; write < or > there, and nothing if the number itself is known"
        )
    return np.array([_SIDES[text] for text in texts], dtype=np.int8)


def are_numbers(texts: pd.Series[Any]) -> bool:
    """Return whether all labels that are not blank are numbers or limits."""
    bare = texts.map(lambda text: text.lstrip("<>=") if isinstance(text, str) and text[:1] in ("<", ">") else text)
    return bool(pd.to_numeric(bare, errors="coerce").notna().all())


def _column(catalogue: Catalogue, column: str) -> pd.Series[Any]:
    if column not in catalogue.table.columns:
        known = [str(name) for name in catalogue.table.columns]
        raise CatalogueError(f"column '{column}' is missing from {catalogue.source}.{did_you_mean(column, known)}")
    return catalogue.table[column]


def _texts(column: pd.Series[Any]) -> list[str]:
    return [str(cell).strip() for cell in column.astype(object).where(column.notna(), "")]


def _both(cells: NDArray[np.int8], flags: NDArray[np.int8], task: NumberTask) -> NDArray[np.int8]:
    """Return the sides that cells or flags give; raise a CatalogueError if they contradict each other."""
    against = (cells != 0) & (flags != 0) & (cells != flags)
    if against.any():
        raise CatalogueError(
            f"row {int(np.argmax(against)) + 1}: column '{task.column}' says that the number lies on one side of its "
            f"limit, but column '{task.limit_column}' says the other; correct one of them"
        )
    return np.where(flags != 0, flags, cells).astype(np.int8)
