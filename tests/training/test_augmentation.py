from __future__ import annotations

import keras
import numpy as np
import pytest

from zooactive.catalogue import Preprocessing
from zooactive.foundation.errors import TrainingError
from zooactive.training.augment_layers import RandomView, augment
from zooactive.training.augmentation import Augmentation


def test_turns_alone_need_no_more_than_what_the_model_sees():
    preprocessing = Preprocessing(size=64, crop=0.5)
    assert Augmentation().canvas(preprocessing) == preprocessing


def test_the_canvas_holds_the_widest_view_moved_the_farthest_at_the_models_scale():
    # A view of 1.2 x 64 pixels whose centre moves by 0.1 of its width needs 1.2 x 64 x 1.2 = 92.2 pixels.
    canvas = Augmentation(scale=(0.8, 1.2), shift=0.1).canvas(Preprocessing(size=64, crop=0.5))
    assert canvas.size == 94
    assert canvas.size / canvas.crop == pytest.approx(64 / 0.5)


def test_the_corners_of_a_turned_view_show_sky_and_no_mirror():
    # A canvas whose pixels hold their distance from the centre: turned by any angle a view shows the very same.
    how = Augmentation(rotation="any", flips=True)
    side = how.canvas(Preprocessing(size=32, crop=0.5)).size
    assert side == 46  # 32 sqrt 2 = 45.3
    y, x = np.indices((side, side)) - (side - 1) / 2
    far = np.broadcast_to(np.hypot(x, y)[None, :, :, None], (20, side, side, 1)).astype(np.float32)
    views = np.asarray(RandomView(32, how, seed=3)(far, training=True))
    centre = far[:, 7:-7, 7:-7]
    outside = np.hypot(*(np.indices((32, 32)) - 15.5)) > 2  # the cone's tip is blunt after an interpolation
    assert np.abs(views - centre)[:, outside].max() < 0.1


def test_the_canvas_ends_where_the_image_does():
    canvas = Augmentation(scale=(0.8, 1.2)).canvas(Preprocessing(size=64, crop=0.9))
    assert canvas.crop <= 1
    assert canvas.size / canvas.crop == pytest.approx(64 / 0.9)
    assert Augmentation(scale=(0.8, 1.2)).canvas(Preprocessing(size=64)) == Preprocessing(size=64)


def test_the_canvas_holds_the_scales_of_prediction_too():
    canvas = Augmentation().canvas(Preprocessing(size=64, crop=0.5, scales=(0.8, 1.25)))
    assert canvas.size == 80


def test_the_canvas_has_the_models_pixels_at_its_centre():
    for size in (63, 64):
        canvas = Augmentation(scale=(1, 1.3)).canvas(Preprocessing(size=size, crop=0.4))
        assert (canvas.size - size) % 2 == 0


@pytest.mark.parametrize(
    ("settings", "moves", "interpolates"),
    [
        ({}, True, False),
        ({"flips": False, "rotation": "none"}, False, False),
        ({"flips": False}, True, True),
        ({"rotation": "none"}, True, True),
        ({"flips": False, "rotation": "none", "shift": 0.1}, True, True),
        ({"scale": (0.8, 1.2)}, True, True),
        ({"rotation": "any"}, True, True),
    ],
)
def test_all_eight_orientations_alone_need_no_interpolation(settings, moves, interpolates):
    how = Augmentation(**settings)
    assert (how.moves, how.interpolates) == (moves, interpolates)
    side = how.canvas(Preprocessing(size=8, crop=0.5)).size
    pixels = keras.Input((side, side, 3))
    network = keras.Model(pixels, augment(pixels, how, 8))
    assert any(isinstance(layer, RandomView) for layer in network.layers) == interpolates
    assert len(network.layers) == 1 + moves


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rotation": "some"}, "rotation = 'some' is unknown"),
        ({"scale": (1.2, 0.8)}, "give the least and the greatest width"),
        ({"shift": -0.1}, "shift = -0.1; give a share from 0 to 1"),
        ({"hue": 2}, "hue = 2; give a share"),
    ],
)
def test_what_is_out_of_range_is_refused(settings, told):
    with pytest.raises(TrainingError, match=told):
        Augmentation(**settings)
