"""`zooactive init`: make a workspace."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zooactive.cli.console import (
    BandsOption,
    EmbeddingsOption,
    IdOption,
    ImageColumnOption,
    ImageSizeOption,
    ImagesOption,
    StretchOption,
    TreeOption,
    bands_in,
    be_brief,
    last_line,
    note,
    one_of,
    stretch_of,
)
from zooactive.foundation.vocabulary import BACKBONES

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue
    from zooactive.workspace.sections import Survey
    from zooactive.workspace.settings import Settings


PoolOption = Annotated[
    Path | None,
    typer.Option(help="Galaxies to choose from: a table, or a folder of images with its subfolders.", show_default=False),
]


def command(
    folder: Annotated[Path, typer.Argument(help="Folder of the workspace.")] = Path(),
    *,
    tree: TreeOption = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="For --tree: the table of galaxies with votes.", show_default=False)
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="A table of labels; without --tree, this is all that you need.", show_default=False)
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(help="Column of --labels that has yes or no, classes, or fractions.", show_default=False),
    ] = None,
    images: ImagesOption = None,
    id_column: IdOption = None,
    image_column: ImageColumnOption = None,
    pool: PoolOption = None,
    embeddings: EmbeddingsOption = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            callback=one_of(BACKBONES, "backbone"),
            help=f"Network: {', '.join(BACKBONES)} (default: the bundled encoder).",
            show_default=False,
        ),
    ] = None,
    image_size: ImageSizeOption = None,
    bands: BandsOption = None,
    stretch: StretchOption = None,
    epochs: Annotated[int, typer.Option(min=1, help="Maximum number of training epochs.")] = 30,
    n: Annotated[int, typer.Option("--n", min=1, help="Galaxies to choose each time.")] = 500,
    rehearsal: Annotated[
        int | None, typer.Option(min=1, help="Pretend that only this many galaxies have votes so far.", show_default=False)
    ] = None,
    rings: Annotated[
        Path | None, typer.Option(help="A table of ring labels for `finetune --task rings`.", show_default=False)
    ] = None,
) -> None:
    """Check your tables, and write a commented zooactive.toml that names them.

    With --tree and --catalogue, the workspace is for a survey with votes. With --labels and --column, it is for labels
    alone, and every command works on this one task. With all four, the labels become a task in the survey's workspace. With
    --embeddings, you need no images, and no network is trained.
    """
    if tree is None and labels is None:
        raise typer.BadParameter("give --tree and --catalogue for a survey with votes, or --labels and --column for labels")
    if (tree is None) != (catalogue is None):
        raise typer.BadParameter("--tree and --catalogue go together: the questions and the table of their votes")
    if (labels is None) != (column is None):
        raise typer.BadParameter("--labels and --column go together: the table of labels and the column that has them")
    if tree is None and backbone is not None:
        raise typer.BadParameter("--backbone is for a survey with votes; labels alone use the encoder of a trained model")
    from zooactive.models.saved_form import BUNDLED, config_of
    from zooactive.workspace.sections import Pool, Survey
    from zooactive.workspace.settings import Settings
    from zooactive.workspace.template import write_workspace

    be_brief()
    columns = {"id_column": id_column, "image_column": image_column}
    tasks: dict[str, dict[str, str | None]] = {}
    if rings is not None:
        tasks["rings"] = {"labels": _from(folder, rings)}
    if labels is not None and column is not None:
        # The columns of a survey are not those of another table of labels.
        there = columns if tree is None else _columns_in(labels, columns)
        known = _read_labels(labels, column, images, there)
        place = {"labels": _from(folder, labels), "images": None if images is None else _from(folder, images)}
        tasks[column] = {**place, "column": column, **there}
    if tree is None:
        assert labels is not None
        own = columns if pool is None else _columns_in(pool, columns)
        source, own_images = (labels, images) if pool is None else (pool, None)
        survey = Survey(**own)  # type: ignore[arg-type]
        choosable = Settings(folder, survey=survey, pool=Pool(catalogue=source, images=own_images)).read_pool()
        if pool is not None and images is not None and not any(choosable.images):
            own_images = images
            choosable = Settings(folder, survey=survey, pool=Pool(catalogue=source, images=images)).read_pool()
        ready = embeddings is not None or (_has_images(known) and _has_images(choosable))
        values = {"pool_images": own_images and pool and _from(folder, own_images), **own}
        labelled = f"{len(known)} galaxies in {labels}, {int(known.labelled.sum())} of them labelled"
        number = len(choosable) if embeddings is None else _look_at_embeddings(survey, embeddings, known)
        done = f"{labelled}; {number} galaxies to choose from."
        following = "zooactive finetune" if ready else None
    else:
        assert catalogue is not None
        own_tree = str(Path(tree).resolve()) if tree.endswith(".toml") else tree
        survey = Survey(own_tree, catalogue, images, id_column=id_column, image_column=image_column, rehearsal=rehearsal)
        galaxies = _look(Settings(folder, survey=survey, pool=Pool(catalogue=pool)), rings)
        if embeddings is not None:
            _look_at_embeddings(survey, embeddings, galaxies)
        ready = embeddings is not None or _has_images(galaxies)
        values = {"images": images and _from(folder, images), **columns}
        done = f"{len(galaxies)} galaxies, {int(galaxies.labelled.sum())} of them labelled."
        train = "zooactive prepare && zooactive train" if embeddings is None else "zooactive loop ask"
        following = train if ready else None
    path = write_workspace(
        folder,
        tree=_from(folder, Path(tree)) if tree is not None and tree.endswith(".toml") else tree,
        catalogue=None if catalogue is None else _from(folder, catalogue),
        pool=pool and _from(folder, pool),
        embeddings=embeddings and _from(folder, embeddings),
        backbone=backbone or "efficientnet_lite0",
        start=BUNDLED if backbone is None else None,
        bands=bands_in(bands),
        stretch=stretch_of(stretch),
        image_size=image_size or (config_of(BUNDLED)["preprocessing"]["size"] if backbone is None and tree else None),
        epochs=epochs,
        n=n,
        rehearsal=rehearsal,
        tasks=tasks,
        **values,
    )
    go_there = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    last_line(f"{path}: {done}", following and f"{go_there}{following}")


def _read_labels(labels: Path, column: str, images: Path | None, columns: Mapping[str, str | None]) -> Catalogue:
    """Read a table of labels as `zooactive finetune` will."""
    from zooactive.training.finetuning.number_tasks import Measured
    from zooactive.training.finetuning.tasks import task_of_column

    known = task_of_column(labels, column, id_column=columns["id_column"], image_column=columns["image_column"])
    found = known.read(labels, images=images)
    if isinstance(found, Measured):
        found.refuse_unlearnable()
    galaxies = found.in_fifths() if isinstance(found, Measured) else found
    return galaxies


def _columns_in(table: Path, columns: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the columns that another table also has; a folder of images has none."""
    from zooactive.catalogue.reading import is_folder_of_images
    from zooactive.catalogue.tables import read_table
    from zooactive.foundation.errors import CatalogueError

    if not any(columns.values()) or is_folder_of_images(table):
        return dict.fromkeys(columns)
    try:
        has = read_table(table, id_column=columns["id_column"]).frame.columns
    except CatalogueError:
        has = read_table(table).frame.columns
    return {name: column if column in has else None for name, column in columns.items()}


