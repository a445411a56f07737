"""A list of galaxies as a table and as a picture of their images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.workspace.origin import origin_of, read_pictured
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_SIDE = 160  # pixels of a cutout in the gallery


def write_list(
    table: pd.DataFrame,
    captions: Sequence[str],
    settings: Settings,
    target: Path,
    picture: Path | None,
    *,
    first: Sequence[str] = (),
) -> None:
    """Write a table of galaxies of the pool as CSV and draw their images; its ``attrs`` say where both are, and which
    model and galaxies the predictions are of where the workspace's file does not.

    The galaxies `first` are drawn before them, under their ids. One whose image cannot be read is left out of the picture;
    where nobody names images, as embeddings do not, there is none, and ``attrs["picture"]`` is None.
    """
    from zooactive.catalogue import Preprocessing
    from zooactive.foundation.spelling import write_csv
    from zooactive.foundation.writing import aside, make_folder
    from zooactive.report.plots import gallery

    make_folder(target.parent)
    with aside(target) as temporary:
        write_csv(table, temporary)
    table.attrs |= {"file": str(target), "picture": None, "of": origin_of(settings)}
    galaxies = read_pictured(settings, [*first, *table["id"]])
    if galaxies is None:
        return
    picture = picture or target.with_suffix(".png")
    captions = [*first, *captions]
    stored = galaxies.prepared
    pixels, failures = galaxies.decode(Preprocessing(size=_SIDE) if stored is None else stored)
    shown = [i for i in range(len(galaxies)) if i not in failures]
    figure = gallery([pixels[i] for i in shown], [captions[i] for i in shown], columns=8)
    with aside(picture) as temporary:
        figure.savefig(temporary, dpi=150, format=picture.suffix[1:].lower())
    table.attrs["picture"] = str(picture)
