"""Ask and tell: rounds of selection, votes, training and measurement, each resumable in its own folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from zooactive.acquisition.pool import VotedPool, gather
from zooactive.acquisition.selection_files import read_selection, write_selection
from zooactive.catalogue import Catalogue
from zooactive.catalogue.votes import match_columns
from zooactive.evaluation.calibration import realised_information
from zooactive.foundation.errors import AcquisitionError, CatalogueError, TrainingError
from zooactive.foundation.formats import refuse_future
from zooactive.foundation.locking import held
from zooactive.foundation.spelling import read_csv, write_csv
from zooactive.foundation.writing import aside, write_json
from zooactive.loop.automatic import decide
from zooactive.loop.config import LoopConfig
from zooactive.loop.learners import Learner
from zooactive.loop.metrics import metrics_of
from zooactive.loop.roles import drawn_at_random, kept_apart, train_and_validation
from zooactive.loop.round_files import Round, history_of, read_record, round_of, rounds_in
from zooactive.loop.strategies import choose, choose_blindly
from zooactive.tree.likelihood import checked_votes

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.foundation.vocabulary import Strategy
    from zooactive.models.loading import AnyModel
    from zooactive.posterior import Posterior
    from zooactive.prediction import Predictions


_FORMAT = 1
"""The format number of a loop's folder. Folders older than number 1 hold no number."""

_FIXED = ("seed", "judge_share")
"""Settings that must stay as they were when a loop began, because they split galaxies into training and validation. All
other settings, including the strategy, may change from round to round. Each selection records its settings."""


