"""`zooactive evaluate`: how good the model is on galaxies that it never saw."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    RuleOption,
    TreeOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    open_workspace,
    print_table,
    progress_bar,
    start_networks,
)

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.evaluation import Evaluation

ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--by", help="Tell the merits in bins of this column too (default: redshift and magnitude).", show_default=False
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(help="Folder for the results (default: the model's folder).", show_default=False)
]


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    rule: RuleOption = None,
    by: ByOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the model on the test galaxies, beside a model that has seen no image."""
    place = open_workspace(
        workspace,
        model={"folder": model},
        survey={"tree": tree, "catalogue": catalogue, "images": images, "id_column": id_column} | {"rule": rule},
    )
    folder = place.folder / "evaluation" if out is None and not place.model.folder.exists() else out or place.model.folder
    start_networks()
    from zooactive.workspace.evaluate import evaluate_workspace, write_merits

    with progress_bar("predicting the test galaxies", len(place.split_survey()[2])) as progress:
        found = evaluate_workspace(place, by=by, progress=progress)
    merits = found.merits
    if json:
        print_table(merits.questions, as_json=True)
    else:
        print_merits(merits)
    write_merits(found, place, folder)
    note(
        f"{merits.galaxies} test galaxies: negative log-likelihood {merits.likelihood:.2f} nats a galaxy, against "
        f"{merits.constant_likelihood:.2f} for the best constant concentrations ({merits.gain:+.1%})"
    )
    last_line(
        f"Written to {folder / 'evaluation.csv'}; beside it evaluation.html to look at, and evaluation.json with each "
        "answer's precision, recall and F1, the confusion matrices, coverage and reliability. Rows of the first table count "
        "galaxies of which at least half of the volunteers were asked the question.",
        command_line("predict", workspace=workspace, model=model),
    )


def print_merits(merits: Evaluation) -> None:
    """Print what fits a narrow terminal: a row a question; of a single question also its answers and confusion matrix."""
    questions = merits.questions.assign(**{"95%": _intervals(merits.questions, "accuracy")})
    print_table(questions[["question", "galaxies", "accuracy", "95%", "baseline", "macro_f1", "auc"]], as_json=False)
    if len(merits.coverage):
        levels = {name: f"{float(name):.0%} intervals hold" for name in merits.coverage.columns[2:]}
        print_table(merits.coverage.rename(columns={"galaxies": "galaxies asked", **levels}), as_json=False)
        print_table(_worth(merits), as_json=False)
    if len(merits.by_column):
        print_table(_by_column(merits), as_json=False)
    if len(merits.classification) != 1:
        return
    answers = merits.classification[0].to_table()
    answers = answers.assign(**{f"{name}_95%": _intervals(answers, name) for name in ("recall", "f1")})
    print_table(answers[["answer", "galaxies", "precision", "recall", "recall_95%", "f1", "f1_95%", "auc"]], as_json=False)
    matrix = merits.classification[0].confusion_table()
    numbered = matrix.set_axis([str(i) for i in range(1, len(matrix) + 1)], axis=1)  # long names would not fit side by side
    numbered.insert(0, "volunteers \\ model", [f"{i} {name}" for i, name in enumerate(matrix.index, 1)])
    print_table(numbered, as_json=False)


def _worth(merits: Evaluation) -> pd.DataFrame:
    """What the fractions of each question are worth in volunteers, and accuracy where volunteers agree."""
    table = merits.worth[["question"]].copy()
    table["as good as volunteers"] = [_people(value) for value in merits.worth["volunteers"]]
    ends = zip(merits.worth["volunteers_low"], merits.worth["volunteers_high"], strict=True)
    table["95%"] = ["-" if math.isnan(low) else f"{low:.1f}-{high:.1f}" for low, high in ends]
    table["galaxies agreed on"] = merits.confident["confident"]
    table["accuracy there"] = merits.confident["confident_accuracy"]
    return table


def _people(number: float) -> str:
    return f"{number:.1f}" if math.isfinite(number) else "-" if math.isnan(number) else "all"


def _by_column(merits: Evaluation) -> pd.DataFrame:
    """The first question of the tree, in bins; the others are in the page and the JSON."""
    from zooactive.evaluation.fractions import bin_names

    first = merits.by_column[merits.by_column["question"] == merits.by_column["question"].iloc[0]]
    table: pd.DataFrame = first[["question", "galaxies", "accuracy", "baseline", "deviation"]].reset_index(drop=True)
    table.insert(0, "column", bin_names(first))
    return table


def _intervals(table: pd.DataFrame, name: str) -> list[str]:
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return ["-" if low != low else f"{low:.3f}-{high:.3f}" for low, high in ends]
