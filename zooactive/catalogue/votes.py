"""Read votes: turn a table's vote columns into counts along the decision tree.

Surveys publish votes in four ways. The entry ``votes`` in a tree's file says which:

* ``counts``: how many volunteers gave each answer;
* ``fractions``: the fraction of the volunteers who were asked the question;
* ``cumulative``: the fraction of all volunteers (the Kaggle challenge). A question that was normalised separately is first
  multiplied by the columns in its ``scaled_by``;
* ``class``: one label per galaxy, which counts as one vote.

Fractions need a number of volunteers and become pseudo-counts, which are not rounded to whole numbers.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.catalogue.set_aside import MAX_SET_ASIDE, SetAside
from zooactive.catalogue.tables import GalaxyTable
from zooactive.foundation.errors import CatalogueError, did_you_mean, explained
from zooactive.tree import DecisionTree

MISSING = -999.0  # the mark for a missing value in catalogues of Galaxy Zoo
_MOST = 1e9  # the largest number of votes on an answer; more votes are an error in the table
_NOISE = 1e-3  # a smaller excess of votes comes from the last printed digit of a fraction
_WHOLE = re.compile(r"(?P<sign>-?)0*(?P<digits>\d+)(?:\.0*)?")
YES, NO = ("yes", "true", "y", "t", "1"), ("no", "false", "n", "f", "0")


@dataclass(frozen=True, eq=False)
class VoteReading:
    """Votes (G, answer) as counts or pseudo-counts, 0 if not asked, and the columns of the table that they came from.

    The votes in rows that are set aside have no meaning.
    """

    votes: NDArray[np.float64]
    columns: tuple[str, ...]
    single_label: bool
    set_aside: SetAside


def read_votes(
    table: GalaxyTable,
    tree: DecisionTree,
    *,
    source: str,
    label_column: str | None = None,
    volunteers: float | str | None = None,
    max_set_aside: float = MAX_SET_ASIDE,
) -> VoteReading:
    """Read a tree's votes from a table, with columns matched by name.

    Parameters
    ----------
    table : GalaxyTable
    tree : DecisionTree
        The tree; its `headers` name the columns and its `votes` says what they hold.
    source : str
        The file, for error messages.
    label_column : str, optional
        A column with one class label per galaxy, read instead of vote columns. For a tree of fractions, the column with the
        fraction of the first of its two answers.
    volunteers : float or str, optional
        How many volunteers gave the fractions, or the column with that number. By default the tree's own number.
    max_set_aside : float
        The largest share of rows with impossible votes. These rows are set aside with a warning.

    Returns
    -------
    VoteReading

    Raises
    ------
    CatalogueError
        If a column is missing, or more rows have impossible votes. The message names row, id and column, and says what to
        do.
    """
    doubts = SetAside(table, source, max_set_aside)
    reading = _read(table, tree, doubts, source, label_column, volunteers)
    doubts.warn(stacklevel=3)
    return reading


def _read(
    table: GalaxyTable,
    tree: DecisionTree,
    doubts: SetAside,
    source: str,
    label_column: str | None,
    volunteers: float | str | None,
) -> VoteReading:
    columns = match_columns(tree, list(table.frame.columns), source)
    if label_column is None and tree.votes == "class" and None in columns.values():
        label_column = _class_column(tree, table, source)
    if label_column is None:
        return _read_columns(table, tree, _needed(columns, tree, table, source), doubts, source, volunteers)
    _refuse_unfit(table, tree, label_column, source)
    if tree.votes == "fractions":
        return _read_fraction(table, tree, label_column, doubts, source, volunteers)
    if volunteers is not None:
        raise CatalogueError(f"{source}: a label is one vote; leave out volunteers, or leave out label_column")
    return _read_labels(table, tree, label_column, doubts, source)


def _read_columns(
    table: GalaxyTable,
    tree: DecisionTree,
    columns: tuple[str, ...],
    doubts: SetAside,
    source: str,
    volunteers: float | str | None,
) -> VoteReading:
    values = np.column_stack([numbers_of(table, name, doubts) for name in columns])
    crowd: NDArray[np.float64] | None = None
    if tree.votes in ("fractions", "cumulative"):
        _doubt_above_one(values, columns, doubts)
        crowd = _volunteers(table, tree, volunteers, doubts, source)
        values = _counts(values, crowd, tree)
        columns += (volunteers,) if isinstance(volunteers, str) else ()
    elif volunteers is not None:
        raise CatalogueError(
            f"{source}: tree '{tree.name}' holds counts, but volunteers only turns fractions into counts; "
            'leave it out, or use a tree whose file says votes = "fractions"'
        )
    doubt_excess(values, crowd, tree, doubts, source, stacklevel=5)
    return VoteReading(values, columns, False, doubts)


# Which column is which ------------------------------------------------------------------------------------------------


def match_columns(tree: DecisionTree, present: Sequence[str], source: str) -> dict[str, str | None]:
    """Return the table's column for each of the tree's columns, or None; an exact name is preferred to the other names.

    Raise a CatalogueError if two other names mean the same column.
    """
    columns: dict[str, str | None] = dict.fromkeys(tree.columns)
    for name in present:
        column = tree.headers.get(name)
        if column is None:
            continue
        rival = columns[column]
        if rival is None or name == column:
            columns[column] = name
        elif rival != column:
            raise CatalogueError(f"{source}: the columns '{rival}' and '{name}' both mean '{column}'; remove one of them")
    return columns


def _needed(columns: dict[str, str | None], tree: DecisionTree, table: GalaxyTable, source: str) -> tuple[str, ...]:
    found = tuple(name for name in columns.values() if name is not None)
    if len(found) == len(columns):
        return found
    missing = next(column for column, name in columns.items() if name is None)
    names = _names_of(missing, tree)
    mend = _meant(missing, columns, tree, list(table.frame.columns))
    if not mend:
        mend = " It may also be called " + " or ".join(f"'{name}'" for name in names) + "; is this the survey's tree?"
    raise CatalogueError(
        f"column '{missing}' is missing from {source}; tree '{tree.name}' needs {len(columns)} vote columns, "
        f"{len(found)} were found.{mend}"
    )


def refuse_misspelt(columns: dict[str, str | None], tree: DecisionTree, present: Sequence[str], source: str) -> None:
    """Raise a CatalogueError if a table has some of a tree's columns, and another one with a nearly right name."""
    missing = [column for column, name in columns.items() if name is None]
    if len(missing) < len(columns):
        for column in missing:
            if mend := _meant(column, columns, tree, present):
                raise CatalogueError(
                    f"column '{column}' is missing from {source}, which has other columns of tree '{tree.name}'.{mend}"
                )


