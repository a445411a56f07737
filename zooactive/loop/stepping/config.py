"""What a loop that runs by itself may do on the Zooniverse."""

from __future__ import annotations

from dataclasses import dataclass

from zooactive.foundation.errors import WorkspaceError


@dataclass(frozen=True)
class StepConfig:
    """What steps may do: the entries of ``[zooniverse]`` that every step looks at.

    Parameters
    ----------
    project, workflow : int
        Their numbers on the Zooniverse. Nothing else there is touched.
    live, prioritized : bool
        How project and workflow are expected to be.
    budget : float, optional
        Clicks, answers that volunteers give, after which nothing more is asked for. Counted are all classifications of the
        workflow since the first step, and those of the two days that follow an order to stop.
    price : float, optional
        What a click has to bring, as of `zooactive.allocate`: a galaxy whose next votes bring less is done.
    retire_share : float
        Of a subject set. A step that would retire more at once retires nothing, and waits for a person's word.
    round_days : float
        Days after which a round is closed with the votes that came in.
    """

    project: int = 0
    workflow: int = 0
    live: bool = True
    prioritized: bool = False
    budget: float | None = None
    price: float | None = None
    retire_share: float = 0.5
    round_days: float = 14.0

    def __post_init__(self) -> None:
        if not 0 <= self.retire_share <= 1:
            raise WorkspaceError(f"retire_share = {self.retire_share}; give a share of a subject set, 0 to 1")
        if self.round_days <= 0:
            raise WorkspaceError(f"round_days = {self.round_days}; give a number of days above 0")
        for name in ("budget", "price"):
            number = getattr(self, name)
            if number is not None and number < 0:
                raise WorkspaceError(f"{name} = {number}; give a number, 0 or more")
