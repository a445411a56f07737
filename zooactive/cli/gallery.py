"""Pictures as options of commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

PICTURES = (".png", ".pdf", ".svg")


def a_picture(path: Path | None) -> Path | None:
    """Refuse a file that cannot be drawn."""
    if path is not None and path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"{path} is no picture that can be drawn; end its name with {' or '.join(PICTURES)}")
    return path


GalleryOption = Annotated[
    Path | None,
    typer.Option(
        callback=a_picture, help="The picture: .png, .pdf or .svg (default: beside the table).", show_default=False
    ),
]


def listed(table: pd.DataFrame) -> str:
    """Say where a list of galaxies is, and where they are drawn if they are."""
    said, picture = f"{len(table)} galaxies: {table.attrs['file']}", table.attrs["picture"]
    return f"{said}; no table that is named has images of them" if picture is None else f"{said}, drawn in {picture}"