def _look(settings: Settings, rings: Path | None) -> Catalogue:
    """Read every table that the file will name, so that no workspace is written whose tables cannot be read."""
    from zooactive.catalogue import read_catalogue

    galaxies = settings.read_originals()
    if settings.survey.rehearsal is not None:
        galaxies = galaxies.rehearse(settings.survey.rehearsal, seed=settings.survey.split_seed)
    if settings.pool.catalogue is not None:
        settings.read_pool()
    if rings is not None:
        read_catalogue(rings)
    return galaxies


def _look_at_embeddings(survey: Survey, embeddings: Path, galaxies: Catalogue) -> int:
    """Read the embeddings that the file will name, and return their number; some of the galaxies must have one."""
    from zooactive.prediction.embeddings import only_of
    from zooactive.workspace.embeddings import read_given
    from zooactive.workspace.sections import Pool
    from zooactive.workspace.settings import Settings

    found = read_given(Settings(Path(), survey=survey, pool=Pool(embeddings=embeddings)))
    only_of(found, galaxies.ids, galaxies.source)
    return len(found)


def _has_images(galaxies: Catalogue) -> bool:
    """Return whether a table has images, and warn if it has none."""
    from zooactive.catalogue.tables import IMAGE_COLUMNS

    if any(galaxies.images):
        return True
    others = ", ".join(map(str, galaxies.table.columns[:8]))
    note(
        f"warning: {galaxies.source} has none of the image columns {', '.join(IMAGE_COLUMNS)}; name the column with "
        "--image, or give --images, a folder of files named by id, or --embeddings, features of the galaxies"
        f"{f' (it has {others})' if others else ''}"
    )
    return False


def _from(folder: Path, path: Path) -> str:
    """Return the path as the workspace file will hold it: relative inside the folder, absolute elsewhere."""
    path, home = path.resolve(), folder.resolve()
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()
