"""`zooactive demo`: run the whole workflow on a small sample of real galaxies."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli import acquire, finetune, predict, prepare, report, train
from zooactive.cli.console import last_line, note

SAMPLES = ("gz2_votes.parquet", "rings.parquet")


def command(
    folder: Annotated[Path, typer.Argument(help="Folder for the new workspace.")] = Path("zooactive-demo"),
    epochs: Annotated[int, typer.Option(help="Maximum number of training epochs.")] = 8,
) -> None:
    """Run the whole workflow on real galaxies: votes, model, posterior, acquisition, rings, report. Works offline."""
    began = time.monotonic()
    _make_workspace(folder, epochs)
    n = 24
    steps: dict[str, Callable[[], None]] = {
        "zooactive prepare": lambda: prepare.command(workspace=folder),
        "zooactive train": lambda: train.command(workspace=folder),
        "zooactive predict": lambda: predict.command(workspace=folder),
        f"zooactive acquire --n {n}": lambda: acquire.command(workspace=folder, n=n),
        "zooactive finetune --task rings --policy head": lambda: finetune.command(
            task="rings", workspace=folder, policy="head"
        ),
        "zooactive report": lambda: report.command(workspace=folder),
    }
    for shown, step in steps.items():
        note(f"\n$ {shown}")
        try:
            step()
        except KeyboardInterrupt as stop:
            stop.__notes__ = [
                f"the earlier steps are kept in {folder}; resume there with `{shown}`, or delete the folder to start again"
            ]
            raise
    minutes = (time.monotonic() - began) / 60
    page = (folder / "report.html").resolve()
    note("")
    last_line(
        f"Done in {minutes:.1f} minutes. Open {page}",
        f"cd {shlex.quote(str(folder))} && zooactive show 587732578312454276",
        then="`zooactive init` makes a workspace for your own galaxies",
    )


def _make_workspace(folder: Path, epochs: int) -> None:
    from zooactive.foundation.catalogs import catalogs_folder
    from zooactive.foundation.errors import WorkspaceError
    from zooactive.foundation.writing import aside, output_explained
    from zooactive.workspace.template import write_workspace

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise WorkspaceError(f"{folder} exists already; delete it, or name another folder (`zooactive demo FOLDER`)")
    with output_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        with aside(folder / sample) as temporary:
            shutil.copyfile(catalogs_folder() / "samples" / sample, temporary)
    write_workspace(
        folder,
        tree="gz2",
        catalogue="gz2_votes.parquet",
        backbone="efficientnet_lite0",
        image_size=64,
        start="bundled",
        epochs=epochs,
        batch_size=16,
        learning_rate=3e-4,
        patience=4,
        n=24,
        split=(0.6, 0.15, 0.25),
        rehearsal=300,
        tasks={"rings": ("rings.parquet", None)},
    )
    note(
        f"A workspace in {folder}: 426 galaxies of Galaxy Zoo 2, 300 with known and 126 with hidden votes, and 377 galaxies "
        "labelled ring or no ring. These are far too few for science, but enough to see how zooactive works."
    )
