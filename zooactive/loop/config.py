"""How rounds with volunteers are played, as plain settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from zooactive.acquisition.config import AcquisitionConfig
from zooactive.foundation.errors import AcquisitionError, did_you_mean
from zooactive.foundation.vocabulary import LOOP_STRATEGIES, STRATEGIES, LoopStrategy, Score, Strategy


@dataclass(frozen=True)
class LoopConfig(AcquisitionConfig):
    """How galaxies are chosen and learnt from, round after round.

    Parameters
    ----------
    votes, seed, random_share, beta, per_clicks, max_artifact, target
        As in `AcquisitionConfig`; the random share of each round is never learnt from, and below 1.
    n : int
        Galaxies a round.
    strategy : str
        One of `LOOP_STRATEGIES`; the score follows from it. "auto": `candidate` or random choice, as
        `zooactive.loop.automatic.decide` says in every round.
    candidate : str
        One of `STRATEGIES`: what "auto" tries.
    judge_share : float
        Of the galaxies with labels, by hashed id, that choose the best epoch in place of being learnt from.
    warm : bool
        Whether a round's training starts from the weights of the round before; else from where the first one started.
    stop_share, stop_rounds : float, int
        Volunteers' time is better spent elsewhere when, for so many rounds in a row, a click has told less than this share
        of what it told in the best round: see `zooactive.loop.stops_at`.

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
