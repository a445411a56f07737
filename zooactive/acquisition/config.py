"""The settings of `zooactive.acquire`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, TypedDict

from zooactive.foundation.errors import AcquisitionError, did_you_mean
from zooactive.foundation.vocabulary import SCORES, Score


@dataclass(frozen=True)
class AcquisitionConfig:
    """Settings for choosing galaxies from a pool.

    Parameters
    ----------
    votes : int
        The number of volunteers who will be shown each galaxy.
    seed : int
        The seed of all noise. The noise of a galaxy is hashed from its id.
    score : {"mutual_information", "one_vote", "entropy", "variance", "epig", "random"}
        "epig" scores the shortlist by `epig`, on 100 galaxies (500 with `target`) drawn from the eligible pool by a hash.
        The others are baselines. "one_vote", "entropy" and "variance" screen and choose by `one_vote_information`,
        `predictive_entropy` and `draw_variance`. "random" chooses all galaxies by the hash of the random arm; the random arm
        is the same as with any other score, and the scores are NaN.
    random_share : float
        The share of galaxies, between 0 and 1, drawn uniformly from the whole eligible pool. Keep them out of training.
    beta : float
        How strongly high scores are preferred: 0 ignores scores within the shortlist, and infinity would take the top.
    per_clicks : float
        Divide scores by `expected_clicks` to this power: 1 scores information per click, 0 information per galaxy.
    max_artifact : float, optional
        A galaxy is not eligible, in either arm, if a larger share of volunteers is expected to call it an artifact
        (`DecisionTree.artifacts`).
    target : str, optional
        The answer that your science is about. The shortlist is then scored by `epig` for whether one volunteer gives this
        answer, instead of by the information about the whole network. Without a target, "epig" considers all answers of one
        volunteer.

    Raises
    ------
    AcquisitionError
        For an unknown score or a number out of range.
    """

    votes: int = 40
    seed: int = 0
    score: Score = "mutual_information"
    random_share: float = 0.1
    beta: float = 4.0
    per_clicks: float = 0.0
    max_artifact: float | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            hint = did_you_mean(str(self.score), SCORES)
            raise AcquisitionError(f"there is no score '{self.score}'.{hint} Scores are {', '.join(SCORES)}")
        if self.target is not None and self.score not in ("mutual_information", "epig"):
            raise AcquisitionError(f"a target was given, but score = '{self.score}'; with a target, give score = 'epig'")
        check_count("votes", self.votes)
        for name, share in (("random_share", self.random_share), ("max_artifact", self.max_artifact)):
            if share is not None and not 0 <= share <= 1:
                raise AcquisitionError(f"{name} = {share}: give a number between 0 and 1")
        for name, value in (("beta", self.beta), ("per_clicks", self.per_clicks)):
            if not (isfinite(value) and value >= 0):
                raise AcquisitionError(f"{name} = {value}: give a finite number, 0 or more")

    def acquisition(self, **changed: Any) -> AcquisitionConfig:
        """Return only these options, without those that a loop or a workspace adds, and with some of them changed."""
        return AcquisitionConfig(**{entry.name: getattr(self, entry.name) for entry in fields(AcquisitionConfig)} | changed)


class AcquisitionOptions(TypedDict, total=False):
    """The options of `AcquisitionConfig` as keywords; a test checks that both are the same."""

    votes: int
    seed: int
    score: Score
    random_share: float
    beta: float
    per_clicks: float
    max_artifact: float | None
    target: str | None


def check_count(name: str, value: object) -> None:
    """Raise an AcquisitionError for anything but a whole number of 1 or more."""
    import numpy as np

    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise AcquisitionError(f"{name} = {value!r}: give a whole number, 1 or more")
