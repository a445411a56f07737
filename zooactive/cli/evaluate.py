"""`zooactive evaluate`: how good the model is on galaxies that it never saw."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from zooactive.cli.console import (
    CatalogueOption,
    IdOption,
    ImagesOption,
    JsonOption,
    ModelOption,
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
    from zooactive.catalogue import Catalogue
    from zooactive.workspace import Workspace


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    tree: TreeOption = None,
    catalogue: CatalogueOption = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    json: JsonOption = False,
) -> None:
    """Measure the model on the test galaxies, beside a model that has seen no image."""
    place = open_workspace(
        workspace,
        model={"folder": model},
        survey={"tree": tree, "catalogue": catalogue, "images": images, "id_column": id_column},
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
    print_table(merits.questions, as_json=json)
    target = place.model.folder / "evaluation.csv"
    with aside(target) as temporary:
        merits.questions.to_csv(temporary, index=False)
    numbers = {key: value for key, value in asdict(merits).items() if key != "questions"}
    write_json(target.with_suffix(".json"), numbers)
    write_how(target, command="evaluate", options=numbers, inputs={"model": network.fingerprint()})
    note(
        f"{merits.galaxies} test galaxies: negative log-likelihood {merits.likelihood:.2f} nats a galaxy, against "
        f"{merits.constant_likelihood:.2f} for the best constant concentrations ({merits.gain:+.1%})"
    )
    last_line(
        f"Written to {target}; rows count galaxies of which at least half of the volunteers were asked the question.",
        command_line("predict", workspace=workspace, model=model),
    )


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
