from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy import stats

from zooactive import plots
from zooactive.evaluation.classes import QuestionMetrics, question_metrics
from zooactive.foundation.errors import CatalogueError, PosteriorError, TreeError
from zooactive.posterior import Posterior
from zooactive.tree import Question

ROOT_ASKED, CHILD_UNASKED = "g0", "g1"


@pytest.fixture
def posterior(tree) -> Posterior:
    """Two draws of two galaxies: the first surely featured and face-on, the second surely smooth."""
    featured = [2, 60, 1, 2, 50, 8, 20, 30, 5, 40]
    smooth = [60, 2, 1, 10, 10, 8, 20, 30, 5, 40]
    alpha = np.array([[featured, smooth], [featured, smooth]], dtype=float)
    alpha[1, 0, 0] = 6
    return Posterior(alpha, [ROOT_ASKED, CHILD_UNASKED], tree)


def drawn(figure: Figure) -> Image.Image:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=50)
    return Image.open(buffer)


def texts(axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def test_drawing_never_imports_pyplot_and_leaves_the_settings_alone():
    code = (
        "import io, sys, matplotlib, numpy as np\n"
        "settings = lambda: {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != 'backend'}\n"
        "before = settings()\n"
        "from zooactive import plots\n"
        "figure = plots.gallery([np.zeros((8, 8, 3), np.uint8)], ['a'])\n"
        "figure.savefig(io.BytesIO())\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert settings() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_gallery_shows_every_cutout_with_its_caption_inside_the_sheet():
    pixels = [np.full((16, 16, 3), 20 * i, np.uint8) for i in range(8)]
    figure = plots.gallery(pixels, [f"5877325783124542{i:02}\nscore {i}" for i in range(8)], columns=3)
    drawn(figure)
    assert len(figure.axes) == 8
    captions = [axes.texts[0] for axes in figure.axes]
    assert [text.get_text().split("\n")[0][-2:] for text in captions] == [f"{i:02}" for i in range(8)]
    boxes = [text.get_window_extent() for text in captions]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :])


def test_a_gallery_takes_grey_cutouts_and_ids_that_are_no_mathematics():
    figure = plots.gallery([np.zeros((8, 8, 1), np.uint8)], ["a$_\\frac{1$ a very long name of a galaxy"])
    drawn(figure)
    text = figure.axes[0].texts[0].get_text()
    assert len(text) == 22
    assert text.startswith("a$_")
    assert text.endswith("galaxy")


@pytest.mark.parametrize(("images", "captions"), [(0, 0), (2, 1)])
def test_a_gallery_needs_one_caption_a_cutout(images, captions):
    with pytest.raises(CatalogueError, match=f"{images} images, {captions} captions"):
        plots.gallery([np.zeros((8, 8, 3), np.uint8)] * images, ["x"] * captions)


def test_an_answers_density_is_the_mixture_of_beta_densities(posterior):
    axes = plots.answer_densities(Figure().subplots(), posterior, ROOT_ASKED, "smooth-or-featured")
    x, ridge = axes.lines[0].get_data()
    expected = (stats.beta(2, 61).pdf(x) + stats.beta(6, 61).pdf(x)) / 2
    height = ridge - 2  # the first of three answers stands in the topmost row
    np.testing.assert_allclose(height / height.max(), expected / expected.max(), atol=1e-5)
    assert texts(axes) == ["artifact", "featured", "smooth"]


def test_volunteers_fractions_are_marked_where_they_voted(posterior):
    votes = [0, 40, 0, 0, 0, 0, 0, 0, 10, 30]
    merging = plots.answer_densities(Figure().subplots(), posterior, ROOT_ASKED, "merging", votes)
    marks = [line for line in merging.lines if str(line.get_label()).startswith("volunteers")]
    assert [float(mark.get_xdata()[0]) for mark in marks] == [0.25, 0.75]
    edge_on = plots.answer_densities(Figure().subplots(), posterior, ROOT_ASKED, "edge-on", votes)
    assert not [line for line in edge_on.lines if str(line.get_label()).startswith("volunteers")]


def test_what_cannot_be_drawn_of_a_galaxy_is_explained(posterior):
    axes = Figure().subplots()
    with pytest.raises(PosteriorError, match="'g9' is not among"):
        plots.answer_densities(axes, posterior, "g9", "merging")
    with pytest.raises(TreeError, match="Did you mean 'merging'"):
        plots.answer_densities(axes, posterior, ROOT_ASKED, "mergin")
    with pytest.raises(PosteriorError, match=r"shape \(2,\); tree 'small' needs \(10,\)"):
        plots.answer_densities(axes, posterior, ROOT_ASKED, "merging", [1, 2])


