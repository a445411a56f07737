"""Write a list of galaxies as a table and as a picture of their images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.models.saved_form import stored_fingerprint, takes_embeddings
from zooactive.workspace.origin import origin_of, read_pictured, seen_by
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.foundation.provenance import Making

_SIDE = 160  # pixels of a cutout in the gallery


def write_list(
    table: pd.DataFrame,
    captions: Sequence[str],
    settings: Settings,
    target: Path,
    picture: Path | None,
    *,
    made: Making,
    options: Mapping[str, Any],
    first: Sequence[str] = (),
) -> None:
    """Write a table of galaxies of the pool as CSV, and draw their images.

    The table's ``attrs`` say where both files are. They also say which model and galaxies the predictions belong to, if the
    workspace's file does not say it. The galaxies `first` are drawn before the others, under their ids. A galaxy whose image
    cannot be read is left out of the picture. If no images are named, as with embeddings, there is no picture, and
    ``attrs["picture"]`` is None. ``attrs["shown"]`` says whether there is a model with which `show` could show a galaxy.
    What the list was `made` from, and its `options`, are written next to it.
    """
    from zooactive.foundation.spelling import write_csv
    from zooactive.foundation.writing import aside, make_folder, write_how

    make_folder(target.parent)
    with aside(target) as temporary:
        write_csv(table, temporary)
    table.attrs |= {"file": str(target), "picture": None, "of": origin_of(settings)}
    _draw(table, [*first, *captions], settings, picture or target.with_suffix(".png"), [*first, *table["id"]])
    table.attrs["shown"] = _has_a_model(settings, table)
    write_how(target, command=made.command, options=options, inputs={})
    drawn = table.attrs["picture"]
    made.done(target, outputs=[target, *([] if drawn is None else [Path(drawn)])], counts={"galaxies": len(table)})


def _has_a_model(settings: Settings, table: pd.DataFrame) -> bool:
    """Return whether the model of the predictions can predict one of the galaxies."""
    of, picture = table.attrs["of"], table.attrs["picture"]
    folder = Path(of.get("model") or settings.model.folder)
    if stored_fingerprint(folder) is None:
        return False
    by_embeddings = (of.get("embeddings") or settings.pool.embeddings) is not None
    return takes_embeddings(folder) if by_embeddings else picture is not None


def _draw(table: pd.DataFrame, captions: Sequence[str], settings: Settings, picture: Path, ids: Sequence[str]) -> None:
    """Draw the galaxies that have an image, and record the picture in the table's ``attrs``."""
    from zooactive.catalogue.bands import in_colour
    from zooactive.foundation.writing import aside
    from zooactive.report.plots import gallery

    galaxies = read_pictured(settings, ids)
    if galaxies is None:
        return
    caption_of = dict(zip(ids, captions, strict=True))
    how = galaxies.prepared or seen_by(settings).for_people(_SIDE)
    pixels, failures = galaxies.decode(how)
    shown = [i for i in range(len(galaxies)) if i not in failures]
    if not shown:
        return
    coloured = in_colour(pixels, how.listed)
    figure = gallery([coloured[i] for i in shown], [caption_of[str(galaxies.ids[i])] for i in shown], columns=8)
    with aside(picture) as temporary:
        figure.savefig(temporary, dpi=150, format=picture.suffix[1:].lower())
    table.attrs["picture"] = str(picture)
