"""How a job tells what it does while it works: a line of text, or a bar; by default nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

Tell: TypeAlias = Callable[[str], None]
"""Takes a line for people."""

Bar: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Takes what is done and how much of it there is; its context gives a function that takes how much has been done."""


def silent(text: str) -> None:
    """Tell nobody."""


def no_bar(label: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show nothing."""
    return nullcontext(lambda done: None)
