"""`zooactive convert`: write a model as one file for ONNX Runtime or LiteRT."""

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
            callback=one_of(FORMS, "format"),
            help=f"Format: {' or '.join(FORMS)} (default: by the ending of --out).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The file, .onnx or .tflite (default: model.onnx).", show_default=False),
    ] = None,
) -> None:
    """Write the model as one ONNX or LiteRT file, which predicts vote fractions and embeddings without Keras."""
    file = open_workspace(workspace).convert(model=model, to=to, out=out)
    size = file.stat().st_size / 1e6
    last_line(f"{near(file)}, {size:.1f} MB; {near(file)}.json says how to prepare cutouts and what its columns are")