def _names_of(column: str, tree: DecisionTree) -> list[str]:
    return [column, *(header for header, meant in tree.headers.items() if meant == column and header != column)]


def _meant(missing: str, columns: dict[str, str | None], tree: DecisionTree, present: Sequence[str]) -> str:
    """Return a hint that an unused column may be the missing one, or "" if none has a similar name."""
    unused = [name for name in present if name not in columns.values()]
    return next((hint for name in _names_of(missing, tree) if (hint := did_you_mean(name, unused))), "")


def _class_column(tree: DecisionTree, table: GalaxyTable, source: str) -> str:
    question = tree.questions[0].name
    for name in (question, question.removesuffix(tree.suffix)):
        if name in table.frame.columns:
            return name
    present = list(table.frame.columns)
    raise CatalogueError(
        f"column '{question}' is missing from {source}; tree '{tree.name}' needs it as the label of each galaxy."
        f"{did_you_mean(question, present) or ' Name another column with label_column'}"
    )


# From cells to numbers ------------------------------------------------------------------------------------------------


def numbers_of(table: GalaxyTable, name: str, doubts: SetAside) -> NDArray[np.float64]:
    """Return a column of votes, shape (G,); blank, -999 and impossible counts become 0, and impossible ones are doubted."""
    cells = table.frame[name]
    if pd.api.types.is_numeric_dtype(cells.dtype) and not pd.api.types.is_complex_dtype(cells.dtype):
        values = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.zeros(len(values), dtype=bool)
    else:
        texts = cells.astype(str).str.strip()
        blank = cells.isna().to_numpy(dtype=bool) | (texts == "").to_numpy(dtype=bool)
        values = pd.to_numeric(texts.mask(blank), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.isnan(values) & ~blank
    values = np.where(np.isnan(values) | (values == MISSING), 0.0, values)
    wrong |= ~((values >= 0) & (values <= _MOST))
    doubts.add(
        np.asarray(wrong),
        lambda row: f"column '{name}': '{cells.iloc[row]}' is not a number of votes",
        f" ({int(wrong.sum())} such cells); give 0 or more, or leave the cell blank if the question was not asked",
    )
    return np.where(wrong, 0.0, values)


def _volunteers(
    table: GalaxyTable, tree: DecisionTree, volunteers: float | str | None, doubts: SetAside, source: str
) -> NDArray[np.float64]:
    """Return how many volunteers saw each galaxy, shape (G,)."""
    if isinstance(volunteers, str):
        if volunteers not in table.frame.columns:
            hint = did_you_mean(volunteers, list(table.frame.columns))
            raise CatalogueError(f"column '{volunteers}', the number of volunteers, is missing from {source}.{hint}")
        return numbers_of(table, volunteers, doubts)
    number = tree.volunteers if volunteers is None else volunteers
    if number is None:
        raise CatalogueError(
            f"{source}: tree '{tree.name}' holds {tree.votes}, which need a number of volunteers to become counts; "
            "give volunteers=, for example 40"
        )
    if not 0 < number <= _MOST:
        raise CatalogueError(f"{source}: volunteers = {number}; give the number of people behind the fractions, above 0")
    return np.full(len(table.ids), float(number))


def _doubt_above_one(fractions: NDArray[np.float64], columns: tuple[str, ...], doubts: SetAside) -> None:
    """Doubt the rows that have a fraction (G, answer) above 1, and set these fractions to 0."""
    wrong = fractions > 1 + _NOISE

    def reason_of(row: int) -> str:
        column = int(np.argmax(wrong[row]))
        return f"column '{columns[column]}': {fractions[row, column]:g} is above 1, so it is not a fraction"

    mend = "if these are counts or percentages, say so in the tree's file or divide them"
    doubts.add(np.asarray(wrong.any(axis=1)), reason_of, f" ({int(wrong.sum())} such cells); {mend}")
    fractions[wrong] = 0


def _counts(fractions: NDArray[np.float64], crowd: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.float64]:
    """Return pseudo-counts (G, answer) from fractions of each question, or of all volunteers."""
    counts = np.zeros_like(fractions)
    for q in tree.order:
        where, question = tree.slices[q], tree.questions[q]
        asked = crowd
        if tree.votes == "fractions" and tree.parents[q] >= 0:
            asked = counts[:, tree.leads_to[q]].sum(axis=1)
        if tree.votes == "cumulative" and question.scaled_by:
            asked = crowd * fractions[:, [tree.columns.index(column) for column in question.scaled_by]].sum(axis=1)
        counts[:, where] = fractions[:, where] * asked[:, None]
    return counts


def doubt_excess(
    votes: NDArray[np.float64],
    crowd: NDArray[np.float64] | None,
    tree: DecisionTree,
    doubts: SetAside,
    source: str,
    *,
    stacklevel: int,
) -> None:
    """Doubt rows with more votes on a question than people who reached it; an excess of up to one vote is rounding."""
    allowed = tree.allowed_votes(votes)
    if crowd is not None:
        allowed[:, list(tree.roots)] = crowd[:, None]
    sums = tree.question_sums(votes)
    excess = sums - allowed
    wrong = excess > 1 + 1e-6

    def reason_of(row: int) -> str:
        q = int(np.argmax(wrong[row]))
        question = tree.questions[q]
        before = " + ".join(question.asked_after) or "the volunteers"
        reached = f"{sums[row, q]:g} votes, but only {allowed[row, q]:g} reached the question ({before})"
        return f"column '{question.name}_...': {reached}"

    mend = "correct the counts, or use the tree that this survey's volunteers saw"
    doubts.add(wrong.any(axis=1), reason_of, f" ({int(wrong.any(axis=1).sum())} such rows); {mend}")
    rounded = int((excess[doubts.kept] > _NOISE).any(axis=1).sum())
    if rounded:
        warnings.warn(
            f"{source}: {rounded} of {len(votes)} rows have up to one vote more on a question than people who reached it; "
            "taken for rounding and kept",
            stacklevel=stacklevel + 1,
        )


# Labels ---------------------------------------------------------------------------------------------------------------


def _refuse_unfit(table: GalaxyTable, tree: DecisionTree, column: str, source: str) -> None:
    if column not in table.frame.columns:
        hint = did_you_mean(column, list(table.frame.columns)) or f" It has {', '.join(map(str, table.frame.columns[:8]))}."
        raise CatalogueError(
            f"the label column '{column}' is missing from {source}.{hint} Name the column that holds your labels (--column)"
        )
    if len(tree.questions) != 1:
        raise CatalogueError(
            f"{source}: the label column '{column}' answers one question, but tree '{tree.name}' has {len(tree.questions)}; "
            "use a tree of one question"
        )


def _read_fraction(
    table: GalaxyTable, tree: DecisionTree, column: str, doubts: SetAside, source: str, volunteers: float | str | None
) -> VoteReading:
    """Return the votes on a question with two answers, from one column with the fraction of the first answer."""
    if len(tree.columns) != 2:
        raise CatalogueError(
            f"{source}: column '{column}' holds one fraction, but tree '{tree.name}' has {len(tree.columns)} answers; use a "
            "tree of two answers, or one column per answer"
        )
    cells = table.frame[column]
    values = numbers_of(table, column, doubts)[:, None]
    _doubt_above_one(values, (column,), doubts)
    numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    crowd = np.where(np.isnan(numbers) | (numbers == MISSING), 0.0, _volunteers(table, tree, volunteers, doubts, source))
    votes = np.minimum(np.hstack([values, 1 - values]), 1).clip(0) * crowd[:, None]
    used = (column, volunteers) if isinstance(volunteers, str) else (column,)
    return VoteReading(votes, used, False, doubts)


def _read_labels(table: GalaxyTable, tree: DecisionTree, column: str, doubts: SetAside, source: str) -> VoteReading:
    answers = tree.questions[0].answers
    _refuse_same(answers, tree)
    said = f"{source}: the cells of the label column '{column}' hold several values each; give one label per row"
    with explained(CatalogueError, said, TypeError):
        codes, labels = pd.factorize(table.frame[column])
    meanings = np.zeros(len(labels) + 1, dtype=np.int64)
    meanings[-1] = -1  # blank cells have code -1
    for code, label in enumerate(labels):
        meaning = _answer_of(label, answers)
        if meaning is None:
            text = label_text(label)
            hint = did_you_mean(text, answers) or f" The answers are {', '.join(answers)}"
            row = int(np.argmax(codes == code))
            raise CatalogueError(
                f"{source}, {doubts.place(row)}, column '{column}': the label '{text}' is not an answer of "
                f"'{tree.questions[0].name}'.{hint}"
            )
        meanings[code] = meaning
    answer = meanings[codes]
    votes = np.zeros((len(codes), len(answers)))
    rows = np.flatnonzero(answer >= 0)
    votes[rows, answer[rows]] = 1.0
    return VoteReading(votes, (column,), True, doubts)


def _refuse_same(answers: tuple[str, ...], tree: DecisionTree) -> None:
    """Raise a CatalogueError if two classes cannot be told apart by labels."""
    first: dict[str, str] = {}
    for answer in answers:
        other = first.setdefault(label_key(answer), answer)
        if other != answer:
            raise CatalogueError(
                f"tree '{tree.name}': the answers '{other}' and '{answer}' are the same label, because case and white "
                "space do not count; keep one of them"
            )


def label_text(label: Any) -> str:
    """Return a label's cell as text; a whole number is written without a decimal point."""
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label).strip()


