"""The probability of every answer that volunteers would give about a simulated galaxy, known exactly.

The probabilities are smooth functions of a galaxy's parameters as far as they are visible: the strength of a feature, times
how far the inclination shows it, times how far size, PSF and signal-to-noise let it through. They are not fitted to any
survey. They span everything from near certainty to doubt, and move toward smooth where an image shows little. Only noise and
PSF hide part of the parameters from the image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, softmax

from zooactive.tree import DecisionTree

_Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """The visibility of each feature, shape (G,) each: from 0 to 1, and `axis_ratio` after the PSF.

    `clarity` is the visibility of the galaxy as a whole. A feature's value is its strength times its visibility.
    """

    depth: _Values
    clarity: _Values
    axis_ratio: _Values
    edge_on: _Values
    bar: _Values
    arms: _Values
    ring: _Values
    companion: _Values
    disturbance: _Values


def seen(galaxies: pd.DataFrame) -> Seen:
    """Return what is visible of galaxies with these parameters (see `zooactive.labels.simulate.galaxies`)."""
    g = {name: galaxies[name].to_numpy() for name in galaxies.columns if name != "kind"}
    depth = expit(2.2 * np.log(g["signal"] / 38))
    clarity = depth * expit(2.4 * np.log(g["radius"] / g["fwhm"] / 2))
    blur = (g["fwhm"] / 2.355 / g["radius"]) ** 2
    axis_ratio = np.sqrt((g["axis_ratio"] ** 2 + blur) / (1 + blur))
    disc = (galaxies["kind"] == "disc").to_numpy()
    face = expit((g["axis_ratio"] - 0.4) / 0.07)
    shown = clarity * face
    return Seen(
        depth=depth,
        clarity=clarity,
        axis_ratio=axis_ratio,
        edge_on=np.where(disc, clarity * expit((0.33 - g["axis_ratio"]) / 0.05), 0.0),
        bar=g["bar"] * shown,
        arms=g["arms"] * shown * (1 - g["bulge"]) ** 0.3,  # a bulge outshines them
        ring=g["ring"] * shown,
        companion=np.sqrt(g["companion"] * depth),
        disturbance=g["disturbance"] * clarity,
    )


def vote_probabilities(galaxies: pd.DataFrame, tree: DecisionTree) -> _Values:
    """Return the probability of each answer by a volunteer who is asked its question.

    Parameters
    ----------
    galaxies : DataFrame
        The result of `zooactive.labels.simulate.galaxies.galaxies_from`.
    tree : DecisionTree
        The tree ``simulated``.

    Returns
    -------
    ndarray of float64, shape (G, answer)
        Each question's answers sum to 1.
    """
    told = _logits(galaxies, seen(galaxies))
    parts = [softmax(np.stack(told[question.name], axis=1), axis=1) for question in tree.questions]
    return np.concatenate(parts, axis=1)


def _logits(galaxies: pd.DataFrame, s: Seen) -> dict[str, list[_Values]]:
    """Return the logits of each question's answers, in the tree's order."""
    even = np.zeros(len(galaxies))
    # Answers about the shape are sharper where the shape is clear.
    sharp = 5 + 13 * s.clarity
    pitch, plain = np.degrees(galaxies["pitch"].to_numpy()), 0.04 + 0.5 * s.arms
    return {
        "smooth-or-featured": _smooth_or_featured(galaxies, s),
        "how-rounded": [sharp * (s.axis_ratio - 0.78), even, sharp * (0.45 - s.axis_ratio)],
        "edge-on": [4.5 * (2 * s.edge_on - 1) + 4 * (0.3 - s.axis_ratio), even],
        "bar": [-3.4 + 9.5 * s.bar, -1.8 + 5.5 * s.bar, 1.3 - 4 * s.bar],
        "spiral-arms": [-2.8 + 9 * s.arms, even],
        "winding": [plain * (15 - pitch), even + 0.2, plain * (pitch - 25)],
        "ring": [-3.3 + 9 * s.ring, even],
        "merging": [-3.6 + 8 * s.companion, -2.6 + 6 * s.disturbance + s.companion, even + 0.6],
    }


def _smooth_or_featured(galaxies: pd.DataFrame, s: Seen) -> list[_Values]:
    disc = (galaxies["kind"] == "disc").to_numpy()
    artifact = (~galaxies["kind"].isin(["elliptical", "disc"])).to_numpy()
    glare = galaxies["glare"].to_numpy()
    plain = np.where(disc, 0.3 * s.clarity, 0.0)  # a disc without features still looks a little featured
    hidden = (1 - plain) * (1 - s.edge_on) * (1 - s.bar) * (1 - 0.95 * s.arms) * (1 - s.ring) * (1 - 0.45 * s.disturbance)
    featured = -3.3 + 7 * (1 - hidden)
    # A faint galaxy is sometimes taken for an artifact, and an artifact without glare for a galaxy.
    problem = np.where(artifact, -1.0 + 5.5 * glare, -4.0 + 1.6 * (1 - s.depth))
    return [np.zeros(len(galaxies)), featured, problem]