def test_questions_that_most_volunteers_would_not_reach_are_dimmed(posterior):
    figure = plots.galaxy_posteriors(posterior, CHILD_UNASKED, image=np.zeros((8, 8, 3), np.uint8))
    drawn(figure)
    alphas = {axes.get_title("left").split("  ·")[0]: axes.lines[0].get_alpha() for axes in figure.axes if axes.lines}
    assert list(alphas) == ["smooth-or-featured", "edge-on", "bar", "merging"]
    assert alphas["smooth-or-featured"] is None
    assert alphas["merging"] is None
    assert alphas["edge-on"] < 0.5
    assert alphas["bar"] < 0.5


def test_only_the_questions_asked_for_are_drawn(posterior):
    figure = plots.galaxy_posteriors(posterior, ROOT_ASKED, questions=["bar"])
    assert [axes.get_title("left").split("  ·")[0] for axes in figure.axes] == ["bar"]


def test_observed_stands_above_predicted_with_the_diagonal_drawn_once():
    axes = Figure().subplots()
    for i, name in enumerate(("smooth", "featured")):
        plots.fractions_scatter(axes, [0.2, 0.8], [0.1, 0.9], label=name, answer=i)
    assert len(axes.lines) == 1
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[0.2, 0.1], [0.8, 0.9]])
    colours = [tuple(points.get_facecolor()[0][:3]) for points in axes.collections]
    assert colours[0] != colours[1]
    with pytest.raises(PosteriorError, match="2 predicted and 1 observed"):
        plots.fractions_scatter(axes, [0.2, 0.8], [0.1], label="x")


def test_panels_show_only_galaxies_of_which_the_question_was_really_asked(posterior):
    votes = np.array([[2, 38, 0, 4, 34, 4, 10, 20, 10, 30], [36, 4, 0, 1, 3, 0, 1, 2, 4, 36]], dtype=float)
    figure = plots.observed_against_predicted(posterior, votes)
    drawn(figure)
    points = {axes.get_title("left"): axes.collections[0].get_offsets() for axes in figure.axes}
    assert {title: len(xy) for title, xy in points.items()} == {
        "smooth-or-featured  ·  2 galaxies": 2,
        "edge-on  ·  1 galaxy": 1,
        "bar  ·  1 galaxy": 1,
        "merging  ·  2 galaxies": 2,
    }
    np.testing.assert_allclose(points["edge-on  ·  1 galaxy"], [[2 / 52, 4 / 38]], rtol=1e-6)
    one = plots.observed_against_predicted(posterior, votes, questions=["bar"])
    assert len(one.axes) == 1


def test_votes_that_fit_no_galaxy_or_no_question_are_refused(posterior):
    with pytest.raises(PosteriorError, match=r"shape \(1, 10\); this posterior needs \(2, 10\)"):
        plots.observed_against_predicted(posterior, np.zeros((1, 10)))
    with pytest.raises(CatalogueError, match="give galaxies with votes"):
        plots.observed_against_predicted(posterior, np.zeros((2, 10)))


def test_legends_and_titles_of_neighbouring_panels_do_not_meet(posterior):
    votes = np.array([[2, 38, 0, 4, 34, 4, 10, 20, 10, 30]] * 2, dtype=float)
    figure = plots.observed_against_predicted(posterior, votes)
    drawn(figure)
    legends = [axes.get_legend().get_window_extent() for axes in figure.axes]
    titles = [axes._left_title.get_window_extent() for axes in figure.axes]
    assert not any(legend.overlaps(title) for legend in legends for title in titles)
    assert all(box.y0 >= 0 and box.y1 <= figure.bbox.y1 for box in (*legends, *titles))


def test_training_curves_mark_the_lowest_validation_loss():
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 2.5, 2.9]})
    axes = plots.training_curves(Figure().subplots(), history)
    assert [line.get_label() for line in axes.lines] == ["training", "validation", "lowest, epoch 2"]
    assert axes.lines[2].get_xydata().tolist() == [[2, 2.5]]


def test_epochs_that_begin_again_are_counted_on():
    history = pd.DataFrame({"epoch": [1, 2, 1, 2, 1], "loss": [5.0, 4, 3, 2, 1]})
    axes = plots.training_curves(Figure().subplots(), history)
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5]


def test_a_history_without_epochs_or_losses_is_refused():
    with pytest.raises(CatalogueError, match="no column 'loss'"):
        plots.training_curves(Figure().subplots(), pd.DataFrame({"epoch": [1]}))
    with pytest.raises(CatalogueError, match="no epoch"):
        plots.training_curves(Figure().subplots(), pd.DataFrame({"epoch": [], "loss": []}))


