"""A list of galaxies as a table and as a picture of their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.workspace import Workspace

_PICTURES = (".png", ".pdf", ".svg")
_SIDE = 160  # pixels of a cutout in the gallery


def _picture(path: Path | None) -> Path | None:
    if path is not None and path.suffix.lower() not in _PICTURES:
        raise typer.BadParameter(f"{path} is no picture that can be drawn; end its name with {' or '.join(_PICTURES)}")
    return path


GalleryOption = Annotated[
    Path | None,
    typer.Option(callback=_picture, help="The picture: .png, .pdf or .svg (default: beside the table).", show_default=False),
]


def write_list(
    table: pd.DataFrame,
    captions: Sequence[str],
    place: Workspace,
    target: Path,
    picture: Path | None,
    *,
    first: Sequence[str] = (),
) -> Path:
    """Write a table of galaxies of the pool as CSV, draw their images, and return where those are.

    The galaxies `first` are drawn before them, under their ids. One whose image cannot be read is left out of the picture.
    """
    from zooactive.catalogue import Preprocessing
    from zooactive.foundation.writing import aside, make_folder
    from zooactive.report.plots import gallery

    picture = picture or target.with_suffix(".png")
    make_folder(target.parent)
    with aside(target) as temporary:
        table.to_csv(temporary, index=False)
    galaxies = place.read_pool().select([*first, *table["id"]])
    captions = [*first, *captions]
    stored = galaxies.prepared
    pixels, failures = galaxies.decode(Preprocessing(size=_SIDE) if stored is None else stored)
    shown = [i for i in range(len(galaxies)) if i not in failures]
    figure = gallery([pixels[i] for i in shown], [captions[i] for i in shown], columns=8)
    with aside(picture) as temporary:
        figure.savefig(temporary, dpi=150, format=picture.suffix[1:].lower())
    return picture
