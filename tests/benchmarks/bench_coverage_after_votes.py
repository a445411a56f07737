"""Do model and votes together keep their word about the next votes, after 0, 1, 5, 10 and 20, and when votes decide to stop?

On galaxies that the bundled encoder has never seen: the test tenth of the Galaxy Zoo challenge on Kaggle. Volunteers are
drawn from the recorded fractions. The first N are received, and the next 20 are held back to judge by. "allocated": as many
as `za.allocate` gives in four days, 10 a galaxy on average and 40 at most. "stopped": until an answer of the first question
has P(fraction > .5) > .95, 20 at most.

1. Ways to fit the factors, judged on validation galaxies alone: nats a galaxy that factors fitted to galaxies of one half
   bring on the held-back votes of the other half, given N votes received, N drawn from 0, 1, 5, 10 and 20. They are fitted
   to the first 20 votes, or to votes held back in the same way. A question's factor is kept where it gains more than a
   standard error on galaxies that it was not fitted to (`fit_concentration_factors`), where it gains, or always; or there is
   one for all questions; or factors lie around a common one (`fit_pooled_factors`).
2. Coverage of the held-back votes (randomised PIT), with the factors and without. A cell passes where it is within 3 points
   of nominal or its 95% interval, by the bootstrap over galaxies and seeds, contains nominal.
3. Coverage of the fractions themselves, where truth is drawn from the model, in standard errors from nominal (bound 4).

Five minutes on one core that is free. Options: number of seeds; a folder for the tables.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

import zooactive as za
from zooactive.evaluation.calibration import coverage_by_galaxy
from zooactive.loop.clicks import queue_volunteers
from zooactive.models import load_network
from zooactive.models.saved_form import BUNDLED
from zooactive.posterior import Posterior
from zooactive.posterior.corrections import scale_concentrations
from zooactive.training.calibrate import fit_answer_factors, fit_concentration_factors, fit_pooled_factors
from zooactive.tree import DecisionTree
from zooactive.tree.likelihood import log_rising

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLIT = (0.85, 0.05, 0.10)
DRAWS, RESAMPLES = 32, 400
RECEIVED, HELD = (0, 1, 5, 10, 20), 20
LEVELS = (0.5, 0.8, 0.95)
USES = (*map(str, RECEIVED), "allocated", "stopped")
HALVINGS = 10
GRID, SPREAD = np.linspace(np.log(0.02), np.log(50), 61), 0.25
WAYS = ("first 20 votes", "held back given received")
RULES = ("gain above its error", "gain above 0", "always", "one for all questions", "pooled")
SIZES = (None, 80, 40, 20)


def posterior_of(model: za.GalaxyModel, galaxies: za.Catalogue, tree: DecisionTree) -> Posterior:
    """Return what the bundled model expects, for the survey's questions."""
    everything = za.predict(model, galaxies, draws=DRAWS)
    columns = [model.tree.columns.index(column) for column in tree.columns]
    return Posterior(everything.concentrations[..., columns], everything.ids, tree)


# How many have come -------------------------------------------------------------------------------------------------


