"""Pictures of posteriors, votes and training, drawn on Matplotlib axes that the caller owns.

Nothing here touches pyplot or Matplotlib's settings, so the pictures are the same in a notebook, in a pipeline and in
threads. Answers are told apart by the colours of Okabe and Ito (2008), which colour-blind readers can tell apart too,
and always by a name or a marker as well.
"""

from __future__ import annotations

from zooactive.report.plots.calibration import coverage_dots, pit_bars, reliability_lines
from zooactive.report.plots.confusion import confusion_matrix, roc_curves
from zooactive.report.plots.curves import information_scatter, probability_histogram, training_curves
from zooactive.report.plots.decision_tree import decision_tree, tree_size
from zooactive.report.plots.embedding_map import embedding_map
from zooactive.report.plots.filters import filter_panels, map_panels, network_view
from zooactive.report.plots.fractions import fractions_scatter, observed_against_predicted
from zooactive.report.plots.galaxies import answer_densities, galaxy_posteriors, gallery
from zooactive.report.plots.numbers import numbers_scatter
from zooactive.report.plots.rounds import click_curves, strategy_curves

__all__ = [
    "answer_densities",
    "click_curves",
    "confusion_matrix",
    "coverage_dots",
    "decision_tree",
    "embedding_map",
    "filter_panels",
    "fractions_scatter",
    "galaxy_posteriors",
    "gallery",
    "information_scatter",
    "map_panels",
    "network_view",
    "numbers_scatter",
    "observed_against_predicted",
    "pit_bars",
    "probability_histogram",
    "reliability_lines",
    "roc_curves",
    "strategy_curves",
    "training_curves",
    "tree_size",
]
