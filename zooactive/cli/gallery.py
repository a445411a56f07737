"""The option that names a picture, and the line that says where a list was drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

PICTURES = (".png", ".pdf", ".svg")


def a_picture(path: Path | None) -> Path | None:
    """Return the file of a picture; raise a BadParameter if its format cannot be drawn."""
    if path is not None and path.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"{path} cannot be drawn as a picture; end its name with {' or '.join(PICTURES)}")
    return path


GalleryOption = Annotated[
    Path | None,
    typer.Option(
        callback=a_picture, help="The picture: .png, .pdf or .svg (default: next to the table).", show_default=False
    ),
]


def listed(table: pd.DataFrame) -> str:
    """Return a line that says where a list of galaxies is, and where the galaxies are drawn."""
    said, picture = f"{len(table)} galaxies: {table.attrs['file']}", table.attrs["picture"]
    return (
        f"{said}; not drawn, because no table that you named has images of them"
        if picture is None
        else f"{said}, drawn in {picture}"
    )
