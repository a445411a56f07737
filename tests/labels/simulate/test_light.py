"""Light lies where the parameters say: measured back from the images."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from plain_galaxy import elongation, galaxy, profile

from zooactive.labels.simulate.light import frame, galaxy_light


def total(**changes):
    return galaxy_light(galaxy(**changes), 128).sum(axis=0)


@pytest.mark.parametrize("changes", [{"bulge": 0.0}, {"kind": "elliptical", "axis_ratio": 0.5, "radius": 0.06}])
def test_half_of_the_light_lies_within_the_half_light_ellipse(changes):
    made = galaxy(**changes)
    x, y = frame(128)
    inside = x**2 + (y / made["axis_ratio"]) ** 2 < made["radius"] ** 2
    # A Sersic profile's wings leave the frame, so that more than half of what is in it lies inside.
    assert 0.46 < galaxy_light(made, 128).sum(axis=0)[inside].sum() < 0.62


@pytest.mark.parametrize("angle", [0.0, 0.9, 2.3])
def test_axis_ratio_and_angle_can_be_measured_back(angle):
    light = total(axis_ratio=0.4, angle=angle, bulge=0.0, radius=0.08)
    assert elongation(light) == pytest.approx(0.4, abs=0.03)
    x, y = frame(128)
    xx, yy, xy = ((light * product).sum() for product in (x * x, y * y, x * y))
    measured = 0.5 * np.arctan2(2 * xy, xx - yy) % np.pi
    assert min(abs(measured - angle), np.pi - abs(measured - angle)) < 0.03


@pytest.mark.parametrize("angle", [0.0, 1.1])
def test_a_bar_makes_the_centre_long_and_leaves_the_outskirts_round(angle):
    plain, barred = total(), total(bar=1.0, bar_angle=angle)
    assert elongation(plain, 0.12) > 0.97
    assert elongation(barred, 0.12) < 0.75
    weak = elongation(total(bar=0.4, bar_angle=angle), 0.12)
    assert elongation(barred, 0.12) < weak < elongation(plain, 0.12)
    x, y = frame(128)
    outside = np.where(x**2 + y**2 > 0.2**2, barred, 0)
    assert elongation(outside) > 0.95


@pytest.mark.parametrize("handedness", [1.0, -1.0])
@pytest.mark.parametrize("pitch", [12.0, 25.0])
@pytest.mark.parametrize("number", [2, 3])
def test_the_pitch_of_the_arms_can_be_measured_back(pitch, number, handedness):
    arms = {"arms": 1.0, "arm_number": number, "pitch": np.radians(pitch), "handedness": handedness, "bulge": 0.0}
    light = galaxy_light(galaxy(**arms), 256)[1]
    x, y = frame(256)
    r, azimuth = np.sqrt(x**2 + y**2) / 0.15, np.arctan2(y, x)
    edges = np.geomspace(0.9, 2.2, 25)
    phases, strengths = [], []
    for low, high in pairwise(edges):
        ring = (r >= low) & (r < high)
        wave = (light[ring] * np.exp(1j * number * azimuth[ring])).sum() / light[ring].sum()
        phases.append(np.angle(wave))
        strengths.append(abs(wave))
    assert min(strengths) > 0.3
    # Along a logarithmic arm azimuth = ln r / tan(pitch).
    slope = np.polyfit(np.log(np.sqrt(edges[:-1] * edges[1:])), np.unwrap(phases), 1)[0] / number * handedness
    assert np.degrees(np.arctan(1 / slope)) == pytest.approx(pitch, rel=0.1)


def test_a_ring_is_a_bump_of_the_radial_profile_at_its_radius():
    radii = np.linspace(0.02, 0.4, 39)
    without, ringed = (profile(total(ring=ring), radii) for ring in (0.0, 1.0))
    assert (np.diff(without) < 0).all()
    outside = radii[:-1] > 0.1
    peak = radii[:-1][outside][np.argmax(ringed[outside])] + 0.005
    assert peak == pytest.approx(1.3 * 0.15, abs=0.015)
    assert (np.diff(ringed) > 0).any()


def test_a_companion_brings_its_light_to_its_place():
    difference = total(companion=0.5, companion_angle=np.pi / 2) - total()
    assert difference.sum() == pytest.approx(0.5, abs=0.01)
    row, column = np.unravel_index(np.argmax(difference), difference.shape)
    assert (row / 128 - 0.5, column / 128 - 0.5) == pytest.approx((0.3, 0.0), abs=0.01)


def test_tides_make_a_galaxy_lopsided():
    def asymmetry(light):
        return np.abs(light - light[::-1, ::-1]).sum() / light.sum()

    calm, stirred = (total(disturbance=strength, axis_ratio=0.6) for strength in (0.0, 1.0))
    assert asymmetry(calm) < 1e-3
    assert asymmetry(stirred) > 0.3


@pytest.mark.parametrize("size", [8, 33])
def test_any_frame_holds_any_galaxy(size):
    edge_on = galaxy(axis_ratio=0.13, bar=1.0, arms=1.0, ring=1.0, disturbance=1.0, companion=1.0, radius=0.055)
    light = galaxy_light(edge_on, size)
    assert light.shape == (2, size, size)
    assert light.dtype == np.float32
    assert np.isfinite(light).all()
    assert (light >= 0).all()
