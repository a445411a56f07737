"""Pictures of a training, of a finished task, and of scores that were put to the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.report.plots.style import COLOURS, INK, counted, dress

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def training_curves(axes: Axes, history: pd.DataFrame) -> Axes:
    """Draw the loss of each epoch, and mark the epoch with the lowest validation loss.

    Parameters
    ----------
    axes : Axes
    history : DataFrame
        Columns ``epoch``, ``loss`` and, where a validation set was given, ``val_loss``. Where the epochs begin again,
        as in a second stage of fine-tuning, they are counted on.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    CatalogueError
        When the column ``epoch`` or ``loss`` is missing, or there is no epoch.
    """
    from matplotlib.ticker import MaxNLocator

    missing = [column for column in ("epoch", "loss") if column not in history]
    if missing or history.empty:
        what = f"no column '{missing[0]}'" if missing else "no epoch"
        raise CatalogueError(f"the training history has {what}; give a table with the columns epoch, loss, val_loss")
    epoch = _counted_on(history["epoch"].to_numpy(dtype=float))
    for i, (column, label, dashes) in enumerate((("loss", "training", "-"), ("val_loss", "validation", (0, (5, 2))))):
        if column not in history or history[column].isna().all():
            continue
        loss = history[column].to_numpy(dtype=float)
        lone = "o" if len(epoch) < 3 else ""
        axes.plot(epoch, loss, color=COLOURS[i], linewidth=1.6, linestyle=dashes, marker=lone, markersize=4, label=label)
        if column == "val_loss":
            best = int(np.nanargmin(loss))
            axes.plot(
                epoch[best], loss[best], marker="o", markersize=7, color="white", markeredgecolor=COLOURS[i],
                markeredgewidth=1.6, linestyle="none", label=f"lowest, epoch {epoch[best]:g}",
            )  # fmt: skip
    dress(axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch", fontsize=9, color=INK)
    axes.set_ylabel("loss (nats a galaxy)", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False)
    return axes


def probability_histogram(axes: Axes, probability: ArrayLike, truth: ArrayLike) -> Axes:
    """Draw how a binary task's probabilities fall for galaxies that have the feature and for those that have not.

    Parameters
    ----------
    axes : Axes
    probability : array_like, shape (galaxy,)
        Predicted probability of the feature.
    truth : array_like of bool, shape (galaxy,)
        Whether the galaxy has it.

    Returns
    -------
    Axes
        The axes that were given.

    Raises
    ------
    CatalogueError
        When the two have not the same length.
    """
    from matplotlib.ticker import MaxNLocator

    p, has = np.asarray(probability, dtype=float), np.asarray(truth).astype(bool)
    if p.shape != has.shape:
        raise CatalogueError(f"{p.size} probabilities and {has.size} truths were given; give one of each a galaxy")
    edges = np.linspace(0, 1, 21)
    for i, (chosen, name, hatch) in enumerate(((~has, "without", ""), (has, "with", "////"))):
        axes.hist(
            p[chosen], bins=list(edges), histtype="stepfilled", facecolor=(COLOURS[i], 0.25), edgecolor=COLOURS[i],
            linewidth=1.5, hatch=hatch, label=f"{name}, {counted(int(chosen.sum()))}",
        )  # fmt: skip
    dress(axes)
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("predicted probability", fontsize=9, color=INK)
    axes.set_ylabel("galaxies", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.5, 1.16), ncols=2)
    return axes


def information_scatter(axes: Axes, table: pd.DataFrame) -> Axes:
    """Draw what galaxies' votes have told against what they were predicted to tell, with means over tenths of the galaxies.

    Parameters
    ----------
    axes : Axes
    table : DataFrame
        Columns ``predicted`` and ``realised``, nats, as in `zooactive.evaluation.calibration.AcquisitionCalibration`.

    Returns
    -------
    Axes
        The axes that were given. On the dashed line votes told what was predicted. Single galaxies scatter widely; their
        means should not.
    """
    predicted, realised = (table[name].to_numpy(dtype=float) for name in ("predicted", "realised"))
    axes.plot(predicted, realised, ".", color=COLOURS[0], markersize=3, alpha=0.35, markeredgewidth=0, label="one galaxy")
    end = max(float(predicted.max()), 1e-3)
    axes.plot([0, end], [0, end], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as predicted")
    tenths = [tenth for tenth in np.array_split(np.argsort(predicted, kind="stable"), 10) if len(tenth) > 1]
    means = np.array([[predicted[tenth].mean(), realised[tenth].mean()] for tenth in tenths]).reshape(-1, 2)
    errors = [float(realised[tenth].std(ddof=1) / np.sqrt(len(tenth))) for tenth in tenths]
    axes.errorbar(
        means[:, 0], means[:, 1], yerr=errors, fmt="o", color=COLOURS[1], markersize=5, capsize=2, linewidth=1.2,
        label="mean of a tenth, standard error",
    )  # fmt: skip
    dress(axes)
    axes.set_xlabel("predicted information (nats)", fontsize=9, color=INK)
    axes.set_ylabel("realised information (nats)", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="upper left")
    return axes


def _counted_on(epoch: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add to each stage the last epoch of the stage before it."""
    out = epoch.copy()
    for i in range(1, len(epoch)):
        if epoch[i] <= epoch[i - 1]:
            out[i:] = epoch[i:] + out[i - 1]
    return out
