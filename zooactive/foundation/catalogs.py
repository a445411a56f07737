"""Where the data that come with zooactive lie: trees, tasks, recipes, samples, the encoder."""

from __future__ import annotations

from pathlib import Path

from zooactive.foundation.errors import TreeError


def catalogs_folder() -> Path:
    """Where the trees, tasks and samples lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "catalogs", package.parent / "catalogs"):
        if (folder / "trees").is_dir():
            return folder
    raise TreeError(f"the folder catalogs is missing beside {package}; install zooactive again")