def label_key(label: Any) -> str:
    """Return the key of a label, in which case, extra white space and a number's leading and decimal zeros do not count.

    Examples
    --------
    >>> label_key(" No  Ring"), label_key("ring"), label_key("02.0"), label_key(2)
    ('no ring', 'ring', '2', '2')
    """
    text = " ".join(unicodedata.normalize("NFKC", label_text(label)).casefold().split())
    match = _WHOLE.fullmatch(text)
    return text if match is None else match["sign"] + match["digits"]


def _answer_of(label: Any, answers: tuple[str, ...]) -> int | None:
    """Return the number of the answer that a label means; -1 for a blank label, None for an unknown one.

    An answer's own name is tried first. For two answers, yes and no are tried next. For more answers, the position is tried,
    unless the names are numbers themselves, because positions would be mistaken for them.
    """
    text = label_key(label)
    names = [label_key(answer) for answer in answers]
    if text in ("", label_key(MISSING)):
        return -1
    if text in names:
        return names.index(text)
    if text == "none":
        return -1
    if len(answers) == 2:
        yes = next((i for i, name in enumerate(names) if name in YES), None)
        no = next((i for i, name in enumerate(names) if name in NO), None)
        side = yes if yes is not None else (1 - no if no is not None else 0)
        return side if text in YES else 1 - side if text in NO else None
    if text.isdecimal() and not any(name.isdecimal() for name in names) and int(text) < len(answers):
        return int(text)
    return None
