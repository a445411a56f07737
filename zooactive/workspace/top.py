"""The galaxies surest of an answer, least sure of it, or that would tell most of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.telling import Bar, Tell, no_bar, silent
from zooactive.foundation.vocabulary import Most
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.finetuned import seen_with_pictures
from zooactive.workspace.lists import write_list
from zooactive.workspace.options import Options, as_path
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

OPTIONS: Options = (
    {name: f"pool.{name}" for name in ("catalogue", "images")}
    | EMBEDDING_OPTIONS
    | {name: f"survey.{name}" for name in ("id_column", "image_column")}
)


def top(
    settings: Settings,
    answer: str | None = None,
    *,
    task: str | None = None,
    predictions: str | Path | None = None,
    n: int = 48,
    most: Most = "certain",
    lowest: bool = False,
    out: str | Path | None = None,
    gallery: str | Path | None = None,
    progress: Bar = no_bar,
    tell: Tell = silent,
) -> pd.DataFrame:
    """List the galaxies most likely to get a given answer, write the list and draw it.

    The table's ``attrs`` say the answer's column, and where the list and the picture are. Of a fine-tuned task the pool's
    predictions are made first where they have not been.
    """
    from zooactive.prediction import open_predictions
    from zooactive.prediction.top import best

    if lowest and most != "certain":
        raise WorkspaceError(f"lowest and most = '{most}' do not go together; give one")
    settings = seen_with_pictures(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    stored = open_predictions(settings.pool.predictions)
    column = stored.tree.columns[0] if answer is None else stored.tree.resolve(answer)
    table = best(stored, column, n, lowest=lowest, most=most)
    target = settings.folder / (f"top-{column}.csv" if most == "certain" else f"top-{column}-{most}.csv")
    captions = [f"{row.id}\n{row.fraction:.2f} ({row.low:.2f} to {row.high:.2f})" for row in table.itertuples(index=False)]
    if most == "informative":
        captions = [f"{row.id}\n{row.fraction:.2f}, {row.information:.2g} nats" for row in table.itertuples(index=False)]
    table.attrs["answer"] = column
    write_list(table, captions, settings, target if out is None else Path(out), None if gallery is None else Path(gallery))
    return table
