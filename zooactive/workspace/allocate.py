"""Plan how many more volunteers should see each galaxy of the pool, and which galaxies need none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.foundation.writing import file_hash, make_folder
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.finetuned import seen_by, task_meant
from zooactive.workspace.options import Options, as_path, options_of
from zooactive.workspace.received import fit_trust, learnt_from, read_received, refuse_overwriting
from zooactive.workspace.sections import Allocate
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from zooactive.acquisition.allocation.config import AllocationConfig
    from zooactive.acquisition.allocation.look import Look
    from zooactive.prediction import Predictions

_OWN = {name: to for name, to in options_of("allocate", Allocate).items() if name != "out"}
OPTIONS: Options = _OWN | EMBEDDING_OPTIONS | {name: f"survey.{name}" for name in ("id_column", "image_column")}


def allocate(
    settings: Settings,
    clicks: float | None = None,
    *,
    price: float | None = None,
    votes: str | Path | None = None,
    task: str | None = None,
    predictions: str | Path | None = None,
    trust: str | Path | None = None,
    retirement: str | Path | None = None,
    subjects: str | Path | None = None,
    workflow: str | Path | None = None,
    first_task: str = "T0",
    out: str | Path | None = None,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> pd.DataFrame:
    """Allocate clicks over stored predictions, and write the plan.

    The values of votes are kept next to the plan, part by part. An interrupted run resumes, and a plan for another budget
    does not compute them again.

    Parameters
    ----------
    settings : Settings
        The settings; the table ``[allocate]`` has the options of `zooactive.allocate`.
    clicks, price : float, optional
        The clicks to spend, or the value that a click must bring: one of the two.
    votes : path, optional
        A table of all votes so far; by default there are none.
    task : str, optional
        The fine-tuned task whose model is used.
    predictions : path, optional
    trust : path, optional
        Votes on galaxies drawn at random; they calibrate the model's uncertainty.
    retirement : path, optional
        A folder for the files that retire subjects on the Zooniverse: see `zooactive.labels.retirement`.
    subjects : path, optional
        A subject export of the Zooniverse, which says which subject is which galaxy.
    workflow : path, optional
        The workflow as JSON, as the API of Panoptes returns it; it is checked.
    first_task : str
        Key of the workflow's first task.
    out : path, optional
        The plan, ``.csv``; a Parquet file is written next to it.
    progress, tell : callable, optional

    Returns
    -------
    DataFrame
        The table of `zooactive.allocate`; its ``attrs`` also say where the file is.
    """
    from zooactive.acquisition.allocation.allocate import checked_budget, joined, plan_of
    from zooactive.acquisition.selection_files import write_selection
    from zooactive.labels.retirement import write_retirement
    from zooactive.prediction import open_predictions

    checked_budget(clicks, price)
    if retirement is None and (workflow is not None or subjects is not None):
        raise WorkspaceError("--workflow and --subjects are for the lists that retire galaxies; give --retirement FOLDER")
    target = settings.allocate.out if out is None else Path(out)
    if target.suffix != ".csv":
        raise WorkspaceError(f"the plan cannot be written to {target}; give a name that ends in .csv")
    task = task_meant(settings, task, as_path(predictions))
    settings = seen_by(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    stored = open_predictions(settings.pool.predictions)
    config = settings.allocate.allocation()
    if settings.allocate.draws is not None:
        stored = stored.redraw(stored.head, draws=settings.allocate.draws)
    refuse_overwriting(target, settings, stored, votes, trust, subjects, workflow)
    make_folder(target.parent)
    given = {"votes": votes, "trust": trust, "subjects": subjects, "workflow": workflow}
    files = {name: as_path(file) for name, file in given.items()}
    made = Making("allocate", {"predictions": stored.folder, **files})
    seen = learnt_from(settings, task, stored)
    received = {} if votes is None else read_received(settings, stored, Path(votes), tell)
    if votes is None:
        tell("no --votes are given, so every galaxy counts as unseen by volunteers")
    _tell_of_votes_that_count_twice(len(seen & set(stored.known(received))), tell)
    factors = {} if trust is None else fit_trust(settings, stored, Path(trust), seen, tell)[0]
    inputs = {f"predictions {stored.folder}": file_hash(stored.folder / "journal.json")} | {
        f"{name} {file}": file_hash(file) for name, file in (("votes", votes), ("trust", trust)) if file is not None
    }
    looks = []
    for aim, _ in config.aims():
        folder = target.with_name(f"{target.stem}-looks") / aim.goal
        with progress(f"what votes are worth for the goal '{aim.goal}'", len(stored)) as done:
            found = _Looks(stored, received, factors, aim, folder, mark=[*inputs.values(), str(stored.draws)])
            looks.append(joined([look for look in found.each(done) if look is not None]))
    plan = plan_of(looks, config, clicks=clicks, price=price)
    write_selection(
        plan,
        target,
        options={"clicks": clicks, "price": price, "factors": factors, "draws": stored.draws} | asdict(config),
        inputs=inputs,
        command="allocate",
    )
    counts = {"galaxies": len(plan), "get more": int((plan["more"] > 0).sum()), "volunteers": int(plan["more"].sum())}
    made.done(target, outputs=[target, target.with_suffix(".parquet")], counts=counts, worked=len(stored))
    if retirement is not None:
        wishes = write_retirement(
            plan, retirement, task=first_task, ceiling=config.ceiling, subjects=subjects, workflow=workflow
        )
        _tell_of_retirement(plan, wishes, checked=workflow is not None, tell=tell)
    plan.attrs["file"] = str(target)
    return plan


def _tell_of_votes_that_count_twice(galaxies: int, tell: Tell) -> None:
    if galaxies:
        tell(
            f"warning: the model was trained on the votes of {galaxies} galaxies with votes, so these votes count twice; "
            "predict these galaxies with a model that was not trained on them"
        )


def _tell_of_retirement(plan: pd.DataFrame, wishes: Sequence[str], *, checked: bool, tell: Tell) -> None:
    """Say what the workflow should be changed to, how many galaxies neither list has, and whether it was checked at all."""
    for wish in wishes:
        tell(f"warning: {wish}")
    waiting = int(((plan["more"] == 0) & ~plan["retire"]).sum())
    if waiting:
        tell(f"{waiting} galaxies are in neither list: other galaxies come first, but these are not done (see --price)")
    if not checked:
        tell("no --workflow is given, so it was not checked whether the workflow allows as many votes as the plan says")


class _Looks:
    """The values of votes in each part of stored predictions, kept as files until something that they depend on changes."""

    def __init__(
        self,
        stored: Predictions,
        received: Mapping[str, ArrayLike],
        factors: Mapping[str, float],
        config: AllocationConfig,
        folder: Path,
        *,
        mark: Sequence[str],
    ) -> None:
        self._stored, self._received, self._factors, self._config = stored, received, factors, config
        self._folder = folder
        whole = json.dumps([list(mark), sorted(factors.items()), asdict(config)])
        self._mark = blake2b(whole.encode(), digest_size=16).hexdigest()

    def each(self, done: Any) -> list[Look | None]:
        """Return the look at each part; None for a part without galaxies."""
        from zooactive.foundation.locking import held

        make_folder(self._folder)
        found = []
        with held(self._folder):
            for number in range(len(self._stored.parts)):
                found.append(self._look(number))
                done(sum(map(len, filter(None, found))))
        return found

    def _look(self, number: int) -> Look | None:
        from zooactive.acquisition.allocation.allocate import votes_of
        from zooactive.acquisition.allocation.look import look_at
        from zooactive.acquisition.allocation.look_files import read_look, write_look
        from zooactive.posterior.corrections import named_factors, scale_concentrations

        file = self._folder / f"part-{number:05d}.parquet"
        kept = read_look(file, self._mark)
        if kept is not None:
            return kept
        prior = self._stored.part(number)
        if prior is None:
            return None
        if self._factors:
            prior = scale_concentrations(prior, named_factors(self._factors, prior.tree))
        look = look_at(prior, votes_of(prior, self._received, whole=False), self._config)
        write_look(look, file, self._mark)
        return look
