"""List the galaxies most likely to get an answer, the most uncertain or the most informative ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.provenance import Making
from zooactive.foundation.telling import NOTHING, Show, Tell, silent
from zooactive.foundation.vocabulary import Most
from zooactive.training.finetuning.tasks import folder_name
from zooactive.workspace.embeddings import OPTIONS as EMBEDDING_OPTIONS
from zooactive.workspace.finetuned import seen_with_pictures
from zooactive.workspace.lists import write_list
from zooactive.workspace.numbers import seen_by_number
from zooactive.workspace.options import Options, as_path
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.prediction.numbers import NumberPredictions

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
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> pd.DataFrame:
    """List the galaxies most likely to get a given answer, write the list and draw it.

    The table's ``attrs`` say the answer's column, and where the list and the picture are. For a fine-tuned task, the pool is
    predicted first if it was not predicted yet. For a task of numbers, the galaxies with the largest expected numbers are
    listed.
    """
    from zooactive.prediction import open_predictions
    from zooactive.prediction.top import best

    if lowest and most != "certain":
        raise WorkspaceError(f"lowest and most = '{most}' do not go together; give only one of them")
    asked = {"n": n, "most": most, "lowest": lowest, "task": task}
    found = seen_by_number(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    if found is not None:
        table = _largest(found[1], answer, n, most=most, lowest=lowest)
        captions = [
            f"{row.id}\n{row.mean:.4g} ({row.low_95:.4g} to {row.high_95:.4g})" for row in table.itertuples(index=False)
        ]
        name = folder_name(found[1].column)
        target = settings.folder / (f"top-{name}.csv" if most == "certain" else f"top-{name}-{most}.csv")
        made = Making("top", {"predictions": found[1].folder})
        write_list(
            table, captions, found[0], as_path(out) or target, as_path(gallery), made=made, options=asked | {"answer": name}
        )
        return table
    settings = seen_with_pictures(settings, task, predictions=as_path(predictions), progress=progress, tell=tell)
    stored = open_predictions(settings.pool.predictions)
    column = stored.tree.columns[0] if answer is None else stored.tree.resolve(answer)
    table = best(stored, column, n, lowest=lowest, most=most)
    target = settings.folder / (f"top-{column}.csv" if most == "certain" else f"top-{column}-{most}.csv")
    captions = [f"{row.id}\n{row.fraction:.2f} ({row.low:.2f} to {row.high:.2f})" for row in table.itertuples(index=False)]
    if most == "informative":
        captions = [f"{row.id}\n{row.fraction:.2f}, {row.information:.2g} nats" for row in table.itertuples(index=False)]
    table.attrs["answer"] = column
    made = Making("top", {"predictions": stored.folder})
    write_list(
        table, captions, settings, as_path(out) or target, as_path(gallery), made=made, options=asked | {"answer": column}
    )
    return table


def _largest(stored: NumberPredictions, answer: str | None, n: int, *, most: Most, lowest: bool) -> pd.DataFrame:
    """Return the n galaxies with the largest expected numbers, the most uncertain ones, or the most informative labels."""
    if answer is not None and answer != stored.column:
        raise WorkspaceError(
            f"the predictions in {stored.folder} are of '{stored.column}', not of '{answer}'; leave out the answer"
        )
    by = {"certain": "mean", "uncertain": "deviation", "informative": "information"}[most]
    table = stored.table().sort_values([by, "id"], ascending=[lowest, True], kind="stable").head(n).reset_index(drop=True)
    ends = [f"{end}_{level}" for level in (50, 80, 95) for end in ("low", "high")]
    table = table[["id", "mean", "deviation", *ends, "information"]]
    table.insert(0, "rank", table.index + 1)
    table.attrs["answer"] = stored.column
    return table
