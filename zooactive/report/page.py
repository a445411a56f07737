"""Findings, and the page that they are written on."""

from __future__ import annotations

import base64
import hashlib
import io
import math
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zooactive.foundation.errors import OutputError
from zooactive.foundation.writing import aside

if TYPE_CHECKING:
    import pandas as pd
    from markupsafe import Markup
    from matplotlib.figure import Figure

_NEXT_TO_NOTHING = 1e-6
"""Shown as 0: the lower end of a fraction that hardly anybody gives is some 1e-300."""

_BRIEF = 22
"""Characters of a fact that stands in a box of its own; longer ones are lines below the boxes."""

_SORTED = 4
"""Galaxies from which a gallery can be sorted and filtered."""

_QUALITY = 88
"""Of the JPEGs in galleries: faint arms stay visible."""


class ScaleBar(NamedTuple):
    """A bar on a picture: the share of the picture's width that it takes, and the length on the sky that it stands for."""

    share: float
    text: str


@dataclass(frozen=True)
class Tile:
    """One galaxy of a gallery.

    Parameters
    ----------
    caption : str
        The galaxy's id.
    alt : str
        What a reader who cannot see the picture is told; not empty.
    picture : bytes, optional
        A PNG or JPEG; without one the tile says that there is no image.
    lines : sequence of str
        Short lines below the caption, the most important first.
    links : sequence of (str, str)
        Names of web pages and their addresses. Nothing is loaded from them before a reader follows one.
    numbers : sequence of (str, float)
        What the page can sort the gallery by. All tiles of a finding have the same names in the same order; NaN comes last.
    topic : str
        What the page can filter the gallery by.
    bar : ScaleBar, optional
    """

    caption: str
    alt: str
    picture: bytes | None = None
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()
    topic: str = ""
    bar: ScaleBar | None = None


@dataclass(frozen=True)
class Gallery:
    """Galaxies that belong together, under a heading of their own (which may be empty)."""

    heading: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, eq=False)
class Finding:
    """One section of a report.

    Parameters
    ----------
    title : str
    text : str
        Paragraphs, parted by an empty line.
    picture : bytes, optional
        A PNG.
    alt : str
        What the picture shows, in words; needed where there is a picture.
    table : DataFrame, optional
        Its first column names the rows.
    table_caption : str
    galleries : sequence of Gallery
        Cutouts, which flow to the width of the screen.

    Raises
    ------
    OutputError
        When a picture has no alternative text.
    """

    title: str
    text: str = ""
    picture: bytes | None = None
    alt: str = ""
    table: pd.DataFrame | None = None
    table_caption: str = ""
    galleries: tuple[Gallery, ...] = ()

    def __post_init__(self) -> None:
        tiles = [tile for gallery in self.galleries for tile in gallery.tiles]
        mute = (self.picture is not None and not self.alt.strip()) or any(not tile.alt.strip() for tile in tiles)
        if mute:
            raise OutputError(
                f"the finding '{self.title}' has a picture without alternative text; say in `alt` what it shows"
            )

    @property
    def orders(self) -> tuple[str, ...]:
        """The orders that the galaxies can be sorted by; none if there are only a few galaxies."""
        tiles = [tile for gallery in self.galleries for tile in gallery.tiles]
        return tuple(name for name, _ in tiles[0].numbers) if len(tiles) >= _SORTED else ()

    @property
    def topics(self) -> tuple[str, ...]:
        """The questions that the galaxies can be filtered by, in alphabetical order."""
        return tuple(sorted({tile.topic for gallery in self.galleries for tile in gallery.tiles if tile.topic}))


def write_report(
    out: Path,
    *,
    title: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
    findings: Sequence[Finding],
    how: Mapping[str, Any],
    verdict: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write one self-contained HTML page, aside and renamed.

    Parameters
    ----------
    out : path
        The page; by custom it ends in ``.html``.
    title : str
    lead : str
        What the page is about, in a sentence or two; may be empty.
    facts : sequence of (str, str)
        Names and values that stand at the top.
    findings : sequence of Finding
        The sections, in order.
    how : mapping
        How the results were made: versions, seed, options; mappings may hold mappings.
    verdict : sequence of (str, str)
        Questions that a reader has and their answers in words. They come before everything else.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    OutputError
        When the page cannot be written.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("zooactive", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"data_uri": _data_uri, "size": _size, "cells": _cells, "paragraphs": _paragraphs}
    environment.filters |= {"plain": _plain, "digest": _digest, "coded": _coded}
    environment.tests |= {"nested": lambda value: isinstance(value, Mapping), "brief": lambda text: len(text) <= _BRIEF}
    style, script = (files("zooactive.report").joinpath(name).read_text("utf-8") for name in ("page.css", "page.js"))
    page = environment.get_template("page.html.j2").render(
        title=title,
        lead=lead,
        verdict=list(verdict),
        facts=list(facts),
        findings=list(findings),
        how=how,
        style=style,
        script=script,
    )
    out = Path(out)
    with aside(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return out


def png(figure: Figure) -> bytes:
    """Draw a figure at twice the size at which the page shows it, for sharp screens and print."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=192)
    return buffer.getvalue()


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """Encode pixels of shape (y, x, 3), (y, x, 1) or (y, x) as a JPEG of a few kilobytes, for a gallery."""
    from PIL import Image

    buffer = io.BytesIO()
    grey = pixels.ndim == 3 and pixels.shape[-1] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()


def _data_uri(picture: bytes) -> str:
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")


def _size(picture: bytes) -> tuple[int, int]:
    """Return width and height, so that the page does not jump while it is drawn."""
    from PIL import Image

    with Image.open(io.BytesIO(picture)) as image:
        return image.size


def _plain(value: float) -> str:
    """Return a number for the page's script; blank where it is not finite."""
    return f"{value:.7g}" if math.isfinite(value) else ""


def _digest(script: str) -> str:
    """Return what the page's security policy says of its one script, so that no other one runs."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _coded(text: str) -> Markup:
    """Return a text as HTML, in which what stands between backticks is code."""
    from markupsafe import Markup, escape

    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def _cells(table: pd.DataFrame) -> list[list[tuple[str, bool]]]:
    """Return rows of (text, is a number); numbers of one column share their decimals."""
    columns = [_column(table.iloc[:, i].tolist()) for i in range(table.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)]


def _column(values: list[Any]) -> list[tuple[str, bool]]:
    floats = [abs(float(v)) for v in values if _is_number(v) and not isinstance(v, numbers.Integral) and math.isfinite(v)]
    whole = all(v == round(v) for v in floats)
    decimals = 0 if whole and max(floats, default=0) > 1 else 3 if max(floats, default=0) < 10 else 1
    return [_cell(value, decimals) for value in values]


def _cell(value: Any, decimals: int) -> tuple[str, bool]:
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return f"{int(value):,}", True
    if _is_number(value):
        if not math.isfinite(value):
            return "–", True
        value = value if abs(value) > _NEXT_TO_NOTHING else 0.0
        small = 0 < abs(value) < 0.5 * 10.0**-decimals
        return (f"{value:.2g}" if small else f"{value:,.{decimals}f}"), True
    return ("–" if value is None else str(value)), False


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
