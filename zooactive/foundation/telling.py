"""How work tells what it does while it lasts: a line of text, how far it is, or a bar; by default nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

Tell: TypeAlias = Callable[[str], None]
"""Takes a line for people."""

Progress: TypeAlias = Callable[[int], None]
"""Takes how many are done so far, such as galaxies."""

EpochProgress: TypeAlias = Callable[[int, dict[str, float]], None]
"""Takes the number of an epoch that is done, from 1, and its losses."""

StageProgress: TypeAlias = Callable[[str, int, dict[str, float]], None]
"""Takes a stage of a fit ("head" or "encoder"), the number of its epoch that is done, from 1, and the losses."""

RehearsalProgress: TypeAlias = Callable[[str, int, int], None]
"""Takes a strategy of a rehearsal, a seed, and how many of their rounds are done."""

Bar: TypeAlias = Callable[[str, int], AbstractContextManager[Progress]]
"""Takes what is done and how much of it there is; its context gives what takes the progress."""


def silent(text: str) -> None:
    """Tell nobody anything."""


def no_bar(label: str, total: int) -> AbstractContextManager[Progress]:
    """Show no progress."""
    return nullcontext(lambda done: None)
