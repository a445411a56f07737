"""The settings of rounds with volunteers."""

from __future__ import annotations

from dataclasses import dataclass, field

from zooactive.acquisition.config import AcquisitionConfig
from zooactive.foundation.errors import AcquisitionError, did_you_mean
from zooactive.foundation.vocabulary import LOOP_STRATEGIES, STRATEGIES, LoopStrategy, Score, Strategy


@dataclass(frozen=True)
class LoopConfig(AcquisitionConfig):
    """Settings for choosing galaxies and training on their votes, round after round.

    Parameters
    ----------
    votes, seed, random_share, beta, per_clicks, max_artifact, target
        As in `AcquisitionConfig`. The model never trains on the random share of a round, which must be below 1.
    n : int
        The number of galaxies in each round.
    strategy : str
        One of `LOOP_STRATEGIES`; the score follows from it. With "auto", `zooactive.loop.automatic.decide` chooses
        `candidate` or random choice in every round.
    candidate : str
        One of `STRATEGIES`: the strategy that "auto" tries.
    judge_share : float
        The share of randomly drawn galaxies with votes, taken by hashed id, that are validation galaxies. They choose the
        best epoch. A head's prior is chosen by all of them in turn.
    warm : bool
        Whether a round's training starts from the weights of the previous round. Otherwise it starts where the first one
        did.
    stop_share, stop_rounds : float, int
        Stop when, for `stop_rounds` rounds in a row, a click gave less than this share of the information that a click gave
        in the best round: see `zooactive.loop.stops_at`.

    Raises
    ------
    AcquisitionError
        For an unknown strategy or a number out of range.
    """

    score: Score = field(init=False, default="mutual_information")
    n: int = 500
    strategy: LoopStrategy = "auto"
    candidate: Strategy = "mutual_information"
    judge_share: float = 0.2
    warm: bool = False
    stop_share: float = 0.2
    stop_rounds: int = 2

    def __post_init__(self) -> None:
        for given, known in ((self.strategy, LOOP_STRATEGIES), (self.candidate, STRATEGIES)):
            if given not in known:
                hint = did_you_mean(given, known)
                raise AcquisitionError(f"there is no strategy '{given}'.{hint} Strategies are {', '.join(known)}")
        for name in ("n", "votes", "stop_rounds"):
            if getattr(self, name) < 1:
                raise AcquisitionError(f"{name} = {getattr(self, name)}; give a whole number, 1 or more")
        for name in ("random_share", "judge_share", "stop_share"):
            if not 0 <= getattr(self, name) < 1:
                raise AcquisitionError(f"{name} = {getattr(self, name)}; give a share from 0 up to, but not including, 1")
        played = self.candidate if self.strategy == "auto" else self.strategy
        if self.target is not None and played not in ("mutual_information", "epig"):
            raise AcquisitionError(f"a target was given and the strategy is '{played}'; with a target take 'epig'")
        object.__setattr__(self, "score", "mutual_information" if played == "diversity" else played)
        super().__post_init__()
