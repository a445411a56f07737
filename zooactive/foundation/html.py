"""Display objects in notebooks: small HTML tables in which every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from zooactive.foundation.spelling import for_terminal

ENDS = 5
"""The number of rows shown from the beginning and from the end of a long table."""


def escaped(text: object) -> str:
    """Return a text escaped for HTML: it contains no tags, and its control characters are spelt out."""
    return html.escape(for_terminal(str(text)))


def html_table(header: Sequence[str], rows: Iterable[Sequence[object] | None], *, caption: str = "", below: str = "") -> str:
    """Return a table as HTML.

    Parameters
    ----------
    header : sequence of str
    rows : iterable of sequences
        None stands for rows that are left out.
    caption, below : str
        Lines above and below the table.

    Examples
    --------
    >>> html_table(["id"], [["<b>"]])
    "<table><thead><tr><th>id</th></tr></thead><tbody><tr><td style='white-space:nowrap'>&lt;b&gt;</td></tr></tbody></table>"
    """
    head = "".join(f"<th>{escaped(name)}</th>" for name in header)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td style='white-space:nowrap'>{escaped(cell)}</td>"
            for cell in (row if row is not None else ["..."] * len(header))
        )
        + "</tr>"
        for row in rows
    )
    above = f"<div>{escaped(caption)}</div>" if caption else ""
    under = f"<div>{escaped(below)}</div>" if below else ""
    return f"{above}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{under}"


def html_pairs(caption: str, pairs: Iterable[tuple[str, object]]) -> str:
    """Return a table of names and values as HTML."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escaped(name)}</th><td style='text-align:left'>{escaped(value)}</td></tr>"
        for name, value in pairs
    )
    return f"<div>{escaped(caption)}</div><table><tbody>{rows}</tbody></table>"


def ends_of(length: int, ends: int = ENDS) -> tuple[list[int], int]:
    """Return the numbers of the first and last rows of a long table, and the position after which rows are left out.

    Examples
    --------
    >>> ends_of(3), ends_of(100, 2)
    (([0, 1, 2], 0), ([0, 1, 98, 99], 2))
    """
    if length <= 2 * ends:
        return list(range(length)), 0
    return [*range(ends), *range(length - ends, length)], ends
