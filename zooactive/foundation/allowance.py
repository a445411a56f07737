"""The share of the machine that this process may use, by its affinity and its control groups."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path


def usable_cpus(system: Path = Path("/")) -> int:
    """Return how many CPUs this process may use, at least 1: the minimum of its affinity and its control groups' quotas.

    Parameters
    ----------
    system : Path
        The root of the file system, which contains ``proc`` and ``sys``.

    Examples
    --------
    >>> 1 <= usable_cpus() <= os.cpu_count()
    True
    """
    affinity = getattr(os, "sched_getaffinity", None)  # exists only on Linux
    here = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min([here, *(math.ceil(share) for share in _quotas(system))]))


def usable_memory(system: Path = Path("/")) -> int:
    """Return how many bytes of memory this process may use: the machine's memory, or what its control groups allow."""
    try:
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        limits = [1 << 40]
    for folder in _groups(system, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            words = _words(folder / name)
            if words and words[0].isdecimal():
                limits.append(int(words[0]))
    return min(limit for limit in limits if limit > 0)


def _quotas(system: Path) -> Iterator[float]:
    """Yield the number of CPUs that each control group around this process allows."""
    for folder in _groups(system, "cpu"):
        words = _words(folder / "cpu.max") or _words(folder / "cpu.cfs_quota_us") + _words(folder / "cpu.cfs_period_us")
        if len(words) == 2 and all(word.isdecimal() and int(word) > 0 for word in words):
            yield int(words[0]) / int(words[1])


def _groups(system: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process' control groups, the innermost first; in a container its own group is the root."""
    groups = system / "sys/fs/cgroup"
    for line in _lines(system / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and controller not in controllers.split(","):
            continue
        root = groups if number == "0" else groups / controller
        inner = root / path.strip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(root))


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return []
