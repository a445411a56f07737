from __future__ import annotations

import numpy as np

from zooactive.augment import RandomOrientation


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
