"""How rounds with volunteers are played, as plain settings."""

from __future__ import annotations

from dataclasses import dataclass

from zooactive.foundation.errors import AcquisitionError, did_you_mean
from zooactive.foundation.vocabulary import STRATEGIES


@dataclass(frozen=True)
class LoopConfig:
    """How galaxies are chosen and learnt from, round after round.

    Parameters
    ----------
    n : int
        Galaxies a round.
    votes : int
        Volunteers who will be shown each.
    strategy : str
        One of `STRATEGIES`.
    random_share : float
        Of each round, drawn at random and never learnt from.
    beta, per_clicks, max_artifact, target
        As in `zooactive.acquire`.
    judge_share : float
        Of the galaxies with labels, by hashed id, that choose the best epoch in place of being learnt from.
    warm : bool
        Whether a round's training starts from the weights of the round before; else from where the first one started.
    stop_share, stop_rounds : float, int
        Volunteers' time is better spent elsewhere when, for so many rounds in a row, a click has told less than this share
        of what it told in the best round: see `zooactive.loop.stops_at`.
    seed : int
        Of every random choice.

    Raises
    ------
    AcquisitionError
        For an unknown strategy or a number out of range.
    """

    n: int = 500
    votes: int = 40
    strategy: str = "mutual_information"
    random_share: float = 0.1
    beta: float = 4.0
    per_clicks: float = 0.0
    max_artifact: float | None = None
    target: str | None = None
    judge_share: float = 0.2
    warm: bool = False
    stop_share: float = 0.2
    stop_rounds: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            hint = did_you_mean(self.strategy, STRATEGIES)
            raise AcquisitionError(f"there is no strategy '{self.strategy}'.{hint} Strategies are {', '.join(STRATEGIES)}")
        for name in ("n", "votes", "stop_rounds"):
            if getattr(self, name) < 1:
                raise AcquisitionError(f"{name} = {getattr(self, name)}; give a whole number, 1 or more")
        for name in ("random_share", "judge_share", "stop_share"):
            if not 0 <= getattr(self, name) < 1:
                raise AcquisitionError(f"{name} = {getattr(self, name)}; give a share from 0 up to, but not including, 1")
        if self.target is not None and self.strategy not in ("mutual_information", "epig"):
            raise AcquisitionError(f"a target was given and the strategy is '{self.strategy}'; with a target take 'epig'")
