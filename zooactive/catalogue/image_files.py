"""List the files in folders of images, including subfolders."""

from __future__ import annotations

import os
from pathlib import Path

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".fits")


def files_below(folder: Path) -> list[Path]:
    """Return the files of a folder in order, then those of its subfolders; names that begin with a dot are left out.

    Links to other folders are not followed, because they may form a loop.
    """
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(where, name) for name in sorted(names) if not name.startswith(".")]
    return found