def stopped(posterior: Posterior, queue: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return how many come until the first question is answered, or all of `HELD`."""
    first, where = posterior.question(posterior.tree.questions[0].name), posterior.tree.slices[0]
    number, going = np.zeros(len(posterior), dtype=np.int64), np.ones(len(posterior), dtype=bool)
    for _ in range(HELD):
        votes = queue[np.arange(len(posterior)), number][:, where]
        going &= (first.given_votes(votes).probability_above(0.5) <= 0.95).all(1)
        number += going
    return number


def allocated(posterior: Posterior, queue: NDArray[np.int16]) -> NDArray[np.int64]:
    """Return how many come where each day's clicks are allocated anew."""
    rows, number = np.arange(len(posterior)), np.zeros(len(posterior), dtype=np.int64)
    most = queue.shape[1] - 1 - HELD
    for day, share in enumerate((1, 2, 3, 4)):
        plan = za.allocate(
            posterior,
            clicks=share * posterior.asked().sum(),
            received=queue[rows, number].astype(float),
            ceiling=most,
            trees=DRAWS,
            seed=day,
        )
        number = np.minimum(number + plan["more"].to_numpy(), most)
    return number


def uses(posterior: Posterior, queue: NDArray[np.int16]) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each use, and how many volunteers of each galaxy have come in it."""
    for name in USES:
        if name.isdigit():
            yield name, np.full(len(posterior), int(name))
        else:
            yield name, (allocated if name == "allocated" else stopped)(posterior, queue)


# Ways to fit --------------------------------------------------------------------------------------------------------


def nats(own: Posterior, votes: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return the log likelihood of one question's votes, shape (galaxy,), but for what no factor changes."""
    each = [log_rising(votes, factor * alpha.astype(float), own.tree)[:, 0] for alpha in own.concentrations]
    return np.asarray(np.log((own.weights * np.exp(each)).sum(0)))


def compare_fits(posterior: Posterior, fractions: NDArray[np.float64]) -> Iterator[pd.DataFrame]:
    """Judge ways to fit factors, and rules to keep them, on halves of validation galaxies that they were not fitted to.

    Yields what the factors of so many galaxies of one half bring over the whole tree on the other half, beside those of
    `fit_concentration_factors`; then the factors and what they bring to each question.
    """
    tree, galaxies, rng = posterior.tree, len(posterior), np.random.default_rng(5)
    rows, questions = np.arange(galaxies), np.arange(len(tree.questions))
    votes = dict[tuple[str, bool], NDArray[np.float64]]()  # way, fitting or judging: (factor, question, galaxy)
    several = dict[tuple[str, bool], NDArray[np.bool_]]()
    parts = [(posterior.question(q.name), where) for q, where in zip(tree.questions, tree.slices, strict=True)]

    def of_factors(counts: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([[nats(own, counts[:, where], c) for own, where in parts] for c in [1.0, *np.exp(GRID)]])

    for fitting in (True, False):
        queue = queue_volunteers(fractions, tree, posterior.ids, volunteers=40, seed=99 if fitting else 98).astype(float)
        number = rng.choice(RECEIVED, galaxies)
        before, after = queue[rows, number], queue[rows, number + HELD]
        if fitting:
            votes[WAYS[0], True], several[WAYS[0], True] = of_factors(queue[:, HELD]), tree.question_sums(queue[:, HELD]) > 1
        votes[WAYS[1], fitting] = of_factors(after) - of_factors(before)
        several[WAYS[1], fitting] = tree.question_sums(after - before) > 0
    truth = votes[WAYS[1], False] * several[WAYS[1], False].T
    each = list[dict[str, object]]()
    by_question = pd.DataFrame({"question": [q.name for q in tree.questions]})
    for way in WAYS:
        pooled = choose(votes[way, True], several[way, True], np.full(galaxies, True), 0)
        for rule in ("always", "pooled"):
            by_question[f"{way[:5]}, {rule}"] = [1.0, *np.exp(GRID)] @ (np.arange(len(GRID) + 1)[:, None] == pooled[rule])
    for size in SIZES:
        gains = {(way, rule): np.zeros((galaxies, len(questions))) for way in WAYS for rule in RULES}
        for halving in range(HALVINGS):
            order = np.random.default_rng(halving).permutation(galaxies)
            for fitted, judged in (np.array_split(order, 2), np.array_split(order, 2)[::-1]):
                mine = np.isin(rows, fitted[:size])
                for way in WAYS:
                    for rule, factor in choose(votes[way, True], several[way, True], mine, halving).items():
                        gain = truth[factor[:, None], questions[:, None], judged] - truth[0][:, judged]
                        gains[way, rule][judged] += gain.T / HALVINGS
        today = gains[WAYS[0], RULES[0]].sum(1)
        again = [rng.integers(0, galaxies, galaxies) for _ in range(RESAMPLES)]
        for (way, rule), gain in gains.items():
            whole = gain.sum(1)
            low, high = np.percentile([whole[some].mean() for some in again], [2.5, 97.5])
            less, more = np.percentile([(whole - today)[some].mean() for some in again], [2.5, 97.5])
            row = {
                "galaxies": len(fitted[:size]),
                "fitted to": way,
                "kept": rule,
                "gain": whole.mean(),
                "low": low,
                "high": high,
            }
            each.append(row | {"over today's": (whole - today).mean(), "from": less, "to": more})
            if size is None and rule in (RULES[0], "pooled"):
                by_question[f"gain: {way[:5]}, {rule}"] = gain.sum(0) / several[WAYS[1], False].sum(0)
        apart = (gains[WAYS[1], "pooled"] - gains[WAYS[0], "pooled"]).sum(1)
        low, high = np.percentile([apart[some].mean() for some in again], [2.5, 97.5])
        row = {"galaxies": len(fitted[:size]), "fitted to": "second over first", "kept": "pooled", "gain": apart.mean()}
        each.append(row | {"low": low, "high": high})
    yield pd.DataFrame(each)
    yield by_question


def choose(
    votes: NDArray[np.float64], several: NDArray[np.bool_], fitted: NDArray[np.bool_], seed: int
) -> dict[str, NDArray[np.int64]]:
    """Return of each rule the place of the factor of each question, 0 for none, fitted to some galaxies."""
    questions = votes.shape[1]
    clear, likely = np.zeros(questions, dtype=np.int64), np.zeros(questions, dtype=np.int64)
    inner = np.random.default_rng(1000 + seed).random(len(fitted)) < 0.5
    whole = np.stack([votes[:, q, fitted & several[:, q]].sum(1) for q in range(questions)], axis=1)
    best = np.where((fitted[:, None] & several).any(0), whole.argmax(0), 0)
    for q in range(questions):
        mine = fitted & several[:, q]
        if min((mine & inner).sum(), (mine & ~inner).sum()) < 2:
            continue
        gain = np.concatenate(
            [
                votes[votes[:, q, mine & one].sum(1).argmax(), q, mine & ~one] - votes[0, q, mine & ~one]
                for one in (inner, ~inner)
            ]
        )
        likely[q] = best[q] if gain.mean() > 0 else 0
        clear[q] = best[q] if gain.mean() > gain.std(ddof=1) / np.sqrt(len(gain)) else 0
    away = (GRID[:, None] - GRID) ** 2 / (2 * SPREAD**2)
    common = np.argmax([(whole[1:] - off[:, None]).max(0).sum() for off in away.T])
    pooled = 1 + (whole[1:] - away[:, [common]]).argmax(0)
    for_all = np.full(questions, 1 + whole[1:].sum(1).argmax())
    return dict(zip(RULES, (clear, likely, best, for_all, pooled), strict=True))


# Coverage -----------------------------------------------------------------------------------------------------------


def coverage_of_votes(posterior: Posterior, queues: list[NDArray[np.int16]], rng: np.random.Generator) -> pd.DataFrame:
    """Return one row a use, level and question: the coverage of held-back votes, its interval and whether it passes."""
    tree, rows = posterior.tree, np.arange(len(posterior))
    found: dict[tuple[str, float], list[NDArray[np.float64]]] = {(use, level): [] for use in USES for level in LEVELS}
    for queue in queues:
        for use, number in uses(posterior, queue):
            before, after = queue[rows, number], queue[rows, number + HELD]
            given = posterior.given_votes(before)
            for level in LEVELS:
                found[use, level].append(coverage_by_galaxy(given, after - before, level))
    table = []
    for (use, level), each in found.items():
        inside = np.stack(each)
        drawn = ((rng.integers(0, len(each), len(each)), rng.integers(0, len(rows), len(rows))) for _ in range(RESAMPLES))
        again = [np.nanmean(inside[seeds][:, some], axis=(0, 1)) for seeds, some in drawn]
        middle, (low, high) = np.nanmean(inside, axis=(0, 1)), np.percentile(again, [2.5, 97.5], axis=0)
        for q, question in enumerate(tree.questions):
            near = bool(abs(middle[q] - level) <= 0.03)
            row = {
                "votes": use,
                "level": level,
                "question": question.name,
                "galaxies": int((~np.isnan(inside[..., q])).any(0).sum()),
            }
            row |= {"coverage": middle[q], "low": low[q], "high": high[q], "near": near}
            table.append(row | {"passes": near or bool(low[q] <= level <= high[q])})
    return pd.DataFrame(table)


def probability_below(posterior: Posterior, logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(fraction < x) of each answer at x of given logarithm, shape (galaxy, answer).

    `Posterior.interval` finds ends to 1e-6, and some true fractions are far smaller: its ends would hold too many of them.
    """
    tree, below = posterior.tree, np.zeros(logs.shape)
    at = np.exp(logs)
    rest = np.stack(
        [
            np.delete(at[:, where], i - where.start, axis=1).sum(1)
            for where in tree.slices
            for i in range(where.start, where.stop)
        ],
        axis=1,
    )
    for alpha, weight in zip(posterior.concentrations.astype(float), posterior.weights, strict=True):
        others = np.maximum(tree.question_sums(alpha)[:, tree.question_index] - alpha, 1e-9)
        tiny = np.exp(np.minimum(alpha * logs - np.log(alpha) - special.betaln(alpha, others), 0))
        usual = np.where(
            at < 0.5, special.betainc(alpha, others, at), 1 - special.betainc(others, alpha, np.minimum(rest, 1))
        )
        below += weight[:, None] * np.where(at < 1e-12, tiny, usual)
    return below


def coverage_of_fractions(posterior: Posterior, seeds: int) -> pd.DataFrame:
    """Return one row a use, level and question, where truth is drawn from the model: coverage, and how far from nominal."""
    tree, galaxies = posterior.tree, np.arange(len(posterior))
    found: dict[str, list[NDArray[np.float64]]] = {use: [] for use in USES}
    for seed in range(seeds):
        rng = np.random.default_rng(100 + seed)
        alpha = posterior.concentrations[rng.integers(0, posterior.draws, len(galaxies)), galaxies].astype(float)
        # Logarithms of gamma variates, which are also right where they are too small for a number.
        logs = np.log(rng.standard_gamma(alpha + 1)) + np.log(rng.random(alpha.shape)) / alpha
        logs -= np.stack([special.logsumexp(logs[:, where], axis=1) for where in tree.slices], axis=1)[
            :, tree.question_index
        ]
        queue = queue_volunteers(np.exp(logs), tree, posterior.ids, volunteers=40 + HELD, seed=200 + seed)
        for use, number in uses(posterior, queue):
            place = probability_below(posterior.given_votes(queue[galaxies, number]), logs)
            inside = np.abs(place - 0.5)[..., None] <= np.array(LEVELS) / 2
            found[use].append(np.stack([inside[:, where].mean(1) for where in tree.slices], axis=1))
    rows = []
    for use, each in found.items():
        inside = np.concatenate(each)
        for i, level in enumerate(LEVELS):
            middle, error = inside[..., i].mean(0), inside[..., i].std(0, ddof=1) / np.sqrt(len(inside))
            for q, question in enumerate(tree.questions):
                off = (middle[q] - level) / error[q]
                row = {"votes": use, "level": level, "question": question.name, "coverage": middle[q], "errors": off}
                rows.append(row | {"passes": bool(abs(off) < 4)})
    return pd.DataFrame(rows)


def shown(table: pd.DataFrame, level: float, value: str) -> str:
    """Return one level as text, questions down and uses across; a star where a cell does not pass."""
    part = table[table.level == level]
    cells = [f"{100 * x:.1f}" if value == "coverage" else f"{x:+.1f}" for x in part[value]]
    if "low" in part:
        cells = [f"{a} ({100 * b:.0f}-{100 * c:.0f})" for a, b, c in zip(cells, part.low, part.high, strict=True)]
    marked = part.assign(cell=[a + ("" if ok else "*") for a, ok in zip(cells, part.passes, strict=True)])
    wide = marked.pivot(index="question", columns="votes", values="cell")
    return wide.loc[part.question.unique(), list(USES)].to_string()


def main() -> None:
    """Compare fits, and measure all coverages."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    began = time.perf_counter()
    model = load_network(BUNDLED)
    train, validation, test = za.read_catalogue(DATA / "gz2_kaggle" / "galaxies.csv", tree="gz2_kaggle").split(SPLIT)
    tree = train.require_votes().tree
    fitting, known = posterior_of(model, validation, tree), np.nan_to_num(tree.fractions(validation.votes))
    tables = dict(zip(("ways", "factors"), compare_fits(fitting, known), strict=True))
    for table in tables.values():
        print(table.round(3).to_string(index=False), flush=True)
    drawn = queue_volunteers(known, tree, validation.ids, volunteers=HELD, seed=99)[:, -1]
    plain = posterior_of(model, test, tree)
    truth = np.nan_to_num(tree.fractions(test.votes))
    queues = [queue_volunteers(truth, tree, test.ids, volunteers=40 + HELD, seed=seed) for seed in range(seeds)]
    rng = np.random.default_rng(0)
    fits = {
        "without factors": np.ones(len(tree.questions)),
        "with factors kept where they help beyond doubt": fit_concentration_factors(fitting, drawn).values,
        "with pooled factors": fit_pooled_factors(fitting, drawn).values,
        "with factors of answers, as --trust fits them": fit_answer_factors(fitting, drawn).values,
    }
    for name, factors in fits.items():
        table = tables[name] = coverage_of_votes(scale_concentrations(plain, factors), queues, rng)
        print(f"\n{name}: {factors.round(2).tolist()} ({time.perf_counter() - began:.0f} s)")
        for level in LEVELS:
            print(f"held-back votes in {level:.0%} intervals, %; * does not pass\n{shown(table, level, 'coverage')}")
        print(table.groupby("votes", sort=False)[["near", "passes"]].mean().round(3).T.to_string(), flush=True)
        print(f"{table.near.sum()} of {len(table)} cells within 3 points, {table.passes.sum()} pass", flush=True)
    right = tables["simulated"] = coverage_of_fractions(scale_concentrations(plain, factors), seeds)
    print(f"\ntruth drawn from the model ({time.perf_counter() - began:.0f} s)")
    for level in LEVELS:
        print(f"fractions in {level:.0%} intervals, standard errors from nominal\n{shown(right, level, 'errors')}")
    print(f"{right.passes.sum()} of {len(right)} within 4 standard errors; largest {right.errors.abs().max():.2f}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            table.to_csv(folder / f"{name.replace(',', '').replace(' ', '_')}.csv", index=False)


if __name__ == "__main__":
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    main()
