"""`zooactive evaluate`: how good the model is on galaxies that it never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    from zooactive.catalogue import Catalogue
    from zooactive.evaluation import Evaluation
    from zooactive.workspace import Workspace


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    rule: RuleOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the model on the test galaxies, beside a model that has seen no image."""
    place = open_workspace(
        workspace,
        model={"folder": model},
        survey={"tree": tree, "catalogue": catalogue, "images": images, "id_column": id_column} | {"rule": rule},
    )
    learning, test = _galaxies(place)
    start_networks()
    from zooactive.errors import ModelError
    from zooactive.evaluation import evaluate
    from zooactive.models import load_model
    from zooactive.prediction import predict
    from zooactive.writing import aside, write_how, write_json

    network = load_model(place.model.folder)
    assert test.tree is not None
    if network.tree.columns != test.tree.columns:
        raise ModelError(
            f"the model in {place.model.folder} answers tree '{network.tree.name}', the votes in {test.source} are of "
            f"'{test.tree.name}'; give --model of that tree"
        )
    with progress_bar("predicting the test galaxies", len(test)) as progress:
        posterior = predict(network, test, draws=place.pool.draws, seed=place.pool.seed, progress=progress)
    assert test.votes is not None
    assert learning.votes is not None
    merits = evaluate(posterior, test.votes, seen=learning.votes)
    if json:
        print_table(merits.questions, as_json=True)
    else:
        print_merits(merits)
    target = place.model.folder / "evaluation.csv"
    with aside(target) as temporary:
        merits.questions.to_csv(temporary, index=False)
    write_json(target.with_suffix(".json"), merits.to_dict())
    numbers = {key: value for key, value in merits.to_dict().items() if key not in ("classification", "coverage")}
    write_how(target, command="evaluate", options=numbers, inputs={"model": network.fingerprint()})
    note(
        f"{merits.galaxies} test galaxies: negative log-likelihood {merits.likelihood:.2f} nats a galaxy, against "
        f"{merits.constant_likelihood:.2f} for the best constant concentrations ({merits.gain:+.1%})"
    )
    last_line(
        f"Written to {target}, with mean deviations and weighted F1, and to {target.with_suffix('.json').name}, with each "
        "answer's precision, recall and F1, the confusion matrices and coverage; rows of the first table count galaxies of "
        "which at least half of the volunteers were asked the question.",
        command_line("predict", workspace=workspace, model=model),
    )


def print_merits(merits: Evaluation) -> None:
    """Print what fits a narrow terminal: a row a question; of a single question also its answers and confusion matrix."""
    questions = merits.questions.assign(**{"95%": _intervals(merits.questions, "accuracy")})
    print_table(questions[["question", "galaxies", "accuracy", "95%", "baseline", "macro_f1", "auc"]], as_json=False)
    if len(merits.coverage):
        levels = {name: f"{float(name):.0%} intervals hold" for name in merits.coverage.columns[2:]}
        print_table(merits.coverage.rename(columns={"galaxies": "galaxies asked", **levels}), as_json=False)
    if len(merits.classification) != 1:
        return
    answers = merits.classification[0].to_table()
    answers = answers.assign(**{f"{name}_95%": _intervals(answers, name) for name in ("recall", "f1")})
    print_table(answers[["answer", "galaxies", "precision", "recall", "recall_95%", "f1", "f1_95%", "auc"]], as_json=False)
    matrix = merits.classification[0].confusion_table()
    numbered = matrix.set_axis([str(i) for i in range(1, len(matrix) + 1)], axis=1)  # long names would not fit side by side
    numbered.insert(0, "volunteers \\ model", [f"{i} {name}" for i, name in enumerate(matrix.index, 1)])
    print_table(numbered, as_json=False)


def _intervals(table: pd.DataFrame, name: str) -> list[str]:
    ends = zip(table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return ["-" if low != low else f"{low:.3f}-{high:.3f}" for low, high in ends]


def _galaxies(place: Workspace) -> tuple[Catalogue, Catalogue]:
    """The labelled galaxies that the model learnt from, and those that it never saw."""
    from zooactive.errors import WorkspaceError

    learning, _, test = place.split_survey()
    for part, purpose in ((learning, "training"), (test, "test")):
        if not part.labelled.any():
            raise WorkspaceError(
                f"{part.source} has no labelled galaxy in its {purpose} part ({len(part)} galaxies, split "
                f"{', '.join(f'{share:g}' for share in place.survey.split)}); bring more votes, or change the split"
            )
    return learning.take(learning.labelled), test.take(test.labelled)
