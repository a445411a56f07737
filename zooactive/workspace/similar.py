"""List galaxies that look like the given galaxies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.provenance import Making
from zooactive.foundation.spelling import file_name
from zooactive.workspace.embeddings import read_given
from zooactive.workspace.lists import write_list
from zooactive.workspace.options import Options, as_path, options_of
from zooactive.workspace.sections import Pool
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

OPTIONS: Options = options_of("pool", Pool) | {name: f"survey.{name}" for name in ("id_column", "image_column")}


def similar(
    settings: Settings,
    ids: str | Sequence[str],
    *,
    n: int = 48,
    out: str | Path | None = None,
    gallery: str | Path | None = None,
) -> pd.DataFrame:
    """List the galaxies whose embeddings are most like those of the given galaxies, and write and draw the list.

    The picture shows the given galaxies first.
    """
    from zooactive.prediction import find_similar, open_predictions

    names = [ids] if isinstance(ids, str) else list(ids)
    given = settings.pool.embeddings is not None
    table = find_similar(read_given(settings) if given else open_predictions(settings.pool.predictions), names, n=n)
    target = settings.folder / f"similar-{file_name(names[0])}.csv" if out is None else Path(out)
    captions = [f"{row.id}\n{row.similarity:.2f}" for row in table.itertuples(index=False)]
    made = Making(
        "similar", {"embeddings": settings.pool.embeddings} if given else {"predictions": settings.pool.predictions}
    )
    options = {"ids": names, "n": n}
    write_list(table, captions, settings, target, as_path(gallery), made=made, options=options, first=names)
    return table
