"""`zooactive evaluate`: measure how good the model is on galaxies that it never saw."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zooactive.cli.console import (
    CatalogueOption,
    EmbeddingsOption,
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
from zooactive.cli.measures import measured, numbers_told

if TYPE_CHECKING:
    import pandas as pd

    from zooactive.evaluation import Evaluation
    from zooactive.workspace.label_metrics import LabelMetrics
    from zooactive.workspace.numbers import NumberMetrics

ByOption = Annotated[
    list[str] | None,
    typer.Option(
        "--by", help="Also report the metrics in bins of this column (default: redshift and magnitude).", show_default=False
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
    embeddings: EmbeddingsOption = None,
    volunteers: VolunteersOption = None,
    rule: RuleOption = None,
    by: ByOption = None,
    column: Annotated[
        str | None,
        typer.Option(help="Of a task: column of the labels in --catalogue (default: that of its own).", show_default=False),
    ] = None,
    out: OutOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the model on the test galaxies beside one that has seen no image, or a task on labels that it never saw."""
    here = open_workspace(workspace)
    given: dict[str, Any] = {"model": model, "catalogue": catalogue, "images": images}
    given |= {"id_column": id_column, "image_column": image_column}
    found = here.evaluate(
        **given,
        embeddings=embeddings,
        tree=tree,
        volunteers=number_or_column(volunteers),
        rule=rule,
        by=by,
        column=column,
        out=out,
    )
    from zooactive.workspace.label_metrics import LabelMetrics
    from zooactive.workspace.numbers import NumberMetrics

    following = predict_line(here, workspace=workspace, **given, embeddings=embeddings)
    if isinstance(found, NumberMetrics | LabelMetrics):
        _print_task(found, json, following)
        return
    metrics = found.metrics
    if json:
        print_table(metrics.questions, as_json=True)
    else:
        print_metrics(metrics, None if found.file is None else found.file.with_suffix(".html"))
    note(
        f"{metrics.galaxies} test galaxies: negative log-likelihood {metrics.likelihood:.2f} nats per galaxy, against "
        f"{metrics.constant_likelihood:.2f} for the best constant concentrations ({metrics.gain:+.1%})"
    )
    last_line(
        f"Written to {found.file}. Next to it, evaluation.html is a page to look at, and evaluation.json holds each "
        "answer's precision, recall and F1, the confusion matrices, coverage and reliability. The first table counts only "
        "galaxies for which at least half of the volunteers were asked the question.",
        following,
    )


def _print_task(found: NumberMetrics | LabelMetrics, json: bool, following: str) -> None:
    """Print how well a number is predicted, or a label is told."""
    import pandas as pd

    from zooactive.workspace.numbers import NumberMetrics

    metrics = dict(found.metrics)
    galaxies = int(metrics.pop("galaxies"))
    if json:
        what = {"column": found.task.column} if isinstance(found, NumberMetrics) else {"task": found.task.name}
        print_table(pd.DataFrame([{**what, "galaxies": galaxies, **metrics}]), as_json=True)
    else:
        title = f"{found.task.name}: {galaxies} galaxies that the model was not trained on"
        print_table(measured(metrics, galaxies), as_json=False, title=title)
        if not isinstance(found, NumberMetrics) and len(found.questions) > 1:
            print_table(found.questions, as_json=False, title="Accuracy of each question")
    apart = f", each held out from one of {found.folds} fits" if found.folds else ""
    note(f"measured on {galaxies} galaxies of {found.source}{apart}")
    if isinstance(found, NumberMetrics):
        note(numbers_told(found.task))
    last_line(f"Written to {found.file}. Next to it are evaluation.html, a page to look at, and evaluation.json", following)


