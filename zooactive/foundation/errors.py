"""All errors that zooactive explains: each names the thing, says what was received, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from zooactive.foundation.spelling import for_terminal

_LONGEST, _LINES = 1500, 4
"""The largest number of characters and lines of an error. The middle is cut, because both ends matter: file and advice."""
_REASON = 200
"""The largest number of characters quoted from a library's message, because Arrow repeats a whole file's schema."""


class ZooactiveError(Exception):
    """A failure that zooactive can explain in one or two lines."""

    def __str__(self) -> str:
        said = for_terminal(super().__str__())  # a traceback prints it unchanged
        if said.count("\n") >= _LINES:
            said = " ".join(said.split())
        return said if len(said) <= _LONGEST else f"{said[: _LONGEST // 2]} ... {said[-_LONGEST // 2 :]}"


class TreeError(ZooactiveError):
    """A decision tree that contradicts itself, or is not the one that is needed."""


class CatalogueError(ZooactiveError):
    """A table of galaxies or votes that cannot be used as it is."""


class ImageError(ZooactiveError):
    """An image that cannot be read, or is not what was declared."""


class ModelError(ZooactiveError):
    """A model that is incomplete, or is used for something that it was not made for."""


class TrainingError(ZooactiveError):
    """A training that cannot start or cannot continue."""


class PosteriorError(ZooactiveError):
    """Concentrations that are not a posterior, or a question that the posterior cannot answer."""


class AcquisitionError(ZooactiveError):
    """A choice of galaxies that cannot be made as requested."""


class WorkspaceError(ZooactiveError):
    """A workspace file with unknown or missing entries."""


class EngineError(ZooactiveError):
    """A distributed engine that is not installed or does not answer, or a process in which no network can compute."""


class UploadError(ZooactiveError):
    """Subjects that the Zooniverse refused, or a model that the Hugging Face hub refused."""


class OutputError(ZooactiveError):
    """A result that cannot be written to the requested place."""


@contextmanager
def explained(error: type[ZooactiveError], said: str, *met: type[Exception]) -> Iterator[None]:
    """Raise `error` instead of an exception that a library raises in the block.

    Parameters
    ----------
    error : type
    said : str
        What is wrong with which file, and what to do; ``{reason}`` is replaced by the library's message.
    *met : type
        The exceptions that are replaced by `error`; by default all except those of zooactive.

    Examples
    --------
    >>> with explained(CatalogueError, "votes.csv: {reason}; give a number", ValueError):
    ...     float("many")
    Traceback (most recent call last):
    zooactive.foundation.errors.CatalogueError: votes.csv: could not convert string to float: 'many'; give a number
    """
    try:
        yield
    except Exception as caught:
        ours = isinstance(caught, ZooactiveError)
        if not isinstance(caught, met) if met else ours:
            raise
        # An operating system's full message names the path, and so does `said`.
        words = caught.strerror if isinstance(caught, OSError) and caught.strerror else str(caught)
        reason = words if ours else " ".join(words.split())[:_REASON]
        raise error(said.replace("{reason}", reason)) from caught


def did_you_mean(received: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the nearest known name, or "" if none is near.

    Examples
    --------
    >>> did_you_mean("bar_stong", ["bar_strong", "bar_weak"])
    " Did you mean 'bar_strong'?"
    """
    near = difflib.get_close_matches(received, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""
