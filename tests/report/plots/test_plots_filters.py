from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.figure import Figure

from zooactive.foundation.errors import ModelError
from zooactive.report.plots import filter_panels, map_panels, network_view


def panels(axes) -> list[np.ndarray]:
    """The pictures in the order in which they were drawn."""
    return [np.asarray(image.get_array()) for image in axes.get_images()]


def test_a_filter_is_scaled_by_itself_with_no_weight_at_middle_grey():
    filters = np.zeros((2, 2, 2, 1))
    filters[0, :, :, 0] = [[4, -4], [0, 2]]
    filters[1, :, :, 0] = [[0.1, 0], [0, 0.05]]
    first, second = panels(filter_panels(Figure().subplots(), filters))
    np.testing.assert_allclose(first, [[1, 0], [0.5, 0.75]])
    np.testing.assert_allclose(second, [[1, 0.5], [0.5, 0.75]])


def test_the_channels_of_a_filter_share_its_scale_and_stand_above_each_other_red_first():
    filters = np.zeros((1, 1, 1, 3))
    filters[0, 0, 0] = [2, -1, 0]
    axes = filter_panels(Figure().subplots(), filters)
    assert [float(panel.item()) for panel in panels(axes)] == [1, 0.25, 0.5]
    tops = [image.get_extent()[3] for image in axes.get_images()]
    assert tops == sorted(tops)
    low, high = axes.get_ylim()
    assert low > high  # downwards


def test_a_map_goes_from_its_own_least_value_to_its_largest():
    maps = np.array([[[0, 10], [5, 5]], [[-1, 0], [0, 0]]], dtype=float)
    first, second = panels(map_panels(Figure().subplots(), maps))
    np.testing.assert_allclose(first, [[0, 1], [0.5, 0.5]])
    np.testing.assert_allclose(second, [[0, 1], [1, 1]])


def test_of_too_many_maps_the_most_variable_are_drawn_in_the_layers_order():
    spreads = np.array([1, 5, 0, 3, 4.0])
    maps = spreads[:, None, None] * np.array([[0, 1], [0, 0.5]]) + np.arange(5)[:, None, None]
    drawn = map_panels(Figure().subplots(), maps, most=3, columns=3)
    assert len(panels(drawn)) == 3
    lefts = [image.get_extent()[0] for image in drawn.get_images()]
    assert lefts == sorted(lefts)


def test_filters_and_maps_of_one_value_are_finite():
    for axes in (
        filter_panels(Figure().subplots(), np.zeros((1, 3, 3, 3))),
        map_panels(Figure().subplots(), np.ones((1, 2, 2))),
    ):
        assert all(np.isfinite(panel).all() for panel in panels(axes))


@pytest.mark.parametrize("number", [1, 2, 7, 32, 65])
def test_panels_do_not_overlap_and_fill_the_axes(number):
    axes = map_panels(Figure().subplots(), np.random.default_rng(0).random((number, 3, 3)), most=100)
    boxes = [image.get_extent() for image in axes.get_images()]  # left, right, bottom, top; downwards
    assert len(boxes) == number
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[1] <= b[0] or b[1] <= a[0] or a[2] <= b[3] or b[2] <= a[3]
    assert axes.get_xlim() == pytest.approx((0, max(box[1] for box in boxes)))
    assert axes.get_ylim() == pytest.approx((max(box[2] for box in boxes), 0))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_is_seen_with_the_galaxy_and_a_titled_row_a_layer(channels):
    rng = np.random.default_rng(0)
    maps = {"stem": rng.random((16, 8, 8)), "a$_\\frac{1$": rng.random((40, 4, 4))}
    image = np.zeros((8, 8, channels), np.uint8)
    figure = network_view(rng.normal(size=(16, 3, 3, channels)), maps, image=image, title="587722983364690145")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    assert len(figure.axes) == 2 + len(maps)
    told = [text.get_text() for text in figure.texts]
    assert told[0] == "587722983364690145"
    assert told[1].startswith("16 filters of the first convolution, 3 x 3 pixels")
    assert ("red above green above blue" in told[1]) == (channels == 3)
    assert told[2:] == ["stem: 16 maps, 8 x 8 pixels", "a$_\\frac{1$: the 32 that vary most of 40 maps, 4 x 4 pixels"]
    boxes = [text.get_window_extent() for text in figure.texts] + [axes.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_without_a_galaxy_the_filters_stand_alone_above_the_maps():
    figure = network_view(np.ones((4, 3, 3, 1)), {"stem": np.ones((4, 2, 2))})
    assert len(figure.axes) == 2


def test_what_is_no_filter_and_no_map_is_refused():
    axes = Figure().subplots()
    for filters in (np.zeros((3, 3, 3)), np.zeros((0, 3, 3, 3))):
        with pytest.raises(ModelError, match=r"give \(filter, y, x, channel\)"):
            filter_panels(axes, filters)
    for maps in (np.zeros((3, 3)), np.zeros((0, 3, 3))):
        with pytest.raises(ModelError, match=r"give \(feature, y, x\)"):
            map_panels(axes, maps)
    with pytest.raises(ModelError, match="at most 0 of them"):
        map_panels(axes, np.zeros((1, 2, 2)), most=0)
