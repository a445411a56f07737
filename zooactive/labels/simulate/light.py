"""The light of a simulated galaxy before any telescope: one image of old stars and one of young stars.

Elliptical galaxies and bulges are Sersic profiles, discs are exponential; bars, logarithmic arms and rings lie in the plane
of the disc and are seen at its inclination. Tides bend the plane, lift one side and draw out a tail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[Any]
"""An image of float32, which stays float32 in operations with Python's own numbers."""

_TO_SCALE = 1.678  # half-light radius of an exponential disc divided by its scale length


@lru_cache(maxsize=8)
def frame(size: int) -> tuple[Plane, Plane]:
    """Return x and y of the pixels' centres from the frame's centre [frame sides], shapes (1, size) and (size, 1)."""
    places = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    return places[None, :], places[:, None]


@dataclass(frozen=True, eq=False)
class Disc:
    """The polar coordinates of each pixel in the plane of a disc [half-light radii, rad]."""

    r: Plane
    azimuth: Plane


def galaxy_light(galaxy: Mapping[str, Any], size: int) -> Plane:
    """Return the light of old and of young stars for one row of `galaxies_from`, float32 (2, size, size).

    The galaxy's light sums to 1. The light of a companion is added to it.
    """
    x, y = _turned(galaxy, size)
    soft = _soft(galaxy["radius"], size)
    if galaxy["kind"] == "disc":
        old, young = _disc(galaxy, x, y, soft)
    else:
        stars = _of_one(_sersic(np.sqrt(x**2 + (y / galaxy["axis_ratio"]) ** 2 + soft), 4))
        old, young = (1 - galaxy["youth"]) * stars, galaxy["youth"] * stars
    if galaxy["disturbance"] > 0:
        share = 0.3 * galaxy["disturbance"]
        tail = _of_one(_tail(galaxy, x, y)) * (share / 2)
        old, young = (1 - share) * old + tail, (1 - share) * young + tail
    if galaxy["companion"] > 0:
        old = old + galaxy["companion"] * _companion(galaxy, size)
    return np.stack([old, young])


def _turned(galaxy: Mapping[str, Any], size: int) -> tuple[Plane, Plane]:
    """Return coordinates along the major and the minor axis [half-light radii], bent by tides."""
    x, y = frame(size)
    cosine, sine = math.cos(galaxy["angle"]) / galaxy["radius"], math.sin(galaxy["angle"]) / galaxy["radius"]
    along, across = cosine * x + sine * y, cosine * y - sine * x
    if galaxy["disturbance"] > 0:
        bend = 0.75 * galaxy["disturbance"]
        across = across + bend * np.tanh((along / 2) ** 2)
        along = along * (1 + 0.3 * bend * np.tanh(along + across))
    return along, across


def _disc(galaxy: Mapping[str, Any], x: Plane, y: Plane, soft: float) -> tuple[Plane, Plane]:
    """Return the old and young stars of a disc with its bulge, bar, arms and ring."""
    deep = y / galaxy["axis_ratio"]
    disc = Disc(np.sqrt(x**2 + deep**2 + soft), np.arctan2(deep, x))
    exponential = np.exp(-_TO_SCALE * disc.r)
    bar, bulge = galaxy["bar"], galaxy["bulge"]
    inner = 0.9 * galaxy["bar_length"] if bar > 0 else 0.4
    arms = _arms(galaxy, disc, inner) if galaxy["arms"] > 0 else 1.0
    old, young = _of_one(exponential * (1 + arms)), _of_one(exponential * arms)  # old stars follow the arms less
    if galaxy["ring"] > 0:
        young = _mixed(young, _ring(galaxy, disc), 0.5 * galaxy["ring"])
    if bar > 0:
        # A bar collects the stars that it has swept from the disc around it.
        young = _of_one(young * (1 - 0.7 * bar * np.exp(-((disc.r / inner) ** 4))))
        old = _mixed(old, _bar(galaxy, x, deep), 0.45 * bar)
    rounder = 1 - 0.55 * (1 - galaxy["axis_ratio"])  # a bulge stands out of a disc that is seen edge-on
    centre = _of_one(_sersic(np.sqrt(x**2 + (y / rounder) ** 2 + soft) / (0.3 + 0.3 * bulge), 2.5))
    youth = galaxy["youth"] * (1 - 0.3 * bar)
    return bulge * centre + (1 - bulge) * (1 - youth) * old, (1 - bulge) * youth * young


