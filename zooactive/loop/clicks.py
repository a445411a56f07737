"""Rehearsals of what clicks add to the catalogue: volunteers come one by one, and each day's clicks are planned anew.

A rehearsal compares ways to spend clicks and to turn votes into fractions. The model stays fixed or is retrained each day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.acquisition.allocation.allocate import allocate
from zooactive.acquisition.allocation.config import AllocationConfig
from zooactive.foundation.errors import AcquisitionError
from zooactive.foundation.hashing import hash_ids
from zooactive.posterior import Posterior
from zooactive.tree import DecisionTree

if TYPE_CHECKING:
    import pandas as pd

RAW, SHRUNK, UNIFORM, ALLOCATED = "raw votes", "shrunk votes", "model, uniform", "model, allocated"
WAYS = (RAW, SHRUNK, UNIFORM, ALLOCATED)
"""Ways to spend clicks: raw vote fractions k / n alone; votes with the survey's mean Dirichlet as prior, without images;
model and votes, with the same number of volunteers for every galaxy; model and votes, with allocated clicks."""

RELEARNT_UNIFORM, RELEARNT = "relearnt, uniform", "relearnt, allocated"
RELEARNT_WAYS = (RELEARNT_UNIFORM, RELEARNT)
"""The last two ways with a model that is retrained on all votes so far."""

Relearn: TypeAlias = Callable[[NDArray[np.float64]], Posterior]
"""Takes votes (galaxy, answer) and returns the posterior of a model trained on them. Each galaxy is predicted by a model
that was not trained on the votes of that galaxy."""

_SHOWN = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 35, 40, 50, 60)
"""The numbers of volunteers per galaxy in the ways that show every galaxy to the same number."""


def queue_volunteers(
    fractions: ArrayLike, tree: DecisionTree, ids: Iterable[str], *, volunteers: int = 60, seed: int = 0
) -> NDArray[np.int16]:
    """Return the votes of each galaxy after its first 0, 1, ... volunteers, shape (galaxy, volunteers + 1, answer).

    Parameters
    ----------
    fractions : array_like, shape (galaxy, answer)
        The probability that a volunteer who is asked gives each answer. A question without any fractions is never answered.
    tree : DecisionTree
    ids : iterable of str
        A galaxy's volunteers depend on its id and `seed` alone.
    volunteers : int
        The number of volunteers in the queue of each galaxy.
    seed : int
    """
    rho = np.asarray(fractions, dtype=float)
    found = np.zeros((len(rho), volunteers + 1, len(tree.columns)), dtype=np.int16)
    for row, start in enumerate(hash_ids(ids, purpose="crowd", seed=seed)):
        rng = np.random.default_rng(int(start))
        given = np.zeros((volunteers, len(tree.columns)), dtype=np.int16)
        for q in tree.order:
            where = tree.slices[q]
            leading = tree.leads_to[q] if tree.parents[q] >= 0 else np.zeros(0, dtype=bool)
            asked = given[:, leading].sum(1) > 0 if len(leading) else np.full(volunteers, True)
            ends = np.cumsum(rho[row, where])
            if ends[-1] <= 0 or not asked.any():
                continue
            answer = np.minimum(np.searchsorted(ends / ends[-1], rng.random(volunteers), side="right"), len(ends) - 1)
            given[asked, where.start + answer[asked]] = 1
        found[row, 1:] = np.cumsum(given, axis=0)
    return found


@dataclass(frozen=True, eq=False)
class ClickCurves:
    """The error of the catalogue against clicks, for each way to spend them.

    Parameters
    ----------
    clicks, errors : dict of str to ndarray, shape (step, galaxy)
        For each way: the number of answers so far, and the squared error of the fractions, weighted by question.
    shown : dict of str to ndarray, shape (step, galaxy)
        For each way: the number of volunteers so far.
    """

    clicks: dict[str, NDArray[np.float64]]
    errors: dict[str, NDArray[np.float64]]
    shown: dict[str, NDArray[np.float64]]

    def table(self) -> pd.DataFrame:
        """Return one row per way and step: ``way``, and the means over galaxies ``volunteers``, ``clicks`` and ``error``."""
        import pandas as pd

        rows = [
            {
                "way": way,
                "volunteers": self.shown[way][step].mean(),
                "clicks": self.clicks[way][step].mean(),
                "error": self.errors[way][step].mean(),
            }
            for way in self.clicks
            for step in range(len(self.clicks[way]))
        ]
        return pd.DataFrame(rows)

    def needed(self, way: str, raw: int, rows: NDArray[np.int64] | slice = slice(None)) -> tuple[float, float]:
        """Return the clicks per galaxy with which a way reaches the error of `raw` raw votes, and the clicks of those votes.

        Clicks are interpolated between steps in the logarithm of the error, except at a step whose error is 0. The result is
        NaN if the way never reaches that error.
        """
        at = int(np.flatnonzero(self.shown[RAW][:, 0] == raw)[0])
        wanted = self.errors[RAW][at, rows].mean()
        clicks, errors = self.clicks[way][:, rows].mean(1), self.errors[way][:, rows].mean(1)
        below = np.flatnonzero(errors <= wanted)
        base = float(self.clicks[RAW][at, rows].mean())
        if len(below) == 0:
            return float("nan"), base
        end = int(below[0])
        if end == 0 or errors[end] == 0:
            return float(clicks[end]), base
        high, low = np.log(errors[end - 1]), np.log(errors[end])
        share = (high - np.log(wanted)) / (high - low)
        return float(clicks[end - 1] + share * (clicks[end] - clicks[end - 1])), base


def rehearse_clicks(
    model: Posterior,
    queue: ArrayLike,
    truth: ArrayLike,
    *,
    survey: ArrayLike,
    days: Sequence[float] = (0.5, 0.5, 0.5, 0.5, 1, 2, 3, 4, 4, 4, 6, 6, 8, 10),
    counted: Sequence[str] | None = None,
    config: AllocationConfig | None = None,
    relearn: Relearn | None = None,
) -> ClickCurves:
    """Play days of volunteers' votes over galaxies whose true fractions are known.

    Parameters
    ----------
    model : Posterior
        The model's predictions for galaxies that it was not trained on.
    queue : array_like of int, shape (galaxy, volunteers + 1, answer)
        The result of `queue_volunteers`.
    truth : array_like, shape (galaxy, answer)
        The true fractions: the limit of infinitely many votes.
    survey : array_like, shape (answer,)
        Concentrations of the survey as a whole, the prior of votes without an image: `constant_concentrations` of other
        galaxies than those measured here. Raw votes of a question that nobody was asked take its mean fractions.
    days : sequence of float
        Each day's clicks, as volunteers per galaxy if all galaxies were shown to the same number.
    counted : sequence of str, optional
        The questions whose answers are counted as clicks, here and by the allocation. The default is the questions that
        `config` names, or all.
    config : AllocationConfig, optional
        Its weights say how much each question counts.
    relearn : callable, optional
        Takes all votes so far (galaxy, answer) and returns the posterior of the same galaxies by a model trained on them.
        Each galaxy must be predicted by a model that was not trained on its own votes, because those votes are added
        afterwards (`OutOfFold`). With it, two more ways are played, `RELEARNT_WAYS`; the second of them begins with `model`
        on its first day.

    Returns
    -------
    ClickCurves

    Raises
    ------
    AcquisitionError
        When the shapes do not match, or `relearn` returns other galaxies.
    """
    config = config or AllocationConfig()
    tree = model.tree
    lines, true = np.asarray(queue), np.asarray(truth, dtype=float)
    if lines.ndim != 3 or lines.shape[::2] != (len(model), len(tree.columns)) or true.shape != lines.shape[::2]:
        raise AcquisitionError(
            f"a queue of shape {lines.shape} and truth of shape {true.shape} do not match the model's {len(model)} galaxies"
        )
    config = replace(config, counted=config.counted if counted is None else tuple(counted))
    game = _Game(lines, true, config.question_weights(tree) * tree.asked(np.nan_to_num(true)), tree, config)
    whole = Posterior(np.broadcast_to(np.asarray(survey, dtype=float), (1, len(model), len(tree.columns))), model.ids, tree)
    game.play_alike(whole, model, relearn)
    game.play_days(ALLOCATED, model, None, days)
    if relearn is not None:
        game.play_days(RELEARNT, model, relearn, days)
    noted = (game.clicks, game.errors, game.shown)
    return ClickCurves(*({way: np.stack(steps) for way, steps in kind.items()} for kind in noted))


@dataclass
class _Game:
    """The volunteers in their queues (galaxy, volunteers + 1, answer), the true fractions, and the results of each way."""

    lines: NDArray[np.int16]
    true: NDArray[np.float64]
    weigh: NDArray[np.float64]
    """(galaxy, question)"""
    tree: DecisionTree
    config: AllocationConfig
    clicks: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    errors: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)
    shown: dict[str, list[NDArray[np.float64]]] = field(default_factory=dict)

    def play_alike(self, whole: Posterior, model: Posterior, relearn: Relearn | None) -> None:
        """Show every galaxy to the same number of volunteers."""
        for number in (n for n in _SHOWN if n < self.lines.shape[1]):
            votes = self.lines[:, number].astype(float)
            everywhere = np.full(len(votes), number)
            with np.errstate(invalid="ignore"):
                fractions = self.tree.fractions(votes)
            raw = np.where(np.isfinite(fractions), fractions, whole.mean())
            self._note(RAW, votes, everywhere, raw)
            self._note(SHRUNK, votes, everywhere, whole.given_votes(votes).mean())
            self._note(UNIFORM, votes, everywhere, model.given_votes(votes).mean())
            if relearn is not None:
                known = _relearnt(relearn, votes, model) if number else model
                self._note(RELEARNT_UNIFORM, votes, everywhere, known.given_votes(votes).mean())

    def play_days(self, way: str, model: Posterior, relearn: Relearn | None, days: Sequence[float]) -> None:
        """Allocate each day's clicks by the votes known in the morning."""
        rows, volunteers = np.arange(len(self.lines)), self.lines.shape[1] - 1
        so_far = np.zeros(len(rows), dtype=np.int64)
        votes = self.lines[rows, so_far].astype(float)
        self._note(way, votes, so_far, model.mean())
        price = model.asked()[:, self.config.counted_questions(self.tree)].sum()  # of one volunteer for every galaxy
        most = replace(self.config, ceiling=min(self.config.ceiling, volunteers))
        for day, share in enumerate(days):
            plan = allocate(model, clicks=share * price, received=votes, config=replace(most, seed=most.seed + day))
            so_far = np.minimum(so_far + plan["more"].to_numpy(), volunteers)
            votes = self.lines[rows, so_far].astype(float)
            if relearn is not None:
                model = _relearnt(relearn, votes, model)
            self._note(way, votes, so_far, model.given_votes(votes).mean())

    def _note(
        self, way: str, votes: NDArray[np.float64], number: NDArray[np.generic], fractions: NDArray[np.float64]
    ) -> None:
        counts = self.config.counted_questions(self.tree)
        squares = self.tree.question_sums(np.nan_to_num(fractions - self.true) ** 2)
        self.clicks.setdefault(way, []).append(np.asarray(self.tree.question_sums(votes)[:, counts].sum(1)))
        self.errors.setdefault(way, []).append(np.asarray((self.weigh * squares).sum(1)))
        self.shown.setdefault(way, []).append(np.asarray(number, dtype=float))


def _relearnt(relearn: Relearn, votes: NDArray[np.float64], before: Posterior) -> Posterior:
    found = relearn(votes)
    if found.ids.tolist() != before.ids.tolist():
        raise AcquisitionError(
            f"relearn returned {len(found)} galaxies in another order or selection; return the same {len(before)}, in order"
        )
    return found
