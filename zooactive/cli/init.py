"""`zooactive init`: make a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zooactive.cli.console import ImagesOption, last_line, open_workspace


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of the workspace.")] = Path(),
    *,
    tree: Annotated[str, typer.Option(help="Decision tree: a name or a .toml file.")],
    catalogue: Annotated[Path, typer.Option(help="Table of galaxies with votes.")],
    images: ImagesOption = None,
    pool: Annotated[Path | None, typer.Option(help="Table of galaxies to choose from.", show_default=False)] = None,
    backbone: Annotated[str, typer.Option(help="Network: efficientnet_b0, resnet26 or small_cnn.")] = "efficientnet_b0",
    image_size: Annotated[int, typer.Option(help="Side of the network's input in pixels.")] = 224,
    epochs: Annotated[int, typer.Option(help="Epochs of training at most.")] = 30,
    n: Annotated[int, typer.Option(help="Galaxies to choose each time.")] = 500,
    rehearsal: Annotated[
        int | None, typer.Option(help="Pretend that only so many galaxies have votes yet.", show_default=False)
    ] = None,
    rings: Annotated[
        Path | None, typer.Option(help="A table of ring labels for `finetune --task rings`.", show_default=False)
    ] = None,
) -> None:
    """Write a commented zooactive.toml, after a look at the catalogue it names."""
    from zooactive.workspace import write_workspace

    open_workspace(None)
    path = write_workspace(
        folder,
        tree=_from(folder, Path(tree)) if tree.endswith(".toml") else tree,
        catalogue=_from(folder, catalogue),
        images=images and _from(folder, images),
        pool=pool and _from(folder, pool),
        backbone=backbone,
        image_size=image_size,
        epochs=epochs,
        n=n,
        rehearsal=rehearsal,
        tasks={"rings": (_from(folder, rings), None)} if rings else {},
    )
    survey = open_workspace(path.parent).read_survey()
    last_line(
        f"{path}: {len(survey)} galaxies, {int(survey.labelled.sum())} of them labelled.",
        f"cd {folder} && zooactive prepare && zooactive train",
    )


def _from(folder: Path, path: Path) -> str:
    """Return the path as the workspace file shall hold it: relative inside the folder, absolute elsewhere."""
    path, home = path.resolve(), folder.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()