def _sersic(r: Plane, n: float) -> Plane:
    """Return Sersic's profile up to a constant factor (b_n by Capaccioli 1989)."""
    return np.exp((1 / 3 - 2 * n) * r ** (1 / n))


def _bar(galaxy: Mapping[str, Any], x: Plane, deep: Plane) -> Plane:
    """Return a flat, boxy bar with soft ends: Ferrers' profile on a generalised ellipse."""
    cosine, sine = math.cos(galaxy["bar_angle"]), math.sin(galaxy["bar_angle"])
    along = np.abs(cosine * x + sine * deep) / galaxy["bar_length"]
    across = np.abs(cosine * deep - sine * x) / (0.3 * galaxy["bar_length"])
    return np.asarray(np.clip(1 - along**2.6 - across**2.6, 0, 1) ** 1.2)


def _arms(galaxy: Mapping[str, Any], disc: Disc, inner: float) -> Plane:
    """Return the factor by which logarithmic arms change a disc, which is 1 inside the radius where they begin."""
    wound = np.log(disc.r + 0.05) / math.tan(galaxy["pitch"])
    phase = galaxy["arm_number"] * (galaxy["handedness"] * disc.azimuth - wound) + galaxy["arm_phase"]
    ridge = np.exp(1.8 * (np.cos(phase) - 1))
    return np.asarray(1 + galaxy["arms"] * _beyond(disc.r, inner, 0.12) * (3.2 * ridge - 0.85))


def _ring(galaxy: Mapping[str, Any], disc: Disc) -> Plane:
    return np.asarray(np.exp(-(((disc.r / galaxy["ring_radius"] - 1) / 0.13) ** 2) / 2))


def _tail(galaxy: Mapping[str, Any], x: Plane, y: Plane) -> Plane:
    """Return one long, open arm outside the galaxy, drawn out by a tide."""
    r = np.sqrt(x**2 + y**2) + 0.05
    phase = np.arctan2(y, x) - np.log(r) / math.tan(math.radians(42)) - galaxy["tail_angle"]
    return np.asarray(np.exp(7 * (np.cos(phase) - 1) - r / 1.1) * _beyond(r, 1.2, 0.15))


def _companion(galaxy: Mapping[str, Any], size: int) -> Plane:
    """Return a smaller galaxy next to the main one, with a total light of 1."""
    x, y = frame(size)
    away = galaxy["companion_distance"] * galaxy["radius"]
    own = 0.75 * galaxy["radius"] * galaxy["companion"] ** 0.4
    dx = (x - away * math.cos(galaxy["companion_angle"])) / own
    dy = (y - away * math.sin(galaxy["companion_angle"])) / own
    return _of_one(_sersic(np.sqrt(dx**2 + (dy / 0.75) ** 2 + _soft(own, size)), 1.5))


def _soft(radius: float, size: int) -> float:
    """Return the square of the radius within which a cusp is flattened [half-light radii]: about a third of a pixel."""
    return (0.3 / size / radius) ** 2


def _beyond(r: Plane, edge: float, width: float) -> Plane:
    """Return a smooth step from 0 inside the edge to 1 outside."""
    return np.asarray(1 / (1 + np.exp((edge - r) / width)))


def _mixed(light: Plane, other: Plane, share: float) -> Plane:
    """Return light that sums to 1 and has a share distributed like `other`."""
    return np.asarray((1 - share) * light + share * _of_one(other))


def _of_one(light: Plane) -> Plane:
    """Return the light scaled to a sum of 1, or 0 if it falls between the pixels."""
    return np.asarray(light / max(light.sum(), 1e-12))
