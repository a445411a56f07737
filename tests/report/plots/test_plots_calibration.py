"""Coverage, transforms, reliability and the decision tree as pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from zooactive.evaluation.calibration import coverage, pit_histogram
from zooactive.evaluation.fractions import reliability
from zooactive.foundation.errors import PosteriorError
from zooactive.posterior import Posterior
from zooactive.report.plots import coverage_dots, decision_tree, pit_bars, reliability_lines, tree_size
from zooactive.report.plots.style import paper
from zooactive.tree import list_trees, load_tree


@pytest.fixture
def measured(tree, draw_votes):
    votes = draw_votes(60)
    posterior = Posterior(np.random.default_rng(1).uniform(1, 60, (4, 60, len(tree.columns))), map(str, range(60)), tree)
    return posterior, votes


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_coverage_stands_in_the_row_of_its_question_and_before_is_open(measured):
    table = coverage(*measured)
    before = table.assign(**{"0.5": 0.1})
    axes = coverage_dots(paper(5, 3).subplots(), table, before)
    assert [label.get_text() for label in axes.get_yticklabels()] == table["question"].tolist()
    dots = {line.get_label(): line for line in axes.lines if line.get_label().endswith("intervals")}
    assert np.asarray(dots["80% intervals"].get_xdata()) == pytest.approx(table["0.8"])
    hollow = [line for line in axes.lines if line.get_fillstyle() == "none"]
    assert np.asarray(hollow[0].get_xdata()) == pytest.approx([0.1] * len(table))
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the tree's first question on top
    with pytest.raises(PosteriorError, match="nothing is covered"):
        coverage_dots(paper(5, 3).subplots(), table.assign(galaxies=0))


def test_bars_of_a_flat_transform_reach_one(measured):
    flat = pd.DataFrame({"question": "q", "galaxies": 9, "from": [0, 0.5], "to": [0.5, 1], "share": [0.5, 0.5]})
    axes = pit_bars(paper(3, 2).subplots(), flat, "q")
    assert [bar.get_height() for bar in axes.patches] == [1, 1]
    table = pit_histogram(*measured)
    assert pit_bars(paper(3, 2).subplots(), table, table["question"].iloc[0]).patches
    with pytest.raises(PosteriorError, match="no rows of question 'bra'; its questions are: q"):
        pit_bars(paper(3, 2).subplots(), flat, "bra")


def test_bins_of_few_galaxies_and_the_second_of_two_answers_are_not_drawn(measured):
    table = reliability(*measured)
    two = table[table["question"] == "edge-on"]
    axes = reliability_lines(paper(3, 3).subplots(), table, "edge-on")
    assert axes.get_legend_handles_labels()[1] == [two["answer"].iloc[0]]
    drawn = next(line for line in axes.lines if line.get_gid() != "diagonal")
    assert len(drawn.get_xdata()) == (two[two["answer"] == two["answer"].iloc[0]]["galaxies"] >= 5).sum()


@pytest.mark.parametrize("name", list_trees())
def test_no_two_boxes_of_a_tree_overlap_and_all_of_it_is_in_view(name):
    tree = load_tree(name)
    alpha = np.random.default_rng(2).gamma(1.2, 3, (3, 1, len(tree.columns))) + 0.1
    axes = paper(*tree_size(tree)).add_axes((0, 0, 1, 1))
    decision_tree(axes, Posterior(alpha, ["g"], tree), "g")
    boxes = [patch.get_extents() for patch in axes.patches if type(patch).__name__ == "FancyBboxPatch"]
    assert len(boxes) == len(tree.questions)
    for i, box in enumerate(boxes):
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1
        assert axes.bbox.y0 <= box.y0 < box.y1 <= axes.bbox.y1
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_a_box_gives_the_share_who_reach_it_and_each_expected_fraction(measured, tree):
    posterior, votes = measured
    axes = paper(*tree_size(tree)).add_axes((0, 0, 1, 1))
    assert decision_tree(axes, posterior, "7", votes[7]) is axes
    said = texts(axes)
    for question, share in zip(tree.questions, posterior.asked()[7], strict=True):
        assert said[said.index(question.name.removesuffix(tree.suffix)) + 1] == f"{share:.0%}"
    for answer, fraction in zip([a for q in tree.questions for a in q.answers], posterior.mean()[7], strict=True):
        assert any(said[i] == answer and said[i + 1] == f"{fraction:.2f}" for i in range(len(said) - 1))
    asked = tree.question_sums(votes[7:8])[0][tree.question_index] > 0
    assert len(axes.lines) == asked.sum()
    with pytest.raises(PosteriorError, match="votes have the shape"):
        decision_tree(axes, posterior, "7", [1, 2])


def test_branches_are_as_wide_as_the_share_who_take_them(measured, tree):
    posterior = measured[0]
    axes = paper(*tree_size(tree)).add_axes((0, 0, 1, 1))
    decision_tree(axes, posterior, "7")
    widths = [patch.get_linewidth() for patch in axes.patches if type(patch).__name__ == "PathPatch"]
    joint = posterior.joint_mean()[7]
    children = [q for q in range(len(tree.questions)) if tree.parents[q] >= 0]
    expected = [joint[a] for q in children for a in np.flatnonzero(tree.leads_to[q])]
    assert np.corrcoef(widths, expected)[0, 1] > 0.999
