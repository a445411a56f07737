"""Curves of strategies."""

from __future__ import annotations

import pandas as pd
import pytest

from zooactive.foundation.errors import CatalogueError
from zooactive.report.plots import strategy_curves
from zooactive.report.plots.style import paper


def test_every_strategy_has_its_line_band_and_name():
    curves = pd.DataFrame(
        {
            "strategy": ["mutual_information"] * 2 + ["random"] * 2,
            "labelled": [100, 200] * 2,
            "test_likelihood": [10.0, 8.0, 10.0, 9.0],
            "low": [9.0, 7.0, 9.0, 8.5],
            "high": [11.0, 9.0, 11.0, 9.5],
        }
    )
    axes = strategy_curves(paper(4, 3).subplots(), curves)
    assert [line.get_label() for line in axes.lines] == ["mutual information", "random"]
    assert axes.lines[0].get_ydata().tolist() == [10, 8]
    assert len(axes.collections) == 2
    assert axes.get_xlabel() == "galaxies with votes"
    with pytest.raises(CatalogueError, match="have no column 'clicks'"):
        strategy_curves(axes, curves, cost="clicks")
