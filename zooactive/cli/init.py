"""`zooactive init`: make a workspace."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import IdOption, ImageSizeOption, ImagesOption, be_brief, last_line, note, one_of
from zooactive.foundation.vocabulary import BACKBONES

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.workspace.settings import Settings


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of the workspace.")] = Path(),
    *,
    tree: Annotated[str, typer.Option(help="Decision tree: a name or a .toml file.")],
    catalogue: Annotated[Path, typer.Option(help="Table of galaxies with votes.")],
    images: ImagesOption = None,
    id_column: IdOption = None,
    pool: Annotated[Path | None, typer.Option(help="Table of galaxies to choose from.", show_default=False)] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            callback=one_of(BACKBONES, "backbone"),
            help=f"Network: {', '.join(BACKBONES)} (default: the encoder that comes along).",
            show_default=False,
        ),
    ] = None,
    image_size: ImageSizeOption = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of training at most.")] = 30,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies to choose each time.")] = 500,
    rehearsal: Annotated[
        int | None, typer.Option(min=1, help="Pretend that only so many galaxies have votes yet.", show_default=False)
    ] = None,
    rings: Annotated[
        Path | None, typer.Option(help="A table of ring labels for `finetune --task rings`.", show_default=False)
    ] = None,
) -> None:
    """Write a commented zooactive.toml, after a look at the catalogue it names."""
    from zooactive.models.saved_form import BUNDLED, config_of
    from zooactive.workspace.sections import Pool, Survey
    from zooactive.workspace.settings import Settings
    from zooactive.workspace.template import write_workspace

    be_brief()
    own_tree = str(Path(tree).resolve()) if tree.endswith(".toml") else tree
    survey = Survey(own_tree, catalogue, images, id_column=id_column, rehearsal=rehearsal)
    galaxies = _look(Settings(folder, survey=survey, pool=Pool(catalogue=pool)), rings)
    path = write_workspace(
        folder,
        tree=_from(folder, Path(tree)) if tree.endswith(".toml") else tree,
        catalogue=_from(folder, catalogue),
        images=images and _from(folder, images),
        id_column=id_column,
        pool=pool and _from(folder, pool),
        backbone=backbone or "efficientnet_lite0",
        start=BUNDLED if backbone is None else None,
        image_size=image_size or (config_of(BUNDLED)["preprocessing"]["size"] if backbone is None else None),
        epochs=epochs,
        n=n,
        rehearsal=rehearsal,
        tasks={"rings": (_from(folder, rings), None)} if rings else {},
    )
    go_there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    last_line(
        f"{path}: {len(galaxies)} galaxies, {int(galaxies.labelled.sum())} of them labelled.",
        f"{go_there}zooactive prepare && zooactive train",
    )


def _look(settings: Settings, rings: Path | None) -> Catalogue:
    """Read every table that the file will name, so that no workspace is left behind whose tables cannot be read."""
    from zooactive.catalogue import read_catalogue

    galaxies = settings.read_originals()
    if settings.survey.rehearsal is not None:
        galaxies = galaxies.rehearse(settings.survey.rehearsal, seed=settings.survey.split_seed)
    if settings.pool.catalogue is not None:
        settings.read_pool()
    if rings is not None:
        read_catalogue(rings)
    if not any(galaxies.images):
        note(f"warning: {galaxies.source} has no image column; give --images, a folder of files called by the ids")
    return galaxies


def _from(folder: Path, path: Path) -> str:
    """Return the path as the workspace file shall hold it: relative inside the folder, absolute elsewhere."""
    path, home = path.resolve(), folder.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()
