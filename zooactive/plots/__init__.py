"""Pictures of posteriors, votes and training, drawn on Matplotlib axes that the caller owns.

Nothing here touches pyplot or Matplotlib's settings, so the pictures are the same in a notebook, in a pipeline and in
threads. Answers are told apart by the colours of Okabe and Ito (2008), which colour-blind readers can tell apart too,
and always by a name or a marker as well.
"""

from __future__ import annotations

from zooactive.plots.calibration import coverage_dots, pit_bars, reliability_lines
from zooactive.plots.confusion import confusion_matrix, roc_curves
from zooactive.plots.curves import information_scatter, probability_histogram, training_curves
from zooactive.plots.decision_tree import decision_tree, tree_size
from zooactive.plots.filters import filter_panels, map_panels, network_view
from zooactive.plots.fractions import fractions_scatter, observed_against_predicted
from zooactive.plots.galaxies import answer_densities, galaxy_posteriors, gallery
from zooactive.plots.rounds import strategy_curves

__all__ = [
    "answer_densities",
    "confusion_matrix",
    "coverage_dots",
    "decision_tree",
    "filter_panels",
    "fractions_scatter",
    "galaxy_posteriors",
    "gallery",
    "information_scatter",
    "map_panels",
    "network_view",
    "observed_against_predicted",
    "pit_bars",
    "probability_histogram",
    "reliability_lines",
    "roc_curves",
    "strategy_curves",
    "training_curves",
    "tree_size",
]
