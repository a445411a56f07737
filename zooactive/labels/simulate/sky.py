"""A sky of synthetic galaxies with known vote probabilities, to check a posterior against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue import Catalogue
from zooactive.catalogue.images import encode_png
from zooactive.catalogue.preprocessing import SMALLEST_SIDE
from zooactive.foundation.errors import CatalogueError, ImageError
from zooactive.foundation.hashing import hash_ids
from zooactive.foundation.writing import aside, make_folder, many_aside
from zooactive.labels.simulate.crowd import Crowd, perfect_crowd
from zooactive.labels.simulate.eyes import vote_probabilities
from zooactive.labels.simulate.forms import wording_toml
from zooactive.labels.simulate.galaxies import UNIFORMS, galaxies_from
from zooactive.labels.simulate.telescope import picture
from zooactive.tree import DecisionTree, load_tree

TREE = "simulated"
WORKFLOW = 90001
"""The id of the simulated workflow, in the wording that is written next to a sky."""

_AT_ONCE = 256


@dataclass(frozen=True, eq=False, repr=False)
class Sky:
    """Synthetic galaxies with their images and their true vote probabilities.

    Parameters
    ----------
    ids : ndarray of object (str), shape (G,)
    images : ndarray of uint8, shape (G, size, size, 3)
    probabilities : ndarray of float64, shape (G, answer)
        The probability of each answer by a volunteer who is asked its question. The answers of each question sum to 1. See
        `zooactive.labels.simulate.eyes`.
    parameters : DataFrame
        One row per galaxy; see `zooactive.labels.simulate.galaxies`.
    tree : DecisionTree
        The tree ``simulated``.
    """

    ids: NDArray[np.object_]
    images: NDArray[np.uint8]
    probabilities: NDArray[np.float64]
    parameters: pd.DataFrame
    tree: DecisionTree

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Sky({len(self)} galaxies of {self.images.shape[1]} pixels)"

    def votes(self, volunteers: int = 40, *, seed: int = 0, crowd: Crowd | None = None) -> NDArray[np.int64]:
        """Return the votes of this many volunteers on each galaxy, shape (G, answer).

        Parameters
        ----------
        volunteers : int
        seed : int
            Decides who is asked and what they answer. A galaxy's votes depend on the seed and on its id alone.
        crowd : Crowd, optional
            The default is volunteers who answer by the true probabilities.
        """
        asked = crowd or perfect_crowd(volunteers)
        return asked.walk(self.probabilities, self.tree, ids=self.ids, volunteers=volunteers, seed=seed)

    def catalogue(self, volunteers: int = 40, *, seed: int = 0, crowd: Crowd | None = None) -> Catalogue:
        """Return the galaxies as a catalogue, with images as PNG in memory and votes drawn by `votes`.

        The catalogue's table holds the parameters.
        """
        votes = self.votes(volunteers, seed=seed, crowd=crowd).astype(np.float64)
        images = tuple(encode_png(pixels) for pixels in self.images)
        return Catalogue(self.ids, images, votes, self.tree, self.parameters, "a simulated sky", self.tree.min_votes)

    def truth(self) -> pd.DataFrame:
        """Return a table of ids, parameters, and the probabilities under the names of the tree's columns."""
        known = pd.DataFrame(self.probabilities, columns=list(self.tree.columns))
        return pd.concat([pd.DataFrame({"id": self.ids}), self.parameters, known], axis=1)

    def write(
        self,
        folder: str | Path,
        volunteers: int = 40,
        *,
        labelled: int | None = None,
        seed: int = 0,
        crowd: Crowd | None = None,
    ) -> Path:
        """Write the galaxies as `write_sky` does, with votes of this seed, and return the path of ``galaxies.csv``."""
        return _write([self], Path(folder), volunteers, len(self) if labelled is None else labelled, seed, crowd)


