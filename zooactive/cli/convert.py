"""`zooactive convert`: a model as one file for ONNX Runtime or LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import ModelOption, WorkspaceOption, last_line, near, one_of, open_workspace
from zooactive.foundation.vocabulary import FORMS


def command(
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    to: Annotated[
        str | None,
        typer.Option(
            callback=one_of(FORMS, "form"),
            help=f"Form: {' or '.join(FORMS)} (default: what the ending of --out says).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file, which ends in .onnx or .tflite (default: model.onnx).", show_default=False),
    ] = None,
) -> None:
    """Write the model as one file that runs without Keras: vote fractions and embeddings of cutouts, by ONNX or LiteRT."""
    file = open_workspace(workspace).convert(model=model, to=to, out=out)
    size = file.stat().st_size / 1e6
    last_line(f"{near(file)}, {size:.1f} MB; how cutouts are made for it and what its columns are: {near(file)}.json")
