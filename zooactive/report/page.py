"""Findings, and the page that they are written on."""

from __future__ import annotations

import base64
import io
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zooactive.foundation.errors import OutputError
from zooactive.foundation.writing import aside

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_NEXT_TO_NOTHING = 1e-6
"""Shown as 0: the lower end of a fraction that hardly anybody gives is some 1e-300."""


@dataclass(frozen=True)
class Tile:
    """One cutout of a gallery.

    Parameters
    ----------
    caption : str
        The galaxy's id.
    alt : str
        What a reader who cannot see the picture is told; not empty.
    picture : bytes, optional
        A PNG; without one the tile says that there is no image.
    lines : sequence of str
        Short lines beneath the caption.
    links : sequence of (str, str)
        Names and addresses that are opened when they are clicked on.
    """

    caption: str
    alt: str
    picture: bytes | None = None
    lines: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Gallery:
    """Cutouts that belong together, under a heading of their own (which may be empty)."""

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


def write_report(
    out: Path,
    *,
    title: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
    findings: Sequence[Finding],
    how: Mapping[str, Any],
) -> Path:
    """Write one self-contained HTML page, aside and renamed.

    Parameters
    ----------
    out : path
        The page; by custom it ends in ``.html``.
    title : str
    lead : str
        What was found, in a sentence or two.
    facts : sequence of (str, str)
        Names and values that stand at the top.
    findings : sequence of Finding
        The sections, in order.
    how : mapping
        How the results were made: versions, seed, options; mappings may hold mappings.

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
    environment.filters |= {"data_uri": _data_uri, "size": _png_size, "cells": _cells, "paragraphs": _paragraphs}
    environment.tests["nested"] = lambda value: isinstance(value, Mapping)
    page = environment.get_template("page.html.j2").render(
        title=title, lead=lead, facts=list(facts), findings=list(findings), how=how
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


def _data_uri(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def _png_size(picture: bytes) -> tuple[int, int]:
    """Return width and height from a PNG's header, so that the page does not jump while it is drawn."""
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")


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