class Loop:
    """Rounds with volunteers in a folder: `ask` for galaxies, show them, `tell` the votes, and repeat.

    Each round has a folder ``round-000``, ... with ``model``, ``metrics.json``, ``selection.csv``, ``votes.csv`` and
    ``told.json``. A step whose file exists is not repeated: a loop that was killed resumes when you open it again.

    Parameters
    ----------
    folder : path
    learner : Learner
    galaxies : Catalogue
        All galaxies that the loop may train on. The labelled ones are the start, the others are the pool. If none is
        labelled, the first round is drawn at random.
    test : Catalogue, optional
        Galaxies with votes on which every round is measured. They are never asked for and never trained on. Without test
        galaxies, each round is measured on the galaxies drawn at random.
    config : LoopConfig, optional

    Raises
    ------
    TrainingError
        When the folder holds another loop.
    CatalogueError
        When a catalogue has no votes for the learner's tree.
    """

    def __init__(
        self,
        folder: str | Path,
        learner: Learner,
        galaxies: Catalogue,
        *,
        test: Catalogue | None = None,
        config: LoopConfig | None = None,
    ) -> None:
        self.folder, self.learner, self.config = Path(folder), learner, config or LoopConfig()
        self.tree = learner.tree
        for catalogue in (galaxies, *(() if test is None else (test,))):
            catalogue.require_votes(self.tree)
        self.test = None if test is None else test.take(test.labelled)
        if self.test is not None:
            galaxies = galaxies.take(~np.isin(galaxies.ids.astype(str), self.test.ids.astype(str)))
        self.galaxies = galaxies
        self._row_of = {galaxy_id: row for row, galaxy_id in enumerate(galaxies.ids)}
        self._start_labelled = galaxies.labelled
        self._open()

    def _open(self) -> None:
        with held(self.folder):
            self._open_or_begin()

    def _open_or_begin(self) -> None:
        record = {"tree": list(self.tree.columns), **{name: getattr(self.config, name) for name in _FIXED}}
        known = read_record(self.folder / "loop.json")
        if known is None:
            write_json(self.folder / "loop.json", {"format": _FORMAT, **record})
            return
        refuse_future(self.folder / "loop.json", known.get("format", 0), _FORMAT, TrainingError)
        if missing := [name for name in record if name not in known]:
            raise TrainingError(
                f"{self.folder / 'loop.json'} is damaged ('{missing[0]}' is missing); restore it from a copy"
            )
        if known["tree"] != record["tree"]:
            raise TrainingError(f"{self.folder} holds a loop with another tree; choose another folder or delete it")
        for name in _FIXED:
            if known[name] != record[name]:
                raise TrainingError(
                    f"{self.folder} holds a loop with {name} = {known[name]}, but {record[name]} was given; set {name} to "
                    f"{known[name]}, choose another folder, or delete this one"
                )
        self._refuse_other_galaxies()

    def _refuse_other_galaxies(self) -> None:
        """Raise a TrainingError if the loop asked for galaxies, or has votes of galaxies, that are not in this catalogue."""
        met = [*self.votes()["id"]]
        for entry in self.rounds:
            met += read_selection(entry.selection)["id"].tolist() if entry.selection.exists() else []
        if missing := [galaxy_id for galaxy_id in dict.fromkeys(met) if galaxy_id not in self._row_of]:
            raise TrainingError(
                f"{self.folder} holds a loop with other galaxies: {len(missing)} of the {len(set(met))} that it asked for, "
                f"such as '{missing[0]}', are not in {self.galaxies.source}; give the catalogue that the loop began with, "
                "or choose another folder"
            )

    # Where it stands -------------------------------------------------------------------------------------------------

    @property
    def rounds(self) -> list[Round]:
        """All rounds begun so far; the last one is the current round."""
        return rounds_in(self.folder)

    def history(self) -> pd.DataFrame:
        """Return one row per round: its metrics, and the information that its votes then gave.

        `zooactive.loop.metrics` describes the columns.
        """
        return history_of(self.folder)

    def votes(self) -> pd.DataFrame:
        """Return the votes recorded so far, one row per galaxy: ``id`` and the tree's columns.

        If votes of a galaxy were recorded more than once, the last ones count.
        """
        return self._votes_before(len(self.rounds))

    def _votes_before(self, number: int) -> pd.DataFrame:
        import pandas as pd

        tables = [read_csv(entry.votes) for entry in self.rounds[:number] if entry.votes.exists()]
        if not tables:
            return pd.DataFrame({"id": pd.Series(dtype=object)} | {column: [] for column in self.tree.columns})
        return pd.concat(tables).drop_duplicates("id", keep="last").reset_index(drop=True)

    def model(self) -> AnyModel:
        """Return the model of the last round that has one.

        Raises
        ------
        TrainingError
            When no model has been trained yet.
        """
        trained = [entry for entry in self.rounds if entry.metrics.exists() and entry.model.exists()]
        if not trained:
            raise TrainingError(f"{self.folder}: no model has been trained yet; ask for galaxies and record votes first")
        return self.learner.model(trained[-1].model)

    # Ask -------------------------------------------------------------------------------------------------------------

    def learn(self) -> dict[str, Any]:
        """Train on all votes so far and measure the model.

        This is the first half of `ask`, and the only step left after the last round.

        Returns
        -------
        dict
            The round's metrics.

        Raises
        ------
        TrainingError
            When there are no galaxies to train on, or the loss is not finite.
        """
        with held(self.folder):
            return self._learn()

    def _learn(self) -> dict[str, Any]:
        here = self.rounds[-1]
        if (known := read_record(here.metrics)) is not None:
            return known
        galaxies = self._with_votes(here.number)
        labelled = galaxies.labelled
        reserved = np.isin(galaxies.ids.astype(str), sorted(kept_apart(self.rounds[: here.number])))
        cost = {"labelled": int(labelled.sum()), "clicks": float(galaxies.require_votes().votes.sum())}
        metrics: dict[str, Any] = {"round": here.number, **cost}
        if (labelled & ~reserved).any():
            in_turn = getattr(self.learner, "judged_in_turn", False)  # learners of earlier versions do not say
            train, validation = train_and_validation(
                galaxies.ids,
                labelled & ~reserved,
                self._at_random(galaxies, here.number),
                share=1.0 if in_turn else self.config.judge_share,
                seed=self.config.seed,
            )
            if in_turn and (labelled & ~reserved).sum() < 2:
                raise TrainingError(
                    f"{self.folder}: 1 galaxy cannot both train a head and validate it; add votes for more galaxies"
                )
            if not in_turn and not (train.any() and validation.any()):
                raise TrainingError(
                    f"{self.folder}: there are {int(train.sum())} training and {int(validation.sum())} validation galaxies, "
                    "and each needs at least 1; add votes for more galaxies"
                )
            before = round_of(self.folder, here.number - 1).model
            warm = self.config.warm and before.exists()
            self.learner.fit(
                here.model,
                galaxies.take(train),
                galaxies.take(validation),
                seed=self.config.seed,
                before=before if warm else None,
            )
            metrics |= {"learning": int(train.sum()), "judging": int(validation.sum())}
            metrics |= self._metrics(here, galaxies.take(labelled & reserved))
        write_json(here.metrics, metrics)
        return metrics

    def ask(self, *, exclude: Collection[str] = ()) -> pd.DataFrame:
        """Return the galaxies to show volunteers next; asking again returns the same galaxies until their votes are in.

        Parameters
        ----------
        exclude : collection of str
            Galaxies that may not be asked for, such as those retired on the Zooniverse.

        Raises
        ------
        AcquisitionError
            When the pool is empty, or as in `zooactive.acquire`.
        TrainingError
            As in `learn`.
        """
        with held(self.folder):
            return self._ask(frozenset(exclude))

    def left(self, exclude: Collection[str] = ()) -> list[str]:
        """Return the galaxies that may still be asked for."""
        galaxies = self._with_votes(self.rounds[-1].number)
        never = frozenset(exclude)
        return [galaxy_id for galaxy_id in galaxies.ids[~galaxies.labelled] if galaxy_id not in never]

    def predictions(self, number: int) -> Predictions | None:
        """Return the predictions of a round's model for galaxies without votes at that time, or None if it has no model."""
        here = round_of(self.folder, number)
        if not here.metrics.exists() or not here.model.exists():
            return None
        galaxies = self._with_votes(number)
        return self.learner.predictions(here.model, galaxies.take(~galaxies.labelled), "pool")

    def _ask(self, never: frozenset[str]) -> pd.DataFrame:
        here = self.rounds[-1]
        self._learn()
        if here.selection.exists():
            return read_selection(here.selection)
        galaxies = self._with_votes(here.number)
        left = galaxies.take(~galaxies.labelled)
        open_ids = [galaxy_id for galaxy_id in left.ids if galaxy_id not in never]
        if not open_ids:
            raise AcquisitionError(f"{galaxies.source}: all {len(galaxies)} galaxies have votes, none is left to ask for")
        options: dict[str, Any] = asdict(self.config) | {"round": here.number}
        if here.model.exists():
            predictions = self.learner.predictions(here.model, left, "pool")
            eligible = predictions.known(open_ids)
            if not eligible:
                raise AcquisitionError(f"{galaxies.source}: no image of the {len(left)} galaxies without votes can be read")
            config = replace(self.config, n=min(self.config.n, len(eligible)))
            if config.strategy == "auto":
                config = replace(config, strategy=self._decided(here, galaxies))
                options["played"] = config.strategy
            selection = choose(
                self._pool(here),
                config,
                eligible=len(eligible),
                exclude=set(predictions.catalogue().ids).difference(eligible),
                embeddings=predictions.embeddings_of,
                number=here.number,
            )
        else:
            selection = choose_blindly(open_ids, replace(self.config, n=min(self.config.n, len(open_ids))))
        write_selection(selection, here.selection, options=options, inputs={})
        return selection

    def _decided(self, here: Round, galaxies: Catalogue) -> Strategy:
        """Return the strategy that "auto" chooses in a round, and record the reason."""
        known = read_record(here.decision)
        if known is None:
            some = galaxies.take(galaxies.labelled & self._at_random(galaxies, here.number))
            found = decide(self.learner.known(some), self.config, self.tree)
            trial = None if found.trial is None else asdict(found.trial)
            known = {"strategy": found.strategy, "why": found.why, "trial": trial}
            write_json(here.decision, known)
        return cast("Strategy", known["strategy"])

    # Tell ------------------------------------------------------------------------------------------------------------

    def tell(self, votes: pd.DataFrame) -> dict[str, Any]:
        """Record the volunteers' votes for the galaxies asked for, and close the round.

        Parameters
        ----------
        votes : DataFrame
            ``id`` and a column of counts for each answer of the tree. Counts are totals: later votes of a galaxy replace
            the earlier ones. Votes of galaxies that were not asked for also count, if the galaxies are in the pool.

        Returns
        -------
        dict
            ``told``, the number of galaxies of the round with votes; ``told_clicks``, the number of answers to them;
            ``told_acquired`` and ``told_random``, the information from each arm in nats per click, with standard errors
            ``told_acquired_error`` and ``told_random_error``; ``strangers``, the number of galaxies in the table that are
            not in the loop and were ignored; ``left``, the number of galaxies without votes.

        Raises
        ------
        AcquisitionError
            When this round has not asked for galaxies yet.
        CatalogueError
            When a column is missing, an id occurs twice, votes are negative or not finite, or no galaxy is in the loop.
        """
        with held(self.folder):
            return self._tell(votes)

    def _tell(self, votes: pd.DataFrame) -> dict[str, Any]:
        here = self.rounds[-1]
        if not here.selection.exists():
            raise AcquisitionError(f"{self.folder}: round {here.number} has not asked for galaxies yet; ask first")
        table = self._checked(votes)
        told = self._told(here, read_selection(here.selection), table) | {"strangers": len(votes) - len(table)}
        with aside(here.votes) as temporary:
            write_csv(table, temporary, only="id")
        write_json(here.told, told)
        return told | {"left": int((~self._with_votes(self.rounds[-1].number).labelled).sum())}

    def _checked(self, votes: pd.DataFrame) -> pd.DataFrame:
        named = match_columns(self.tree, [str(name) for name in votes.columns], "the table of votes")
        votes = votes.rename(columns={name: column for column, name in named.items() if name is not None})
        missing = [column for column in ("id", *self.tree.columns) if column not in votes]
        if missing:
            raise CatalogueError(f"the votes have no column '{missing[0]}'; give id and the columns of '{self.tree.name}'")
        table = votes[["id", *self.tree.columns]].assign(id=votes["id"].astype(str))
        if table["id"].duplicated().any():
            raise CatalogueError(f"the id '{table['id'][table['id'].duplicated()].iloc[0]}' has votes twice; give one row")
        checked_votes(table[list(self.tree.columns)].to_numpy(dtype=float), self.tree)
        known = table[table["id"].isin(self._row_of.keys())]
        if known.empty:
            raise CatalogueError(
                f"none of the {len(table)} galaxies with votes is in {self.galaxies.source}; check the ids of the votes"
            )
        return known.reset_index(drop=True)

    def _told(self, here: Round, selection: pd.DataFrame, table: pd.DataFrame) -> dict[str, Any]:
        """Return the information per click in either arm, with its standard error."""
        asked = selection.merge(table, on="id", validate="one_to_one", suffixes=("_asked", ""))
        votes = asked[list(self.tree.columns)].to_numpy(dtype=float)
        clicks = votes.sum(1)
        out: dict[str, Any] = {"told": int((clicks > 0).sum()), "told_clicks": float(clicks.sum())}
        if not here.model.exists() or asked.empty:
            return out
        before = gather(self._pool(here), asked["id"].tolist())
        realised = realised_information(before, np.maximum(votes - self._own(asked["id"], here.number), 0))
        for arm in ("acquired", "random"):
            rows = ((asked["arm"] == arm) & (clicks > 0)).to_numpy()
            if rows.sum() > 1:
                rate = float(realised[rows].sum() / clicks[rows].sum())
                spread = (realised[rows] - rate * clicks[rows]).std(ddof=1)
                out |= {
                    f"told_{arm}": rate,
                    f"told_{arm}_error": float(spread / np.sqrt(rows.sum()) / clicks[rows].mean()),
                }
        return out

    # Inside ----------------------------------------------------------------------------------------------------------

    def _with_votes(self, number: int) -> Catalogue:
        """Return the galaxies with the votes recorded before a round."""
        table = self._votes_before(number)
        votes = self.galaxies.require_votes().votes.copy()
        rows = np.array([self._row_of[galaxy_id] for galaxy_id in table["id"]], dtype=np.int64)
        votes[rows] = table[list(self.tree.columns)].to_numpy(dtype=float)
        return replace(self.galaxies, votes=votes)

    def _own(self, ids: Collection[str], number: int) -> NDArray[np.float64]:
        """Return the votes that galaxies had before a round, (galaxy, answer)."""
        votes = self._with_votes(number).require_votes().votes
        return np.asarray(votes[[self._row_of[galaxy_id] for galaxy_id in ids]])

    def _pool(self, here: Round) -> VotedPool:
        """Return the model's posterior of the pool, conditioned on the few votes that some of its galaxies already have."""
        galaxies = self._with_votes(here.number)
        voted = galaxies.require_votes()
        some = ~galaxies.labelled & voted.some
        given = dict(zip(galaxies.ids[some], voted.votes[some], strict=True))
        left = galaxies.take(~galaxies.labelled)
        return VotedPool(self.learner.predictions(here.model, left, "pool"), given)

    def _at_random(self, galaxies: Catalogue, number: int) -> NDArray[np.bool_]:
        """Return which galaxies were drawn with equal probability before a round, or had votes at the start."""
        return np.isin(galaxies.ids.astype(str), sorted(drawn_at_random(self.rounds[:number]))) | self._start_labelled

    def _metrics(self, here: Round, reserved: Catalogue) -> dict[str, float]:
        """Measure the round's model on the test galaxies, and on those drawn at random."""
        found: dict[str, float] = {}
        for name, galaxies in (("test", self.test), ("random", reserved)):
            if galaxies is not None and len(galaxies):
                predictions = self.learner.predictions(here.model, galaxies, name)
                posterior: Posterior = gather(predictions, predictions.known(galaxies.ids.tolist()))
                votes = galaxies.select(posterior.ids).require_votes().votes
                found |= {f"{name}_{key}": value for key, value in metrics_of(posterior, votes).items()}
        return found
