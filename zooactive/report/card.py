"""The card of a published model: what it is, what it learnt from, how good it is, and how to use it, in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zooactive.foundation.spelling import for_terminal

TAGS = ("zooactive", "galaxy-zoo", "astronomy", "galaxies")


@dataclass(frozen=True)
class Rows:
    """A small table of a card: a line above it, the names of its columns, its rows as text, and a line below it."""

    above: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    below: str = ""


@dataclass(frozen=True)
class Card:
    """What is known of a model that is published.

    Parameters
    ----------
    repository : str
        USER/NAME.
    title : str
    licence : str, optional
    lead : str
        A sentence or two.
    facts : sequence of (str, str)
        What the model is.
    data, recipe, calibration, limits, credit : sequence of str
        Sentences.
    metrics : sequence of Rows
    embeddings : bool
        Whether it takes embeddings in place of images.
    """

    repository: str
    title: str
    licence: str | None
    lead: str
    facts: Sequence[tuple[str, str]]
    data: Sequence[str]
    recipe: Sequence[str]
    metrics: Sequence[Rows]
    calibration: Sequence[str | Rows]
    limits: Sequence[str]
    credit: Sequence[str]
    embeddings: bool = False


def card_text(card: Card) -> str:
    """Return a card as Markdown, with the front matter that the Hugging Face hub reads."""
    licence = [] if card.licence is None else _licence(card.licence)
    tags = [f"- {tag}" for tag in TAGS]
    front = ["---", *licence, "library_name: zooactive", "tags:", *tags, "---"]
    if not card.embeddings:
        front.insert(-1, "pipeline_tag: image-classification")
    parts = [
        "\n".join(front),
        f"# {_plain(card.title)}",
        _plain(card.lead),
        "\n".join(f"* {_plain(name)}: {_plain(fact)}" for name, fact in card.facts),
        *_section("How to use it", []),
        _use(card),
        *_section("What it learnt from", card.data),
        *_section("How it was trained", card.recipe),
        *_section("How good it is", card.metrics or ["It has not been measured on galaxies held out."]),
        *_section("Calibration", card.calibration),
        *_section("Limits", [f"* {_plain(limit)}" for limit in card.limits], plain=False),
        *_section("Licence and credit", card.credit),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(heading: str, content: Iterable[str | Rows], *, plain: bool = True) -> list[str]:
    """Return a heading and what stands below it: tables, and lines of a list or sentences."""
    tables = [_table(part) if isinstance(part, Rows) else _plain(part) if plain else part for part in content]
    return [f"## {heading}", *(["\n".join(tables)] if not plain else tables)]


def _use(card: Card) -> str:
    name = f"hf://{card.repository}"
    if card.embeddings:
        python = [
            "# the features of your galaxies, by the same encoder",
            'galaxies = za.read_embeddings("embeddings.parquet")',
        ]
        typed = "--embeddings embeddings.parquet"
    else:
        python = ["# a folder of cutouts, or a table with a column of image files", 'galaxies = "images"']
        typed = "--catalogue images"
    return "\n".join(
        [
            "Install it with `pip install 'zooactive[hub]'`. In Python:",
            "",
            "```python",
            "import zooactive as za",
            "",
            *python,
            f'model = za.load_model("{name}")',
            "posterior = za.predict(model, galaxies, draws=20)",
            "print(posterior.mean())  # expected fractions, one row a galaxy",
            "```",
            "",
            "Or typed:",
            "",
            "```console",
            f"$ zooactive predict --model {name} {typed} --out predictions",
            "```",
        ]
    )


def _table(rows: Rows) -> str:
    lines = [rows.columns, ["---"] * len(rows.columns), *rows.rows]
    drawn = [f"| {' | '.join(cell if cell == '---' else _plain(cell) for cell in line)} |" for line in lines]
    return "\n\n".join(part for part in (_plain(rows.above), "\n".join(drawn), _plain(rows.below)) if part)


def _plain(text: str) -> str:
    """Return a text in which nothing is a tag, a table's edge or a line of its own: names in it may come from anybody."""
    said = " ".join(for_terminal(text).split()).replace("<", "&lt;").replace("|", "\\|")
    return re.sub(r"(!?)\[", r"\1\\[", said)


def _licence(name: str) -> list[str]:
    """Return the lines that name a licence; the hub knows its own names alone, and "other"."""
    known = re.fullmatch(r"[a-z][a-z0-9.-]*", name)
    return [f"license: {name}"] if known else ["license: other", f"license_name: {json.dumps(name)}"]
