"""The limits of what a loop that runs by itself may do on the Zooniverse."""

from __future__ import annotations

from dataclasses import dataclass

from zooactive.foundation.errors import WorkspaceError


@dataclass(frozen=True)
class StepConfig:
    """Limits of what steps may do: the entries of ``[zooniverse]`` that every step reads.

    Parameters
    ----------
    project, workflow : int
        Their ids on the Zooniverse. Steps change no other project or workflow.
    live, prioritized : bool
        The expected state: whether the project is live, and whether the workflow is prioritized.
    budget : float, optional
        The number of clicks (answers by volunteers) after which the loop asks for no more galaxies. All classifications of
        the workflow since the first step count, and those expected in the two days after a stop.
    price : float, optional
        What a click must be worth, as in `zooactive.allocate`. A galaxy whose next votes are worth less is done.
    retire_share : float
        A share of a subject set. A step that would retire more at once retires none, and waits for a person to confirm.
    round_days : float
        The number of days after which a round is closed with the votes that came in.
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
