"""Draw a contact sheet: some galaxies as the network would see them, to look at before you train."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError, ImageError, WorkspaceError
from zooactive.foundation.telling import NOTHING, Show, Tell, silent
from zooactive.models.saved_form import BUNDLED, pixels_of
from zooactive.workspace.options import Options, options_of
from zooactive.workspace.sections import Pool
from zooactive.workspace.settings import Settings

if TYPE_CHECKING:
    from zooactive.catalogue import Catalogue, Preprocessing

OPTIONS: Options = options_of("pool", Pool) | {
    "id_column": "survey.id_column",
    "image_column": "survey.image_column",
}

_COLUMNS = 8


@dataclass(frozen=True)
class Sheet:
    """A drawn contact sheet: its file, its galaxies, the shares of black and white pixels, and why galaxies are missing.

    Parameters
    ----------
    picture : Path
    galaxies : int
    black, white : dict of str to float
        The share of pixels with 0 in every channel, and with 255 in some channel, by stretch.
    failures : dict of str to str
        Why galaxies are missing, by id.
    """

    picture: Path
    galaxies: int
    black: Mapping[str, float]
    white: Mapping[str, float]
    failures: Mapping[str, str]


def sheet(
    settings: Settings,
    *,
    n: int = 24,
    image_size: int | None = None,
    stretch: Sequence[str] = (),
    out: str | Path | None = None,
    progress: Show = NOTHING,
    tell: Tell = silent,
) -> Sheet:
    """Draw `n` galaxies of the pool, chosen by their hashed ids, with the size and the stretch of the model.

    `image_size` replaces the model's size. With several `stretch`, every galaxy is drawn with each of them, side by side.
    Images that cannot be read are reported and left out. `out` is ``sheet.png`` in the workspace by default.
    """
    from zooactive.catalogue.bands import colours_told, in_colour
    from zooactive.foundation.writing import aside, make_folder
    from zooactive.report.plots import gallery

    if n < 1:
        raise WorkspaceError(f"n = {n}; give the number of galaxies to draw, 1 or more")
    galaxies = _some(_originals(settings), n)
    drawn = {_said(how.stretch): how for how in _ways(_pixels(settings, image_size), galaxies, stretch)}
    pictures: dict[str, NDArray[np.uint8]] = {}
    failures: dict[int, str] = {}
    with progress("reading images", len(galaxies) * len(drawn)) as done:
        for number, (name, how) in enumerate(drawn.items(), 1):
            pictures[name], failed = galaxies.decode(how)
            failures |= {row: str(reason) for row, reason in failed.items()}
            done(number * len(galaxies))
    shown = [row for row in range(len(galaxies)) if row not in failures]
    by_id = {str(galaxies.ids[row]): failures[row] for row in sorted(failures)}
    if not shown:
        raise ImageError(
            f"none of the {len(galaxies)} galaxies has an image that can be drawn: {next(iter(by_id.values()))}"
        )
    for galaxy, reason in by_id.items():
        tell(f"left out: {reason}" if galaxy in reason else f"{galaxy} is left out: {reason}")
    several = len(drawn) > 1
    captions = [f"{galaxies.ids[row]}\n{name}" if several else str(galaxies.ids[row]) for row in shown for name in drawn]
    listed = {how.listed for how in drawn.values() if how.listed is not None}
    for bands in listed:
        tell(colours_told(bands))
    cutouts = [in_colour(pictures[name][row], how.listed) for row in shown for name, how in drawn.items()]
    picture = settings.folder / "sheet.png" if out is None else Path(out)
    make_folder(picture.parent)
    figure = gallery(cutouts, captions, columns=max(1, _COLUMNS // len(drawn)) * len(drawn))
    with aside(picture) as temporary:
        figure.savefig(temporary, dpi=150, format=picture.suffix[1:].lower())
    black = {name: float((pictures[name][shown] == 0).all(-1).mean()) for name in drawn}
    white = {name: float((pictures[name][shown] == 255).any(-1).mean()) for name in drawn}
    return Sheet(picture, len(shown), black, white, by_id)


def _originals(settings: Settings) -> Catalogue:
    """Return the pool; for a survey, return the catalogue itself, because shards hold pixels that are stretched already."""
    if settings.pool.catalogue is None and settings.survey.rule is None:
        return settings.read_originals()
    return settings.read_pool()


def _some(galaxies: Catalogue, n: int) -> Catalogue:
    from zooactive.foundation.hashing import uniform_from_ids

    order = np.argsort(uniform_from_ids(galaxies.ids, purpose="sheet", seed=0), kind="stable")
    return galaxies.take(np.sort(order[:n]))


def _pixels(settings: Settings, image_size: int | None) -> Preprocessing:
    """Return what the network would see: the workspace's network, or the encoder that its only task starts from."""
    name, seen = settings.default_task, settings.model.preprocessing()
    encoder = None if name is None else pixels_of(Path(BUNDLED))
    if name is not None and encoder is not None:
        seen = settings.tasks[name].load(name).preprocessing(encoder)
    return seen if image_size is None else replace(seen, size=image_size)


def _said(stretch: str | Sequence[str]) -> str:
    return stretch if isinstance(stretch, str) else ", ".join(stretch)


def _ways(own: Preprocessing, galaxies: Catalogue, stretch: Sequence[str]) -> list[Preprocessing]:
    if galaxies.prepared is None:
        return [replace(own, stretch=how) for how in dict.fromkeys(stretch)] if stretch else [own]
    if stretch:
        raise CatalogueError(
            f"the images in {galaxies.source} are packed already, with stretch = '{galaxies.prepared.stretch}'; give the "
            "catalogue that they were packed from with --catalogue"
        )
    return [galaxies.prepared]