def simulate_sky(n: int, *, seed: int = 0, size: int = 64) -> Sky:
    """Draw synthetic galaxies: their parameters, their images, and the probabilities of volunteers' answers.

    Galaxy number i is the same in every sky of this seed and size, for any number of galaxies.

    Parameters
    ----------
    n : int
    seed : int
    size : int
        The side of the images in pixels. Galaxies and probabilities do not depend on the size: more pixels show the same sky
        with more noise in each pixel.

    Raises
    ------
    CatalogueError
        When n is not a positive number.
    ImageError
        When the size is out of range.

    Examples
    --------
    >>> sky = simulate_sky(3, size=32)
    >>> sky.ids[0], sky.images.shape
    ('sim-000000', (3, 32, 32, 3))
    >>> bool(np.allclose(sky.tree.question_sums(sky.probabilities), 1))
    True
    """
    parts = list(_parts(n, seed, size))
    return Sky(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        pd.concat([part.parameters for part in parts], ignore_index=True),
        parts[0].tree,
    )


def write_sky(
    folder: str | Path,
    n: int,
    *,
    seed: int = 0,
    size: int = 64,
    volunteers: int = 40,
    labelled: int | None = None,
    crowd: Crowd | None = None,
) -> Path:
    """Draw synthetic galaxies and write them as files, a few hundred at a time, so that memory does not grow with n.

    The files are ``images/`` (PNG), ``galaxies.csv`` (id, file_loc and votes), ``truth.csv`` (id, parameters and the true
    probability of each answer) and ``wording.toml`` (the wording of the workflow that `zooactive simulate crowd` plays).

    Parameters
    ----------
    folder : path
    n, seed, size
        As in `simulate_sky`.
    volunteers : int
        The number of volunteers who vote on each galaxy.
    labelled : int, optional
        Only this many galaxies, the first ones, get votes. The votes of the others are blank: they form a pool. The default
        is all.
    crowd : Crowd, optional
        The default is volunteers who answer by the true probabilities.

    Returns
    -------
    Path
        The path of ``galaxies.csv``.
    """
    return _write(_parts(n, seed, size), Path(folder), volunteers, n if labelled is None else labelled, seed, crowd)


def _parts(n: int, seed: int, size: int) -> Iterator[Sky]:
    """Yield the sky in parts that fit into memory."""
    if n < 1:
        raise CatalogueError(f"a sky of {n} galaxies was asked for; give a number above 0")
    if not SMALLEST_SIDE <= size <= 4096:
        raise ImageError(f"a sky of {size} pixels per side was asked for; give {SMALLEST_SIDE} to 4096")
    tree = load_tree(TREE)
    for start in range(0, n, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, n))
        ids = np.array([f"sim-{number:06d}" for number in numbers], dtype=object)
        dice = [np.random.default_rng(int(key)) for key in hash_ids(ids, purpose="sky", seed=seed)]
        # The middle of a cell of width 2**-52, because 0 and 1 have infinite normal quantiles.
        uniforms = np.stack([rng.random(len(UNIFORMS)) for rng in dice]) * (1 - 2.0**-52) + 2.0**-53
        galaxies = galaxies_from(uniforms)
        rows: list[dict[str, Any]] = galaxies.to_dict("records")  # type: ignore[assignment]
        images = np.stack([picture(row, size, rng) for row, rng in zip(rows, dice, strict=True)])
        yield Sky(ids, images, vote_probabilities(galaxies, tree), galaxies, tree)


def _write(parts: Iterable[Sky], folder: Path, volunteers: int, labelled: int, seed: int, crowd: Crowd | None) -> Path:
    make_folder(folder / "images")
    known = 0
    with aside(folder / "galaxies.csv") as galaxies, aside(folder / "truth.csv") as truth:
        for part in parts:
            with many_aside() as write:
                for galaxy_id, pixels in zip(part.ids, part.images, strict=True):
                    write(folder / "images" / f"{galaxy_id}.png", encode_png(pixels))
            votes = pd.DataFrame(part.votes(volunteers, seed=seed, crowd=crowd), columns=list(part.tree.columns))
            votes = votes.astype("Int64")
            votes.iloc[max(labelled - known, 0) :] = pd.NA
            votes.insert(0, "id", part.ids)
            votes.insert(1, "file_loc", [f"images/{galaxy_id}.png" for galaxy_id in part.ids])
            for table, path in ((votes, galaxies), (part.truth(), truth)):
                table.to_csv(path, index=False, mode="a" if known else "w", header=not known)
            known += len(part)
    with aside(folder / "wording.toml") as wording:
        wording.write_text(wording_toml(load_tree(TREE), TREE, WORKFLOW), encoding="utf-8")
    return folder / "galaxies.csv"
