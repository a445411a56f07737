"""`zooactive evaluate`: how good the model is on galaxies that it never saw."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    JsonOption,
    ModelOption,
    RuleOption,
    TreeOption,
    VolunteersOption,
    WorkspaceOption,
    last_line,
    note,
    number_or_column,
    open_workspace,
    predict_line,
    print_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.evaluation import Evaluation

ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--by", help="Tell the metrics in bins of this column too (default: redshift and magnitude).", show_default=False
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
    image_column: ImageColumnOption = None,
    volunteers: VolunteersOption = None,
    rule: RuleOption = None,
    by: ByOption = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the model on the test galaxies, beside a model that has seen no image."""
    here = open_workspace(workspace)
    given: dict[str, Any] = {"model": model, "catalogue": catalogue, "images": images}
    given |= {"id_column": id_column, "image_column": image_column}
    found = here.evaluate(**given, tree=tree, volunteers=number_or_column(volunteers), rule=rule, by=by, out=out)
    metrics = found.metrics
    if json:
        print_table(metrics.questions, as_json=True)
    else:
        print_metrics(metrics)
    note(
        f"{metrics.galaxies} test galaxies: negative log-likelihood {metrics.likelihood:.2f} nats a galaxy, against "
        f"{metrics.constant_likelihood:.2f} for the best constant concentrations ({metrics.gain:+.1%})"
    )
    last_line(
        f"Written to {found.file}; beside it evaluation.html to look at, and evaluation.json with each "
        "answer's precision, recall and F1, the confusion matrices, coverage and reliability. Rows of the first table count "
        "galaxies of which at least half of the volunteers were asked the question.",
        predict_line(here, workspace=workspace, **given),
    )


def print_metrics(metrics: Evaluation) -> None:
    """Print what fits a narrow terminal: a row a question; of a single question also its answers and confusion matrix."""
    questions = metrics.questions.assign(**{"95%": _intervals(metrics.questions, "accuracy")})
    print_table(questions[["question", "galaxies", "accuracy", "95%", "baseline", "macro_f1", "auc"]], as_json=False)
    if len(metrics.coverage):
        levels = {name: f"{float(name):.0%} intervals hold" for name in metrics.coverage.columns[2:]}
        print_table(metrics.coverage.rename(columns={"galaxies": "galaxies asked", **levels}), as_json=False)
        print_table(_worth(metrics), as_json=False)
    if len(metrics.by_column):
        print_table(_by_column(metrics), as_json=False)
    if len(metrics.classification) != 1:
        return
    answers = metrics.classification[0].to_table()
    answers = answers.assign(**{f"{name}_95%": _intervals(answers, name) for name in ("recall", "f1")})
    print_table(answers[["answer", "galaxies", "precision", "recall", "recall_95%", "f1", "f1_95%", "auc"]], as_json=False)
    matrix = metrics.classification[0].confusion_table()
    numbered = matrix.set_axis([str(i) for i in range(1, len(matrix) + 1)], axis=1)  # long names would not fit side by side
    numbered.insert(0, "volunteers \\ model", [f"{i} {name}" for i, name in enumerate(matrix.index, 1)])
    print_table(numbered, as_json=False)


def _worth(metrics: Evaluation) -> pd.DataFrame:
    """What the fractions of each question are worth in volunteers, and accuracy where volunteers agree."""
    table = metrics.worth[["question"]].copy()
    table["as good as volunteers"] = [_people(value) for value in metrics.worth["volunteers"]]
    ends = zip(metrics.worth["volunteers_low"], metrics.worth["volunteers_high"], strict=True)
    table["95%"] = ["-" if math.isnan(low) else f"{low:.1f}-{high:.1f}" for low, high in ends]
    table["galaxies agreed on"] = metrics.confident["confident"]
    table["accuracy there"] = metrics.confident["confident_accuracy"]
    return table


def _people(number: float) -> str:
    return f"{number:.1f}" if math.isfinite(number) else "-" if math.isnan(number) else "all"


def _by_column(metrics: Evaluation) -> pd.DataFrame:
    """The first question of the tree, in bins; the others are in the page and the JSON."""
    from zooactive.evaluation.fractions import bin_names

    first = metrics.by_column[metrics.by_column["question"] == metrics.by_column["question"].iloc[0]]
    table: pd.DataFrame = first[["question", "galaxies", "accuracy", "baseline", "deviation"]].reset_index(drop=True)
    table.insert(0, "column", bin_names(first))
    return table


def _intervals(table: pd.DataFrame, name: str) -> list[str]:
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return ["-" if low != low else f"{low:.3f}-{high:.3f}" for low, high in ends]
