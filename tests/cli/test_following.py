"""What the commands print as "Next:" runs as it is printed; `nox -s following` does so with all of them, in a real shell."""

from __future__ import annotations

import shlex
from pathlib import Path

from small_survey import zooactive


def run_here(line: str, folder: Path) -> tuple[int, str]:
    """Run commands as a shell would that has `zooactive` and cd alone, in this process."""
    said = ""
    for command in line.split(" && "):
        name, *words = shlex.split(command)
        if name == "cd":
            folder = folder / words[0]
            continue
        assert name == "zooactive", line
        try:
            said = zooactive(*words, folder=folder).stderr
        except AssertionError as error:
            return 1, f"{error}\n{error.__cause__ or ''}"
    return 0, said
