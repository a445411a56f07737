"""`zooactive label`: label galaxies yourself, on a page in the browser."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import (
    BatchSizeOption,
    EmbeddingColumnOption,
    EmbeddingIdsOption,
    EmbeddingsOption,
    EncoderOption,
    IdOption,
    ImageColumnOption,
    ImagesOption,
    ModelOption,
    WorkspaceOption,
    command_line,
    last_line,
    note,
    open_workspace,
)

PoolOption = Annotated[
    Path | None,
    typer.Option(
        "--pool",
        "--catalogue",
        help="The galaxies: a folder of images, or a table: CSV, Parquet, FITS or VOTable (default: the workspace's pool).",
        show_default=False,
    ),
]


def command(
    workspace: WorkspaceOption = None,
    pool: PoolOption = None,
    question: Annotated[
        str | None,
        typer.Option(help="The question: a word such as ring, which you answer with yes or no.", show_default=False),
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Answers other than yes and no, such as merger,ring,neither.", show_default=False)
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="Ask the question of a known task, such as rings.", show_default=False)
    ] = None,
    tree: Annotated[
        str | None,
        typer.Option(help="Ask all questions of a survey's tree, such as gz2, one after the other.", show_default=False),
    ] = None,
    examples: Annotated[
        list[str] | None,
        typer.Option(
            "--example", help="Id of a galaxy with the first answer; galaxies like it come first.", show_default=False
        ),
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Label the bundled galaxies: is there a ring?")] = False,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    embeddings: EmbeddingsOption = None,
    embedding_ids: EmbeddingIdsOption = None,
    embedding_column: EmbeddingColumnOption = None,
    encoder: EncoderOption = None,
    model: ModelOption = None,
    batch_size: BatchSizeOption = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes any free port.")] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Label galaxies yourself in the browser, while a model learns from every answer. Press Ctrl-C to stop."""
    here = open_workspace(workspace)

    def ready(address: str) -> None:
        note(f"Label galaxies at {address}")
        note("Every answer is saved at once. Press Ctrl-C to stop.")
        if browser:
            import webbrowser

            webbrowser.open(address)

    found = here.label(
        question,
        pool=pool,
        classes=classes,
        task=task,
        tree=tree,
        examples=tuple(examples or ()),
        demo=demo,
        images=images,
        id_column=id_column,
        image_column=image_column,
        embeddings=embeddings,
        embedding_ids=embedding_ids,
        embedding_column=embedding_column,
        encoder=encoder,
        model=model,
        batch_size=batch_size,
        port=port,
        ready=ready,
    )
    how = {"column": found.tree.questions[0].name} if found.task is None else {"task": found.task}
    learn = command_line(f"finetune {shlex.quote(str(found.with_images))}", workspace=workspace, **how)
    last_line(f"{found.labels} labels: {found.file}", learn if found.labels else None)