def print_metrics(metrics: Evaluation, file: Path | None = None) -> None:
    """Print the metrics that fit a narrow terminal: one row per question.

    For a single question, its answers and its confusion matrix are printed as well.
    """
    questions = _of_several(metrics.questions).assign(**{"95%": _intervals(metrics.questions, "accuracy")})
    print_table(
        questions[["question", "galaxies", "accuracy", "95%", "baseline", "macro_f1", "auc"]],
        as_json=False,
        file=file,
        title="How often the most likely answer is the one most volunteers gave",
    )
    if len(metrics.coverage):
        levels = {name: f"{float(name):.0%}" for name in metrics.coverage.columns[2:]}
        print_table(
            _of_several(metrics.coverage).rename(columns=levels),
            as_json=False,
            file=file,
            title="The share of observed fractions inside the intervals of this probability",
        )
        print_table(
            _worth(metrics),
            as_json=False,
            file=file,
            title="How many volunteers' votes have the same error, and the accuracy where volunteers agree",
        )
    if len(metrics.by_column):
        print_table(
            _by_column(metrics), as_json=False, file=file, title="The first question, in bins of the galaxies' columns"
        )
    if len(metrics.classification) != 1:
        return
    answers = metrics.classification[0].to_table()
    answers = answers.assign(**{f"{name}_95%": _intervals(answers, name) for name in ("recall", "f1")})
    print_table(
        _of_several(answers)[["answer", "galaxies", "precision", "recall", "recall_95%", "f1", "f1_95%", "auc"]],
        as_json=False,
        file=file,
        title="Each answer",
    )
    matrix = metrics.classification[0].confusion_table()
    numbered = matrix.set_axis([str(i) for i in range(1, len(matrix) + 1)], axis=1)  # long names would not fit side by side
    numbered.insert(0, "volunteers \\ model", [f"{i} {name}" for i, name in enumerate(matrix.index, 1)])
    print_table(
        numbered, as_json=False, file=file, title="Galaxies by the volunteers' answer (rows) and the model's (columns)"
    )


def _of_several(table: pd.DataFrame, galaxies: str = "galaxies") -> pd.DataFrame:
    """Leave the metrics of a single galaxy blank, because one galaxy measures nothing."""
    measured = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].where(table[galaxies] > 1) for name in measured})


def _worth(metrics: Evaluation) -> pd.DataFrame:
    """Return what the fractions of each question are worth in volunteers, and the accuracy where volunteers agree."""
    worth, confident = _of_several(metrics.worth), _of_several(metrics.confident, "confident")
    table = worth[["question", "galaxies"]].copy()
    table["volunteers"] = [_people(value) for value in worth["volunteers"]]
    ends = zip(worth["volunteers_low"], worth["volunteers_high"], strict=True)
    table["95%"] = [_range_of_people(low, high) for low, high in ends]
    table["galaxies agreed on"] = confident["confident"]
    table["accuracy there"] = confident["confident_accuracy"]
    return table


def _people(number: float) -> str:
    return f"{number:.1f}" if math.isfinite(number) else "-" if math.isnan(number) else "all"


def _range_of_people(low: float, high: float) -> str:
    if math.isnan(low):
        return "-"
    return f"{low:.1f}-{high:.1f}" if math.isfinite(high) else f"above {low:.1f}"


def _by_column(metrics: Evaluation) -> pd.DataFrame:
    """Return the metrics of the tree's first question in bins; the other questions are in the page and the JSON."""
    from zooactive.evaluation.fractions import bin_names

    first = metrics.by_column[metrics.by_column["question"] == metrics.by_column["question"].iloc[0]]
    table: pd.DataFrame = _of_several(first)[["question", "galaxies", "accuracy", "baseline", "deviation"]].reset_index(
        drop=True
    )
    table.insert(0, "column", bin_names(first))
    return table


def _intervals(table: pd.DataFrame, name: str) -> list[str]:
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    several = table["galaxies"] > 1
    return [
        f"{low:.3f}-{high:.3f}" if known and low == low else "-" for (low, high), known in zip(ends, several, strict=True)
    ]
