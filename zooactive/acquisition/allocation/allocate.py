"""Allocation of clicks: how many more volunteers each galaxy should be shown to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.acquisition.allocation.config import AllocationConfig, AllocationOptions
from zooactive.acquisition.allocation.look import CLICK, Look, look_at
from zooactive.acquisition.allocation.plan import Plan, settle
from zooactive.foundation.errors import AcquisitionError
from zooactive.posterior import Posterior
from zooactive.tree.likelihood import by_id, checked_votes, refuse_fractions

if TYPE_CHECKING:
    import pandas as pd


def allocate(
    posterior: Posterior | Iterable[Posterior],
    clicks: float | None = None,
    *,
    price: float | None = None,
    received: ArrayLike | Mapping[str, ArrayLike] | None = None,
    config: AllocationConfig | None = None,
    **options: Unpack[AllocationOptions],
) -> pd.DataFrame:
    """Plan how many more volunteers each galaxy should be shown to, so that the clicks gain most.

    For each galaxy, `value_of_votes` gives the value of 1, 2, 3, 4, 6, 8 ... more volunteers up to the ceiling. One
    volunteer is expected to cost sum_q P(asked q) clicks. A galaxy gets the number of votes that maximises their value minus
    the price of their clicks. The price of a click is the same for all galaxies, and is set so that the clicks are spent.
    Galaxies with and without votes are in one ranking.

    The plan does not depend on the order or the chunks of the galaxies: costs are whole millionths of a click, samples
    follow from ids, and galaxies whose next votes are worth exactly the price are taken in the order of their hashes. No
    plan with the same choices of votes is better than this one by more than price x clicks left over.

    Parameters
    ----------
    posterior : Posterior, iterable of Posterior, or stored predictions
        The model's predictions, *without* the votes received.
    clicks : float
        The number of clicks to spend: answers, not galaxies.
    price : float, optional
        Given instead of clicks: what a click must be worth, in units of the goal. Galaxies whose next votes are worth less
        are done.
    received : mapping of str to array_like of shape (answer,), or array_like of shape (galaxy, answer), optional
        The votes so far, by id, or row by row if `posterior` is one Posterior. Other galaxies are ignored.
    config : AllocationConfig, optional
        The settings.
    **options
        Options of `AllocationConfig`, which replace those of `config`: goal, weights, rules, wanted, floor, ceiling, done,
        max_artifact, least, trees, seed.

    Returns
    -------
    pandas.DataFrame
        In the order of the galaxies. Columns are ``id``; ``received``, the number of volunteers so far; ``more``, the number
        of further volunteers; ``stop_at``, the sum of both; ``value``, the value of these votes; ``clicks``, their expected
        cost; ``missing``, what was missing from the goal before them (for "error", the `catalogue_error`); ``retire``,
        whether the galaxy needs no more votes; ``reason``, Panoptes' word for the reason, or blank; ``why``, our
        explanation. Its ``attrs`` hold the ``price``, the ``clicks`` asked for and ``spent``, the ``value`` of the plan, and
        the total ``missing`` before it.

    Raises
    ------
    AcquisitionError
        When an argument is impossible, an id occurs twice, chunks have different trees, or the floor alone takes more clicks
        than there are.
    TreeError
        When the tree has no such question or answer.
    PosteriorError
        When votes received are negative or not finite.

    Notes
    -----
    This is the Lagrangian relaxation of a knapsack with several sizes per galaxy (Everett 1963, Operations Research 11,
    399). **Limitation**: the model's predictions decide what votes are worth, so its concentrations must be calibrated for
    this use.

    Examples
    --------
    >>> from zooactive.tree import DecisionTree, Question
    >>> tree = DecisionTree("t", [Question("smooth", ["yes", "no"])])
    >>> known = Posterior([[[900, 100], [2, 2]]], ["known", "unknown"], tree)
    >>> plan = allocate(known, clicks=8)
    >>> plan[["id", "more"]].to_dict("list")
    {'id': ['known', 'unknown'], 'more': [0, 8]}
    """
    config = (config or AllocationConfig()).allocation(**options)
    checked_budget(clicks, price)
    if isinstance(posterior, Iterator):
        raise AcquisitionError(
            f"the galaxies are a {type(posterior).__name__}, which can be read only once; give a list of Posteriors"
        )
    if isinstance(received, Mapping):
        received = {str(name): votes for name, votes in received.items()}
    met = 0
    aims = [aim for aim, _ in config.aims()]
    looks: list[list[Look]] = [[] for _ in aims]
    for chunk, votes in _chunks(posterior, received):
        if len(chunk):
            for aim, found in zip(aims, looks, strict=True):
                found.append(look_at(chunk, votes, aim))
        met += int((votes.sum(1) > 0).sum())
    if not met and isinstance(received, Mapping) and any(np.sum(votes) > 0 for votes in received.values()):
        raise AcquisitionError("none of the galaxies with votes is among the galaxies given; use the same ids for both")
    return plan_of([joined(found) for found in looks], config, clicks=clicks, price=price)


def plan_of(
    looks: Sequence[Look], config: AllocationConfig, *, clicks: float | None = None, price: float | None = None
) -> pd.DataFrame:
    """Return the plan for galaxies from one look for each of `AllocationConfig.aims`; see `allocate`."""
    budget = checked_budget(clicks, price)
    if budget is None and config.least:
        raise AcquisitionError("least is a share of the clicks, but a price was given; give clicks, or leave out least")
    plan: Plan | None = None
    for look, (aim, share) in zip(looks, config.aims(), strict=True):
        start = None if plan is None else plan.more
        plan = _allot(look, aim, None if budget is None else int(budget * share), price, start)
    assert plan is not None
    return _table_of(looks[-1], plan, config, budget)


def _allot(
    look: Look, config: AllocationConfig, budget: int | None, price: float | None, start: NDArray[np.int64] | None
) -> Plan:
    """Settle the plan; raise an AcquisitionError if an id occurs twice or the floor takes too many clicks."""
    import pyarrow.compute as pc

    from zooactive.acquisition.compiled.id_hashes import hash_arrow_ids

    floor = int((look.floor * look.cost).sum())
    if pc.count_distinct(look.ids).as_py() < len(look):
        counted = pc.value_counts(look.ids)
        twice = counted.field("values")[int(np.argmax(counted.field("counts").to_numpy() > 1))]
        raise AcquisitionError(f"the id '{twice}' occurs twice among the galaxies; give each once")
    if budget is not None and floor > budget:
        raise AcquisitionError(
            f"a floor of {config.floor} volunteers per galaxy takes {floor / CLICK:,.0f} clicks, but there are "
            f"{budget / CLICK:,.0f}; lower the floor, or give fewer galaxies"
        )
    hashes = hash_arrow_ids(look.ids, purpose="clicks", seed=config.seed)
    return settle(look, hashes, clicks=budget, price=price, start=start)


def joined(looks: list[Look]) -> Look:
    """Concatenate looks into one."""
    import pyarrow as pa

    if not sum(map(len, looks)):
        raise AcquisitionError("there are no galaxies to spend clicks on; give predictions of at least one")
    ids = pa.chunked_array([look.ids for look in looks], pa.string()).combine_chunks()
    columns = ("received", "missing", "cost", "artifact", "done", "floor", "points", "values")
    return Look(ids, *(np.concatenate([getattr(look, name) for look in looks]) for name in columns))


def _table_of(look: Look, plan: Plan, config: AllocationConfig, budget: int | None) -> pd.DataFrame:
    import pandas as pd

    # With a given price, a galaxy whose votes are not worth it is done; the price will not change.
    worth_less = (plan.more == 0) & (budget is None) & (look.received >= config.floor)
    full = (plan.more == 0) & (look.received >= config.ceiling)
    cases = [
        (look.artifact, "flagged", "probably an artifact"),
        (look.done, "consensus", "known well enough"),
        (full, "classification_count", "at the ceiling"),
        (worth_less, "other", "its next votes are worth less than their price"),
    ]
    conditions = [case[0] for case in cases]
    retired, rest = np.logical_or.reduce(conditions), len(cases) + (plan.more > 0)
    case = np.where(retired, np.argmax(conditions, axis=0), rest)
    reasons, whys = zip(*(case[1:] for case in cases), ("", "other galaxies come first"), ("", "more votes"), strict=True)
    table = pd.DataFrame(
        {
            "id": look.ids.to_pandas().astype(object),
            "received": look.received,
            "more": plan.more,
            "stop_at": look.received + plan.more,
            "value": plan.value,
            "clicks": plan.more * look.cost / CLICK,
            "missing": look.missing,
            "retire": retired,
            "reason": np.array(reasons, dtype=object)[case],
            "why": np.array(whys, dtype=object)[case],
        }
    )
    table.attrs = {
        "price": plan.price,
        "clicks": None if budget is None else budget / CLICK,
        "spent": plan.spent / CLICK,
        "value": float(plan.value.sum()),
        "missing": float(look.missing.sum()),
    }
    return table


def checked_budget(clicks: float | None, price: float | None) -> int | None:
    """Return the clicks as whole millionths, or None if a price was given.

    Raises
    ------
    AcquisitionError
        When both or neither of clicks and price are given, or the number is negative or not finite.
    """
    if (clicks is None) == (price is None):
        raise AcquisitionError("give either the clicks to spend, or the price that a click must be worth")
    name, number = ("clicks", clicks) if clicks is not None else ("price", price)
    if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not (isfinite(number) and number >= 0):
        raise AcquisitionError(f"{name} = {number!r}: give a finite number, 0 or more")
    return None if clicks is None else int(clicks * CLICK)


def _chunks(
    posterior: Posterior | Iterable[Posterior], received: ArrayLike | Mapping[str, ArrayLike] | None
) -> Iterator[tuple[Posterior, NDArray[np.float64]]]:
    """Yield each chunk with its votes (galaxy, answer)."""
    first: Posterior | None = None
    for chunk in [posterior] if isinstance(posterior, Posterior) else posterior:
        first = chunk if first is None else first
        if chunk.tree != first.tree:
            raise AcquisitionError(
                f"the chunks have the trees '{first.tree.name}' and '{chunk.tree.name}'; predict all galaxies with one model"
            )
        yield chunk, votes_of(chunk, received, whole=isinstance(posterior, Posterior))


def votes_of(chunk: Posterior, received: ArrayLike | Mapping[str, ArrayLike] | None, *, whole: bool) -> NDArray[np.float64]:
    """Return the votes that galaxies have received, shape (galaxy, answer)."""
    shape, received = (len(chunk), len(chunk.tree.columns)), by_id(received, chunk.tree)
    if received is None:
        return np.zeros(shape)
    if isinstance(received, Mapping):
        nobody = np.zeros(shape[1])
        rows = [np.asarray(received.get(str(name), nobody), dtype=np.float64) for name in chunk.ids]
        found = checked_votes(np.stack(rows) if rows else np.zeros(shape), chunk.tree, len(chunk))
        refuse_fractions(found, chunk.tree)
        return found
    if not whole:
        raise AcquisitionError("votes in rows need a single Posterior; for chunks, give the votes as a mapping by id")
    found = checked_votes(received, chunk.tree, len(chunk))
    refuse_fractions(found, chunk.tree)
    return found
