from __future__ import annotations

import keras
import numpy as np
import pytest
from tiny_network import tiny_network

from zooactive.catalogue import Preprocessing
from zooactive.models import GalaxyModel
from zooactive.training.augment_layers import RandomOrientation, RandomView, augment
from zooactive.training.augmentation import Augmentation
from zooactive.training.network import training_network


def eight(image: np.ndarray) -> list[bytes]:
    turned = [np.rot90(image, k) for k in range(4)]
    return [np.ascontiguousarray(view).tobytes() for view in [*turned, *(view[:, ::-1] for view in turned)]]


def test_training_shows_all_eight_orientations_about_equally_often_and_nothing_else():
    image = np.arange(2 * 2 * 1, dtype=np.float32).reshape(2, 2, 1)
    shown = np.asarray(RandomOrientation(seed=1)(np.repeat(image[None], 8000, axis=0), training=True))
    counts = [sum(view.tobytes() == known for view in shown) for known in eight(image)]
    assert sum(counts) == 8000
    # Each count is binomial(8000, 1/8): sd 29.6; five of them either way.
    assert all(abs(count - 1000) < 5 * 29.6 for count in counts)


def test_images_are_left_alone_outside_training():
    images = np.random.default_rng(0).random((3, 4, 4, 3), dtype=np.float32)
    assert np.array_equal(RandomOrientation()(images), images)
    assert np.array_equal(RandomOrientation()(images, training=False), images)


def test_each_image_of_a_batch_is_turned_for_itself():
    image = np.arange(16, dtype=np.float32).reshape(4, 4, 1)
    shown = np.asarray(RandomOrientation(seed=3)(np.repeat(image[None], 64, axis=0), training=True))
    assert len({view.tobytes() for view in shown}) == 8


def ramp(side: int, copies: int) -> np.ndarray:
    """Images whose first channel is the x and whose second is the y of each pixel."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    return np.repeat(np.stack([x, y], axis=-1)[None], copies, axis=0)


def view(images: np.ndarray, size: int, training: bool = True, **settings) -> np.ndarray:
    return np.asarray(RandomView(size, Augmentation(**settings), seed=5)(images, training=training))


def test_quarter_turns_by_interpolation_are_the_eight_orientations_too():
    image = np.random.default_rng(0).random((6, 6, 1), dtype=np.float32)
    shown = view(np.repeat(image[None], 400, axis=0), 6)
    known = np.stack([np.frombuffer(view, np.float32).reshape(6, 6, 1) for view in eight(image)])
    distance = np.abs(shown[:, None] - known).max(axis=(2, 3, 4))
    assert distance.min(axis=1).max() < 1e-5
    assert len(set(distance.argmin(axis=1))) == 8


def test_outside_training_the_centre_is_shown_pixel_by_pixel():
    images = ramp(10, 2)
    np.testing.assert_array_equal(view(images, 6, training=False, scale=(0.5, 1.5), rotation="any"), images[:, 2:8, 2:8])


def test_scale_and_shift_stay_in_their_range_and_reach_its_ends():
    shown = view(ramp(90, 300), 60, scale=(0.8, 1.2), shift=0.1, rotation="none", flips=False)
    scale = (shown[:, :, -1, 0] - shown[:, :, 0, 0]).mean(axis=1) / 59
    assert 0.8 <= scale.min() < 0.82
    assert 1.18 < scale.max() <= 1.2 + 1e-5
    centre = shown[:, 29:31, 29:31].mean(axis=(1, 2)) - 44.5
    assert np.all(np.abs(centre) <= 0.1 * 60 * scale[:, None] + 1e-3)
    assert np.abs(centre).max() > 5.5
    assert abs(np.corrcoef(centre.T)[0, 1]) < 0.3  # the axes move for themselves


def test_a_turn_by_any_angle_keeps_distances():
    shown = view(ramp(80, 200), 40, rotation="any")
    right, down = shown[:, 20, 21] - shown[:, 20, 20], shown[:, 21, 20] - shown[:, 20, 20]
    np.testing.assert_allclose(np.hypot(*right.T), 1, atol=1e-4)
    np.testing.assert_allclose((right * down).sum(axis=1), 0, atol=1e-4)
    angle = np.arctan2(right[:, 1], right[:, 0])
    assert np.histogram(angle, bins=8, range=(-np.pi, np.pi))[0].min() > 5


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"flips": False},
        {"flips": False, "rotation": "none"},
        {"rotation": "any", "scale": (0.8, 1.2), "brightness": 0.1, "contrast": 0.1, "saturation": 0.3, "hue": 0.05},
    ],
)
def test_an_augmentation_shows_other_images_in_training_and_the_same_ones_outside(settings):
    inputs = keras.Input((12, 12, 3))
    network = keras.Model(inputs, augment(inputs, Augmentation(**settings), 12, seed=1))
    images = np.random.default_rng(0).random((8, 12, 12, 3), dtype=np.float32)
    np.testing.assert_array_equal(np.asarray(network(images, training=False)), images)
    shown = np.asarray(network(images, training=True))
    same = all(np.array_equal(one, other) for one, other in zip(shown, images, strict=True))
    assert same == (settings == {"flips": False, "rotation": "none"})
    assert shown.min() >= 0
    assert shown.max() <= 1


def test_the_colours_of_each_image_change_for_themselves():
    inputs = keras.Input((4, 4, 3))
    settings = Augmentation(flips=False, rotation="none", saturation=0.5, brightness=0.2)
    network = keras.Model(inputs, augment(inputs, settings, 4, seed=1))
    shown = np.asarray(network(np.full((16, 4, 4, 3), [0.6, 0.4, 0.3], np.float32), training=True))
    assert np.allclose(shown, shown[:, :1, :1], atol=1e-6)  # one colour an image
    assert len({tuple(np.round(image[0, 0], 4)) for image in shown}) == 16


def test_grey_images_have_no_colours_to_change():
    inputs = keras.Input((4, 4, 1))
    network = keras.Model(inputs, augment(inputs, Augmentation(saturation=0.5, hue=0.1), 4))
    assert network(np.zeros((1, 4, 4, 1), np.float32), training=True).shape == (1, 4, 4, 1)


@pytest.mark.parametrize("bands", ["g", "gr", "griz", "ugrizy"])
def test_listed_bands_are_augmented_all_alike_without_a_change_of_colour(bands):
    cuts = "linear 0 1"
    model = GalaxyModel("rings", backbone=tiny_network(), preprocessing=Preprocessing(size=16, bands=[*bands], stretch=cuts))
    how = Augmentation(rotation="any", scale=(0.8, 1.2), shift=0.1, brightness=0.2, contrast=0.2, saturation=0.5, hue=0.3)
    network = training_network(model, augmentation=how)
    kinds = {type(layer) for layer in network.layers}
    assert {keras.layers.RandomBrightness, keras.layers.RandomContrast} <= kinds
    assert not {keras.layers.RandomSaturation, keras.layers.RandomHue} & kinds
    side = how.canvas(model.preprocessing).size
    grey = np.repeat(np.random.default_rng(0).integers(0, 255, (4, side, side, 1), dtype=np.uint8), len(bands), axis=-1)
    last = network.layers[network.layers.index(model.encoder) - 1]
    views = np.asarray(keras.Model(network.inputs[0], last.output)(grey, training=True))
    assert views.shape == (4, 16, 16, len(bands))
    assert np.ptp(views, axis=-1).max() < 1e-6
    assert np.asarray(network(grey, training=True)).shape == (4, 2)
