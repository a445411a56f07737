"""Pictures show the light as the telescope lets it through."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from plain_galaxy import elongation, galaxy

from zooactive.labels.simulate import telescope
from zooactive.labels.simulate.light import frame
from zooactive.labels.simulate.telescope import picture


def shown(size=64, seed=0, **changes):
    return picture(galaxy(**changes), size, np.random.default_rng(seed)).astype(float)


def test_edge_on_galaxies_look_longer_than_face_on_ones():
    ratios = [elongation(np.clip(shown(axis_ratio=q).mean(axis=2) - 30, 0, None), 0.35) for q in (0.13, 0.4, 0.7, 1.0)]
    assert ratios == sorted(ratios)
    assert ratios[0] < 0.45 < 0.9 < ratios[-1]


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("signal", [20.0, 200.0])
def test_the_signal_to_noise_is_what_was_asked_for(size, signal, monkeypatch):
    # Without the stretch: the source and its noise themselves, in standard deviations of the sky.
    monkeypatch.setattr(telescope, "_stretched", lambda source: source)
    silent = SimpleNamespace(standard_normal=lambda shape, dtype: np.zeros(shape, dtype))
    made = galaxy(signal=signal, fwhm=0.02, bulge=0.0)
    source, noisy = picture(made, size, silent), picture(made, size, np.random.default_rng(0))
    x, y = frame(size)
    inside = x**2 + y**2 < made["radius"] ** 2
    for colour in range(3):
        noise = np.sqrt(((noisy - source)[colour][inside] ** 2).sum())
        # The PSF takes some light out of the ellipse, and photons of the galaxy have a noise of their own.
        assert source.mean(axis=0)[inside].sum() / noise == pytest.approx(signal, rel=0.2 if signal < 100 else 0.3)


def test_old_stars_are_redder_than_young_ones():
    old, young = (shown(kind="elliptical", youth=youth)[24:40, 24:40].mean(axis=(0, 1)) for youth in (0.0, 1.0))
    assert old[0] / old[2] > 1.2
    assert young[0] / young[2] < 0.9


def test_a_wider_psf_blurs(monkeypatch):
    monkeypatch.setattr(telescope, "_stretched", lambda source: source)

    def share_of_the_peak(fwhm):
        source = picture(galaxy(kind="elliptical", radius=0.06, fwhm=fwhm), 64, np.random.default_rng(0))
        return source.max() / source.sum()

    assert share_of_the_peak(0.02) > 2 * share_of_the_peak(0.06)


def test_a_psf_keeps_the_light_that_stays_in_the_frame():
    point = np.zeros((1, 65, 65), dtype=np.float32)
    point[0, 32, 32] = 1
    blurred = telescope._blurred(point, 4.0)[0]
    assert blurred.sum() == pytest.approx(1, abs=1e-3)
    assert np.unravel_index(np.argmax(blurred), blurred.shape) == (32, 32)
    half = blurred[32] > blurred[32, 32] / 2
    assert 3 <= half.sum() <= 5


def test_artifacts_are_what_they_are_called():
    star = shown(kind="star", glare=1.0)
    assert star[32, 2:8].mean() > 3 * star[10, 2:8].mean(), "a spike along the row"
    assert star[2:8, 32].mean() > 3 * star[2:8, 10].mean(), "a spike along the column"
    trail = shown(kind="trail", glare=1.0, angle=0.0, place=0.3)
    # One line in each colour, each as wide as the frame.
    places = [int(np.argmax(trail[:, :, colour].mean(axis=1))) for colour in range(3)]
    assert len(set(places)) == 3
    assert all((trail[place, :, colour] > 200).all() for colour, place in enumerate(places))
    assert (shown(kind="saturated", glare=1.0) == 255).all(axis=2).mean() > 0.2
    assert (shown() == 255).all(axis=2).mean() < 0.01
