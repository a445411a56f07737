"""Curves of strategies."""

from __future__ import annotations

import pandas as pd
import pytest

from zooactive.foundation.errors import CatalogueError
from zooactive.report.plots import click_curves, strategy_curves
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


def test_each_way_to_spend_clicks_has_its_line_on_logarithmic_scales():
    table = pd.DataFrame(
        {"way": ["raw votes"] * 3 + ["model"] * 3, "clicks": [0.0, 5, 10] * 2, "error": [1.0, 0.5, 0.2, 0.4, 0.2, 0.1]}
    )
    axes = click_curves(paper(4, 3).subplots(), table)
    assert [line.get_label() for line in axes.lines] == ["raw votes", "model"]
    assert axes.lines[1].get_xdata().tolist() == [5, 10]  # no clicks have no logarithm
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert not axes.collections
    banded = click_curves(paper(4, 3).subplots(), table.assign(low=table.error * 0.9, high=table.error * 1.1))
    assert len(banded.collections) == 2
    with pytest.raises(CatalogueError, match="no column 'error'"):
        click_curves(axes, table.drop(columns="error"))
