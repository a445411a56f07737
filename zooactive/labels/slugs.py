"""Slugs: answers as `panoptes-aggregation` names them, and the columns of the tree that they mean.

The question extractor of that package turns each answer, with its Markdown, into a slug by python-slugify:
https://github.com/zooniverse/aggregation-for-caesar/blob/master/panoptes_aggregation/extractors/question_extractor.py
"""

from __future__ import annotations

import html
import re
import unicodedata

from zooactive.labels.classifications import Unusable
from zooactive.labels.wording import WorkflowWording

_TWO = -1
_QUOTES = re.compile("['\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}]")
# An answer that begins with a picture, as in Galaxy Zoo: alt text, URL, the file's ending, perhaps a size, then the words.
_AFTER_A_PICTURE = re.compile(r"(?:.*-)?https?-.*-(?:png|jpe?g|gif|svg|webp)-(?:\d+x\d*-)?(.+)")


def slug(text: str) -> str:
    """Return the slug of an answer: letters and digits, with one dash for each run of other characters.

    The answer "Can't tell (1,000 arms)" becomes "can-t-tell-1000-arms".
    """
    text = _QUOTES.sub("", html.unescape(text.replace("'", "-")))  # typed quotes separate words, typographic ones do not
    letters = unicodedata.normalize("NFKD", text)
    ascii_alone = "".join("-" if ord(sign) > 127 and unicodedata.category(sign)[0] in "PSZ" else sign for sign in letters)
    plain = ascii_alone.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=\d),(?=\d)", "", plain)).strip("-")


class Slugs:
    """The answers of one workflow, by slug."""

    def __init__(self, workflow: WorkflowWording) -> None:
        self._columns: dict[tuple[str, str], int] = {}
        for (task, words), column in workflow.answers.items():
            key = (task, slug(words))
            self._columns[key] = column if self._columns.get(key, column) == column else _TWO

    def column(self, task: str, name: str) -> int:
        """Return the column of the tree that an answer's slug means at a task.

        Raises `Unusable` if the slug means no column, several answers or a skip; the error says which.
        """
        found = self._columns.get((task, name))
        if found is None and (picture := _AFTER_A_PICTURE.fullmatch(name)):
            found = self._columns.get((task, picture[1]))
        if found == _TWO:  # '< 5' and '> 5' are both '5', and were counted together
            raise Unusable(f"'{name}', which is the wording of two answers to {task}")
        if found is not None:
            return found
        if name == "None":  # slugs have no capitals, so this is not an answer
            raise Unusable(f"no answer to {task}, which was skipped")
        if "+" in name:  # made by the reducer's `pairs`
            raise Unusable(f"several answers to {task}")
        raise Unusable(f"'{name[-80:]}', which the wording of {task} does not name")
