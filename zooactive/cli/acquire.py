"""`zooactive acquire`: choose the galaxies worth showing to volunteers next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    EmbeddingsOption,
    IdOption,
    ImageColumnOption,
    PredictionsOption,
    SeedOption,
    SummaryWithTableOption,
    TreeOption,
    WorkspaceOption,
    command_line,
    finetune_line,
    last_line,
    note,
    one_of,
    open_workspace,
    print_selection,
)
from zooactive.cli.run import show_in_summary
from zooactive.foundation.vocabulary import SCORES

AlsoOption = Annotated[
    list[Path] | None,
    typer.Option(help="Predictions of the same galaxies by another network, for an ensemble.", show_default=False),
]
NumberOption = Annotated[int | None, typer.Option("--n", min=1, help="Galaxies to choose.", show_default=False)]
VotesOption = Annotated[int | None, typer.Option(min=1, help="Volunteers who will see each galaxy.", show_default=False)]
ScoreOption = Annotated[
    str | None, typer.Option(callback=one_of(SCORES, "score"), help=f"One of {', '.join(SCORES)}.", show_default=False)
]
VotedOption = Annotated[
    Path | None, typer.Option(help="Table of galaxies; labelled ones are never chosen.", show_default=False)
]
ExcludeOption = Annotated[
    Path | None,
    typer.Option(help="Table of ids that are never chosen, in addition to the labelled galaxies.", show_default=False),
]
ShareOption = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="Share of the galaxies that is drawn at random and reserved.", show_default=False),
]
BetaOption = Annotated[
    float | None, typer.Option(min=0, help="Sharpness of the choice: large values take the top scores.", show_default=False)
]
PerClicksOption = Annotated[
    float | None,
    typer.Option(min=0, help="Divide each score by the expected clicks raised to this power.", show_default=False),
]
ArtifactOption = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Leave out galaxies that a larger share of volunteers would call an artifact.", show_default=False
    ),
]
TargetOption = Annotated[
    str | None, typer.Option(help="The answer that your science is about, such as bar_strong.", show_default=False)
]
TaskOption = Annotated[
    str | None, typer.Option(help="Choose galaxies to label for this fine-tuned task, with its model.", show_default=False)
]
OutOption = Annotated[
    Path | None, typer.Option(help="The selection, .csv; a .parquet is written next to it.", show_default=False)
]


def command(
    workspace: WorkspaceOption = None,
    predictions: PredictionsOption = None,
    also: AlsoOption = None,
    n: NumberOption = None,
    votes: VotesOption = None,
    score: ScoreOption = None,
    tree: TreeOption = None,
    catalogue: VotedOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    exclude: ExcludeOption = None,
    given: Annotated[
        Path | None,
        typer.Option(
            help="Table of votes that came in after the training; they are taken into account.", show_default=False
        ),
    ] = None,
    embeddings: EmbeddingsOption = None,
    random_share: ShareOption = None,
    beta: BetaOption = None,
    per_clicks: PerClicksOption = None,
    max_artifact: ArtifactOption = None,
    target: TargetOption = None,
    task: TaskOption = None,
    out: OutOption = None,
    seed: SeedOption = None,
    json: SummaryWithTableOption = False,
) -> None:
    """Choose the galaxies whose votes would be most informative. Labelled galaxies are never chosen."""
    from zooactive.workspace.labels_alone import of_task

    here = open_workspace(workspace)
    selection = here.acquire(
        predictions=predictions,
        also=also or (),
        n=n,
        votes=votes,
        score=score,
        tree=tree,
        catalogue=catalogue,
        id_column=id_column,
        image_column=image_column,
        exclude=exclude,
        given=given,
        embeddings=embeddings,
        random_share=random_share,
        beta=beta,
        per_clicks=per_clicks,
        max_artifact=max_artifact,
        target=target,
        task=task,
        out=out,
        seed=seed,
    )
    if json:
        show_in_summary(selection)
    else:
        print_selection(selection, as_json=False)
    arms, left_out = selection["arm"].value_counts(), selection.attrs
    artifacts = max_artifact is not None or here.settings.acquire.max_artifact is not None
    note(
        f"{int(arms.get('acquired', 0))} acquired, {int(arms.get('random', 0))} drawn at random and reserved; "
        f"{left_out['excluded']} labelled or excluded galaxies of the pool were left out"
        + (f", and {left_out['artifacts']} that look like artifacts" if artifacts else "")
    )
    file, labels_for = Path(selection.attrs["file"]), selection.attrs["task"]
    shown: dict[str, object] = {"predictions": predictions, "selection": out}
    usual = here.settings.pool.predictions if task is None else of_task(here.settings, task).pool.predictions
    if embeddings is not None and Path(selection.attrs["predictions"]) != usual:
        shown["predictions"] = selection.attrs["predictions"]
    learn = finetune_line(here, workspace=workspace, task=labels_for)
    following = command_line("report", workspace=workspace, task=task, **shown)
    last_line(
        f"{len(selection)} galaxies: {file}",
        following,
        then="show them to volunteers: `zooactive export` writes them as a subject set"
        if labels_for is None
        else f"label them, add the labels to your table, and run {learn}",
    )
