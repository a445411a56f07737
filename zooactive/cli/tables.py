"""Tables for people: they fit the terminal by wrapping or leaving out whole columns, and never cut a word."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from zooactive.foundation.spelling import for_terminal

if TYPE_CHECKING:
    import pandas as pd
    from rich.box import Box
    from rich.table import Table

GAP = 2
"""Characters between two columns."""
_COMFORT = 16
"""Least width of a column of sentences whose longest word is shorter."""
_DIGITS = 3
_MOST_DECIMALS = 5
_NUMBER = re.compile(r"[-+]?[\d.]+|-|all")


@dataclass(frozen=True)
class Column:
    """A column as it is printed: its name, its cells, and whether they stand on the right."""

    name: str
    cells: tuple[str, ...]
    right: bool

    @property
    def least(self) -> int:
        """Return the least width at which no word is cut, in characters."""
        words = max((len(word) for cell in self.cells for word in cell.split()), default=0)
        comfort = min(_COMFORT, max(map(len, self.cells), default=0))
        return max(words, comfort, *map(len, _pieces(self.name)), 1)

    @property
    def most(self) -> int:
        """Return the width at which nothing is wrapped, in characters."""
        return max(len(self.name), *map(len, self.cells), 1)


def columns_of(table: pd.DataFrame) -> list[Column]:
    """Return the columns of a table as text: integers as they are, other numbers with three digits.

    Control characters are spelled out.
    """
    names: list[str] = [str(name) for name in table.columns]
    found = []
    for place, name in enumerate(names):
        cells = table.iloc[:, place]
        kind = cells.dtype.kind
        other = _other_end(name)
        beside: list[float] = []
        if kind == "f" and other is not None and other in names:
            beside = table.iloc[:, names.index(other)].tolist()
        texts = numbers(cells.tolist(), beside) if kind == "f" else _texts(cells.tolist())
        right = kind in "fiu" or (any("." in text for text in texts) and all(map(_NUMBER.fullmatch, texts)))
        found.append(Column(for_terminal(name), tuple(map(for_terminal, texts)), right))
    return found


def fitted(columns: Sequence[Column], width: int | None) -> tuple[list[tuple[Column, int]], list[str]]:
    """Choose the columns that fit into a width.

    Parameters
    ----------
    columns : sequence of Column
        The most important first; the first is always shown.
    width : int or None
        Width in characters; None for any width.

    Returns
    -------
    shown : list of (Column, int)
        In the order given, with the width of each.
    left_out : list of str
        The names of the other columns. The two ends of an interval are shown or left out together.
    """
    if width is None:
        return [(column, column.most) for column in columns], []
    shown: list[Column] = []
    left = width
    for unit in _units(columns):
        needed = sum(column.least for column in unit) + GAP * (len(unit) - (not shown))
        if needed <= left or not shown:
            shown += unit
            left -= needed
    widths = [min(column.least, width) for column in shown]
    for place, column in enumerate(shown):
        more = max(0, min(left, column.most - widths[place]))
        widths[place] += more
        left -= more
    return list(zip(shown, widths, strict=True)), [column.name for column in columns if column not in shown]


def ruled(encoding: str) -> Box:
    """Return a box with a line only under the header, drawn with characters that the encoding has."""
    from rich import box

    if encoding.lower().startswith("utf"):
        return box.SIMPLE_HEAD
    blank = "    \n"
    return box.Box(f"{blank * 2} -- \n{blank * 5}", ascii=True)


def width_of(shown: Sequence[tuple[Column, int]]) -> int:
    """Return the width of a row in characters."""
    return sum(width for _, width in shown) + GAP * (len(shown) - 1)


def drawn(shown: Sequence[tuple[Column, int]], encoding: str) -> Table:
    """Return the table for rich to print; brackets in it are not markup."""
    from rich.table import Table
    from rich.text import Text

    out = Table(box=ruled(encoding), show_edge=False, pad_edge=False, padding=(0, GAP - 1, 0, 0))
    for column, width in shown:
        justify = "right" if column.right else "left"
        header = Text("\n".join(_filled(_pieces(column.name), width)))
        out.add_column(header, justify=justify, width=width, overflow="fold")  # type: ignore[arg-type]
    for row in zip(*(column.cells for column, _ in shown), strict=True):
        out.add_row(*map(Text, row))
    return out


def numbers(values: Sequence[float], beside: Sequence[float] = ()) -> list[str]:
    """Return the numbers of one column as text: three digits of the largest, integers as they are, "-" for NaN.

    The numbers `beside` them, at the other end of an interval, help to choose how many digits are shown.

    Examples
    --------
    >>> numbers([0.95, 0.12345, 0.00001]), numbers([27.62, 3.0]), numbers([40.0, 3.0]), numbers([float("nan"), 1.0])
    (['0.950', '0.123', '1e-5'], ['27.6', '3.0'], ['40', '3'], ['-', '1.000'])
    """
    known = [abs(value) for value in (*values, *beside) if math.isfinite(value) and value]
    top = max(known, default=0.0)
    decimals = 0 if top > 1 and all(value.is_integer() for value in known) else _decimals(top)
    if any(10**-_DIGITS <= value < 10.0**-decimals for value in known):  # from thousandths to thousands: each by itself
        return [_number(value, _decimals(abs(value))) for value in values]
    return [_number(value, decimals) for value in values]


def _decimals(top: float) -> int:
    if top <= 1 and (top >= 0.01 or not top):
        return _DIGITS
    return min(max(0, _DIGITS - 1 - math.floor(math.log10(top))), _MOST_DECIMALS)


def _number(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "-"
    if not math.isfinite(value):
        return f"{value:g}"
    tiny = 10.0**-decimals * (10 if decimals == _MOST_DECIMALS else 0.5)
    if 0 < abs(value) < tiny:
        return re.sub(r"e([+-])0+(?=\d)", r"e\1", f"{value:.0e}")
    return f"{value:.{decimals}f}"


def _texts(values: list[Any]) -> list[str]:
    floats = iter(numbers([value for value in values if isinstance(value, float)]))
    words = {True: "yes", False: "no"}
    return [
        words[value] if isinstance(value, bool) else next(floats) if isinstance(value, float) else str(value)
        for value in values
    ]


def _units(columns: Sequence[Column]) -> list[list[Column]]:
    """Return the columns one by one, with the two ends of an interval together."""
    ends = {place for place, (low, high) in enumerate(pairwise(columns)) if _other_end(low.name) == high.name}
    return [
        [columns[place], columns[place + 1]] if place in ends else [columns[place]]
        for place in range(len(columns))
        if place - 1 not in ends
    ]


def _other_end(name: str) -> str | None:
    """Return the name of the other end of an interval, or None if the name is not an interval's."""
    for end, other in (("low", "high"), ("high", "low")):
        if name == end or name.endswith(f"_{end}"):
            return name.removesuffix(end) + other
    return None


def _pieces(name: str) -> list[str]:
    """Return the pieces between which a name may be wrapped: it may break after spaces and underscores."""
    return re.findall(r"[^ _]+_*|_+", name) or [""]


def _filled(pieces: Sequence[str], width: int) -> list[str]:
    """Return the lines of a name, each as long as the width allows."""
    lines = [pieces[0]]
    for piece in pieces[1:]:
        joint = "" if lines[-1].endswith("_") else " "
        if len(lines[-1]) + len(joint) + len(piece) <= width:
            lines[-1] += joint + piece
        else:
            lines.append(piece)
    return lines