def test_the_histogram_counts_each_galaxy_once_on_its_own_side():
    axes = plots.probability_histogram(Figure().subplots(), [0.01, 0.02, 0.99, 1.0], [False, True, True, True])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["without, 1 galaxy", "with, 3 galaxies"]
    tops = [patch.get_xy()[:, 1].max() for patch in axes.patches]
    assert tops == [1, 2]
    with pytest.raises(CatalogueError, match="2 probabilities and 1 truths"):
        plots.probability_histogram(Figure().subplots(), [0.1, 0.2], [True])


def test_realised_information_is_drawn_over_predicted_with_means_of_tenths():
    predicted = np.linspace(0, 1, 100)
    table = pd.DataFrame({"predicted": predicted, "realised": 2 * predicted})
    axes = plots.information_scatter(Figure().subplots(), table)
    points, line, means = axes.get_lines()[:3]
    assert points.get_xydata() == pytest.approx(np.column_stack([predicted, 2 * predicted]))
    assert line.get_xydata().tolist() == [[0, 0], [1, 1]]
    expected = predicted.reshape(10, 10).mean(1)
    assert means.get_xydata() == pytest.approx(np.column_stack([expected, 2 * expected]))
    assert axes.get_xlabel() == "predicted information (nats)"


def shapes(truth, predicted) -> QuestionMetrics:
    """Metrics of a question whose first answer has a name that is no mathematics."""
    answers = Question("shape", ["very_$round", "disc", "ring"])
    return question_metrics(answers, truth, np.eye(3)[predicted] * 0.4 + 0.2, resamples=20)


def test_a_confusion_matrix_has_the_volunteers_in_its_rows_and_shades_each_row_by_its_shares():
    axes = plots.confusion_matrix(Figure().subplots(), shapes([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]))
    drawn(axes.figure)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("volunteers", "model")
    assert texts(axes) == [label.get_text() for label in axes.get_xticklabels()] == ["very_$round", "disc", "ring"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25, 0], [1, 0, 0], [0, 0, 0]])
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert (written[0, 0], written[1, 0], written[0, 1], written[1, 1]) == ("3\n75%", "1\n25%", "1\n100%", "0")
    assert axes.yaxis_inverted()  # the first answer on top, as in the table


def test_roc_curves_are_told_apart_by_colour_dashes_and_name_with_area_and_interval():
    metrics = shapes([0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 1, 1])
    axes = plots.roc_curves(Figure().subplots(), metrics)
    drawn(axes.figure)
    curves = [line for line in axes.lines if line.get_gid() != "diagonal"]
    assert len(curves) == 2  # there is no ring
    assert len({line.get_color() for line in curves}) == len({str(line._dash_pattern) for line in curves}) == 2
    # 3 of 4 rounds and 2 of 3 discs score high: (3 * 2 + (3 * 1 + 1 * 2) / 2) of 12 pairs are in order
    area = metrics.answers[0].auc
    named = [text.get_text() for text in axes.get_legend().get_texts()]
    assert named[0] == f"very_$round, AUC {8.5 / 12:.3f} ({area.low:.3f}–{area.high:.3f})"
    assert named[1].startswith("disc, AUC 0.708")
    np.testing.assert_allclose(curves[0].get_xydata(), [[0, 0], [1 / 3, 3 / 4], [1, 1]])


def test_metrics_that_cannot_be_drawn_are_explained():
    axes = Figure().subplots()
    nothing = question_metrics(Question("bar", ["yes", "no"]), [], np.zeros((0, 2)))
    with pytest.raises(PosteriorError, match="'bar' was measured on no galaxy"):
        plots.confusion_matrix(axes, nothing)
    with pytest.raises(PosteriorError, match="all 2 galaxies have the same answer to question 'shape'"):
        plots.roc_curves(axes, shapes([0, 0], [0, 1]))


def test_numbers_are_drawn_with_their_intervals_and_refused_where_they_do_not_match():
    axes = plots.numbers_scatter(Figure().subplots(), [1.0, 2.0], [1.1, 1.9], [[1.0, 1.2], [1.7, 2.1]], name="mass")
    (points,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points.get_xydata(), [[1.0, 1.1], [2.0, 1.9]])
    segments = axes.collections[0].get_segments()
    np.testing.assert_allclose(segments, [[[1.0, 1.0], [1.0, 1.2]], [[2.0, 1.7], [2.0, 2.1]]])
    assert axes.get_xlabel() == "mass, as labelled"
    with pytest.raises(PosteriorError, match="2 labels, 1 expected"):
        plots.numbers_scatter(Figure().subplots(), [1.0, 2.0], [1.1], [[1.0, 1.2]], name="mass")
