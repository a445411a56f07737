"""Decision trees of questions, as volunteers see them.

A question is asked of a volunteer who gave any of the answers in its ``asked_after``. An empty list means that the question
is always asked. All answers in one ``asked_after`` must belong to one parent question, so that no volunteer is counted
twice.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.foundation.errors import TreeError, did_you_mean
from zooactive.tree.drawing import tree_as_html, tree_as_text

VoteKind: TypeAlias = Literal["counts", "fractions", "cumulative", "class"]
VOTE_KINDS: tuple[VoteKind, ...] = ("counts", "fractions", "cumulative", "class")
_QUESTION_ENTRIES = {"name", "answers", "asked_after", "scaled_by", "single_label", "aliases"}
_SHOWN = 12
"""The largest number of answers listed in an error message."""


@dataclass(frozen=True)
class Question:
    """One question of a decision tree.

    Parameters
    ----------
    name : str
        The name in the survey's vote columns, e.g. ``bar-dr5``.
    answers : sequence of str
        At least two answers.
    asked_after : sequence of str
        Columns (``QUESTION_ANSWER``) of one parent question. Empty if everybody is asked.
    scaled_by : sequence of str
        For cumulative fractions that a survey normalised separately: the columns by whose sum they are multiplied (Kaggle's
        Class6 and Class8).
    single_label : bool
        Whether a galaxy has one label here instead of volunteers' votes. Labels contain no information about the sum of the
        concentrations.

    Examples
    --------
    >>> Question("bar", ["yes", "no"], asked_after=["edge-on_no"]).columns
    ('bar_yes', 'bar_no')
    """

    name: str
    answers: tuple[str, ...]
    asked_after: tuple[str, ...] = ()
    scaled_by: tuple[str, ...] = ()
    single_label: bool = False

    def __init__(
        self,
        name: str,
        answers: Iterable[str],
        asked_after: Iterable[str] = (),
        *,
        scaled_by: Iterable[str] = (),
        single_label: bool = False,
    ) -> None:
        for key, value in (("answers", answers), ("asked_after", asked_after), ("scaled_by", scaled_by)):
            if isinstance(value, str):
                raise TreeError(f"question '{name}': {key} is the text '{value}'; give a list of texts")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "answers", tuple(answers))
        object.__setattr__(self, "asked_after", tuple(asked_after))
        object.__setattr__(self, "scaled_by", tuple(scaled_by))
        object.__setattr__(self, "single_label", bool(single_label))
        if len(self.answers) < 2:
            raise TreeError(f"question '{name}' has {len(self.answers)} answers; a question needs at least two")
        if len(set(self.answers)) < len(self.answers):
            raise TreeError(f"question '{name}' lists an answer twice: {', '.join(self.answers)}; name each once")

    @property
    def columns(self) -> tuple[str, ...]:
        """The vote columns of the answers, in order."""
        return tuple(f"{self.name}_{answer}" for answer in self.answers)


@dataclass(frozen=True, repr=False)
class DecisionTree:
    """The questions of a survey, in the order of its vote columns.

    Parameters
    ----------
    name : str
    questions : sequence of Question
        The questions. A child may come before or after its parent.
    title, source, citation : str
        Texts for people: the survey's name, the origin of the tree, and the paper to cite.
    suffix : str
        The survey's mark at the end of its question names (``-dr5``), which you may omit when you type a name.
    votes : {"counts", "fractions", "cumulative", "class"}
        What the survey's vote columns hold (see `zooactive.catalogue`).
    volunteers : float, optional
        The number of volunteers behind a fraction, which turns fractions into pseudo-counts.
    min_votes : float
        A galaxy counts as labelled from this number of votes on a root question.
    aliases : mapping of str to sequence of str
        Column -> other headers under which the survey published it.

    Raises
    ------
    TreeError
        For duplicate names, unknown columns, several parents, or a cycle.

    Examples
    --------
    >>> tree = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])])
    >>> tree.columns
    ('a_x', 'a_y', 'b_u', 'b_v')
    >>> tree.parents
    (-1, 0)
    """

    name: str
    questions: Sequence[Question]
    title: str = ""
    source: str = ""
    citation: str = ""
    suffix: str = ""
    votes: VoteKind = "counts"
    volunteers: float | None = None
    min_votes: float = 30
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "questions", tuple(self.questions))
        object.__setattr__(self, "aliases", {column: tuple(names) for column, names in self.aliases.items()})
        if not self.questions:
            raise TreeError(f"tree '{self.name}' has no questions; add at least one")
        if self.votes not in VOTE_KINDS:
            raise TreeError(f"tree '{self.name}': votes = '{self.votes}' is unknown; use one of {', '.join(VOTE_KINDS)}")
        self._check_values()
        self._check_names()
        for question in self.questions:
            self._check_parent(question)
        self.order  # noqa: B018  (computed here so that a cycle is found when the tree is made)

    def _check_values(self) -> None:
        for key in ("name", "title", "source", "citation", "suffix"):
            if not isinstance(getattr(self, key), str):
                raise TreeError(f"tree '{self.name}': {key} = {getattr(self, key)!r}; give text")
        for key, value in (("volunteers", self.volunteers), ("min_votes", self.min_votes)):
            number = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= sys.float_info.max
            if not number and not (key == "volunteers" and value is None):
                raise TreeError(f"tree '{self.name}': {key} = {value!r}; give a number above 0")

    def _check_names(self) -> None:
        names = [question.name for question in self.questions]
        for name in names:
            if names.count(name) > 1:
                raise TreeError(f"tree '{self.name}' has two questions named '{name}'; name each once")
        columns = list(self.columns)
        for column in columns:
            if columns.count(column) > 1:
                raise TreeError(f"tree '{self.name}' has the column '{column}' twice; rename a question or an answer")
        for column in self.aliases:
            if column not in columns:
                raise TreeError(
                    f"tree '{self.name}' has aliases for the unknown column '{column}'.{did_you_mean(column, columns)}"
                )

    def _check_parent(self, question: Question) -> None:
        for column in (*question.asked_after, *question.scaled_by):
            if column not in self.columns:
                raise TreeError(
                    f"tree '{self.name}': question '{question.name}' names '{column}', which is not a QUESTION_ANSWER "
                    f"column of this tree.{did_you_mean(column, self.columns)}"
                )
        parents = {self.question_of(column).name for column in question.asked_after}
        if len(parents) > 1:
            raise TreeError(
                f"tree '{self.name}': question '{question.name}' is asked after answers of {len(parents)} questions "
                f"({', '.join(sorted(parents))}), which could count a volunteer twice; use answers of one parent question"
            )

    # Shown ----------------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"DecisionTree('{self.name}': {len(self.questions)} questions, {len(self.columns)} answers)"

    def __str__(self) -> str:
        return tree_as_text(self)

    def _repr_html_(self) -> str:
        return tree_as_html(self)

    # Columns and where they are -------------------------------------------------------------------------------------

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All vote columns, ``QUESTION_ANSWER``, in tree order."""
        return tuple(column for question in self.questions for column in question.columns)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The slice of each question's answers among the columns."""
        ends = np.cumsum([len(question.answers) for question in self.questions])
        return tuple(slice(int(end) - len(q.answers), int(end)) for q, end in zip(self.questions, ends, strict=True))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """The position of each question's first column, as ``np.add.reduceat`` needs it."""
        return np.array([where.start for where in self.slices], dtype=np.int64)

    @cached_property
    def question_index(self) -> NDArray[np.int64]:
        """The number of each column's question, shape (answer,)."""
        return np.repeat(np.arange(len(self.questions)), [len(q.answers) for q in self.questions])

    @cached_property
    def single_labels(self) -> NDArray[np.bool_]:
        """A mask of the columns whose question has one label per galaxy, shape (answer,)."""
        return np.array([question.single_label for question in self.questions])[self.question_index]

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """The number of each question's parent question, or -1 if everybody is asked."""
        return tuple(
            int(self.question_index[self.columns.index(q.asked_after[0])]) if q.asked_after else -1 for q in self.questions
        )

    @cached_property
    def leads_to(self) -> NDArray[np.bool_]:
        """Whether an answer leads to a question, shape (question, answer)."""
        leads = np.zeros((len(self.questions), len(self.columns)), dtype=bool)
        for row, question in zip(leads, self.questions, strict=True):
            row[[self.columns.index(column) for column in question.asked_after]] = True
        return leads

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The numbers of the questions, parents before children."""
        done: list[int] = []
        while len(done) < len(self.questions):
            ready = [i for i, parent in enumerate(self.parents) if i not in done and (parent == -1 or parent in done)]
            if not ready:
                loop = [q.name for i, q in enumerate(self.questions) if i not in done]
                raise TreeError(
                    f"tree '{self.name}': the questions {', '.join(loop)} depend on each other in a cycle; "
                    "correct one asked_after"
                )
            done += ready
        return tuple(done)

    @property
    def roots(self) -> tuple[int, ...]:
        """The numbers of the questions that everybody is asked."""
        return tuple(i for i, parent in enumerate(self.parents) if parent == -1)

    @property
    def artifacts(self) -> tuple[str, ...]:
        """The columns of root questions whose answer says that this is not a galaxy: an artifact, a star or a problem."""
        named = [(column, self.columns.index(column)) for q in self.roots for column in self.questions[q].columns]
        answers = [answer for question in self.questions for answer in question.answers]
        return tuple(column for column, i in named if any(word in answers[i] for word in ("artifact", "star", "problem")))

    def question(self, name: str) -> Question:
        """Return a question by its name, with or without the survey's suffix."""
        for candidate in self.questions:
            if name in (candidate.name, candidate.name.removesuffix(self.suffix)):
                return candidate
        names = [q.name for q in self.questions]
        mend = did_you_mean(name, names) or f" It has {', '.join(names)}"
        raise TreeError(f"tree '{self.name}' has no question '{name}'.{mend}")

    def only(self, names: Iterable[str]) -> DecisionTree:
        """Return a tree of only these questions, in this tree's order; a question without its parent becomes a root.

        Examples
        --------
        >>> tree = DecisionTree("t", [Question("a", ["x", "y"]), Question("b", ["u", "v"], ["a_y"])])
        >>> tree.only(["b"]).columns
        ('b_u', 'b_v')
        """
        kept = {self.question(name).name for name in names}
        columns = {column for question in self.questions if question.name in kept for column in question.columns}
        questions = tuple(
            question if set(question.asked_after) <= columns else replace(question, asked_after=(), scaled_by=())
            for question in self.questions
            if question.name in kept
        )
        aliases = {column: headers for column, headers in self.aliases.items() if column in columns}
        return replace(self, questions=questions, aliases=aliases)

    def question_of(self, column: str) -> Question:
        """Return the question that a column belongs to."""
        return self.questions[int(self.question_index[self.columns.index(column)])]

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """Every unambiguous header of a column (itself, without the survey's suffix, aliases) -> the column."""
        claims: dict[str, set[str]] = {}
        for question in self.questions:
            short = question.name.removesuffix(self.suffix)
            for column, answer in zip(question.columns, question.answers, strict=True):
                for header in (f"{short}_{answer}", *self.aliases.get(column, ())):
                    claims.setdefault(header, set()).add(column)
        headers = {header: next(iter(columns)) for header, columns in claims.items() if len(columns) == 1}
        return headers | {column: column for column in self.columns}

    def resolve(self, header: str) -> str:
        """Return the column that a typed name or a file's header means; for a yes-or-no question, the column of its yes.

        An answer alone is enough if only one question has it.

        Examples
        --------
        >>> from zooactive.tree.files import load_tree
        >>> tree = load_tree("gz2")
        >>> load_tree("decals_dr5").resolve("bar_strong"), tree.resolve("bar"), tree.resolve("smooth")
        ('bar-dr5_strong', 'bar-gz2_yes', 'smooth-or-featured-gz2_smooth')
        """
        if header not in self.headers:
            for question in self.questions:
                short = question.name.removesuffix(self.suffix)
                if header not in (question.name, short):
                    continue
                if "yes" in question.answers:
                    return f"{question.name}_yes"
                answers = [f"{short}_{answer}" for answer in question.answers]
                raise TreeError(f"'{header}' is a question; give one of its answers: {', '.join(answers)}")
            found = [f"{question.name}_{header}" for question in self.questions if header in question.answers]
            if len(found) == 1:
                return found[0]
            if found:
                several = ", ".join(found)
                raise TreeError(f"several questions of tree '{self.name}' have the answer '{header}'; give one of {several}")
            more = f" and {len(self.columns) - _SHOWN} more" if len(self.columns) > _SHOWN else ""
            raise TreeError(
                f"tree '{self.name}' has no answer '{header}'.{did_you_mean(header, self.headers)} Its answers are "
                f"{', '.join(self.columns[:_SHOWN])}{more}"
            )
        return self.headers[header]

    # Arithmetic along the tree --------------------------------------------------------------------------------------

    def question_sums(self, values: ArrayLike) -> NDArray[Any]:
        """Sum over the answers of each question, (..., answer) -> (..., question)."""
        return np.asarray(np.add.reduceat(np.asarray(values), self.starts, axis=-1))

    def fractions(self, values: ArrayLike) -> NDArray[Any]:
        """Divide concentrations or votes by each question's sum, (..., answer) -> (..., answer).

        The fractions of a question without votes are NaN.
        """
        values = np.asarray(values)
        with np.errstate(invalid="ignore"):
            return np.asarray(values / self.question_sums(values)[..., self.question_index])

    def asked(self, fractions: ArrayLike) -> NDArray[Any]:
        """Return the probability that a volunteer reaches each question: (..., answer) fractions -> (..., question).

        It is the product along the path: P(asked q) = P(asked parent) times the fractions of the answers that lead to q.
        """
        fractions = np.asarray(fractions)
        reached = np.ones((*fractions.shape[:-1], len(self.questions)), dtype=fractions.dtype)
        for q in self.order:
            if self.parents[q] >= 0:
                reached[..., q] = reached[..., self.parents[q]] * fractions[..., self.leads_to[q]].sum(-1)
        return reached

    def joint(self, fractions: ArrayLike) -> NDArray[Any]:
        """Return the share of all volunteers who give each answer, P(asked) times its fraction, shape (..., answer)."""
        return np.asarray(self.asked(fractions)[..., self.question_index] * fractions)

    def allowed_votes(self, votes: ArrayLike) -> NDArray[Any]:
        """Return the most votes that each question can have, (..., answer) -> (..., question), infinite at roots."""
        votes = np.asarray(votes, dtype=float)
        allowed = np.full((*votes.shape[:-1], len(self.questions)), np.inf)
        for q, parent in enumerate(self.parents):
            if parent >= 0:
                allowed[..., q] = votes[..., self.leads_to[q]].sum(-1)
        return allowed

    # To and from plain values ---------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as plain values, in the form of its TOML file."""
        out: dict[str, Any] = {"name": self.name}
        defaults = {"title": "", "source": "", "citation": "", "suffix": "", "volunteers": None}
        out |= {key: getattr(self, key) for key, default in defaults.items() if getattr(self, key) != default}
        out |= {"votes": self.votes, "min_votes": self.min_votes, "question": []}
        for question in self.questions:
            entry: dict[str, Any] = {"name": question.name, "answers": list(question.answers)}
            entry |= {"asked_after": list(question.asked_after)}
            if question.scaled_by:
                entry["scaled_by"] = list(question.scaled_by)
            if question.single_label:
                entry["single_label"] = True
            named = zip(question.answers, question.columns, strict=True)
            aliases = {answer: list(self.aliases[column]) for answer, column in named if column in self.aliases}
            if aliases:
                entry["aliases"] = aliases
            out["question"].append(entry)
        return out

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, where: str = "tree") -> DecisionTree:
        """Make a tree from plain values (the inverse of `to_dict`); `where` names the file in errors."""
        if not isinstance(values, Mapping):
            raise TreeError(f"{where}: a tree is a table with a name and questions; received {values!r}")
        known = {"name", "title", "source", "citation", "suffix", "votes", "volunteers", "min_votes", "question"}
        _refuse_unknown(values, known, where)
        if not isinstance(values.get("name"), str):
            raise TreeError(f'{where}: the entry name is missing; add name = "..."')
        entries = values.get("question", [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise TreeError(f"{where}: questions must be [[question]] tables")
        questions, aliases = [], {}
        for entry in entries:
            _refuse_unknown(entry, _QUESTION_ENTRIES, f"{where}, a [[question]]")
            if not isinstance(entry.get("name"), str) or not _is_texts(entry.get("answers")):
                raise TreeError(f"{where}: each [[question]] needs a name and a list of answers; received {dict(entry)}")
            for key in ("asked_after", "scaled_by"):
                if not _is_texts(entry.get(key, [])):
                    raise TreeError(f"{where}: question '{entry['name']}': {key} must be a list of columns")
            if not isinstance(entry.get("single_label", False), bool):
                raise TreeError(f"{where}: question '{entry['name']}': single_label must be true or false")
            question = Question(**{key: value for key, value in entry.items() if key != "aliases"})
            questions.append(question)
            if not isinstance(entry.get("aliases", {}), Mapping):
                raise TreeError(f"{where}: question '{question.name}': aliases must be a table of answers and their headers")
            for answer, names in entry.get("aliases", {}).items():
                if not _is_texts(names):
                    raise TreeError(f"{where}: the aliases of '{question.name}_{answer}' must be a list of texts")
                aliases[f"{question.name}_{answer}"] = tuple(names)
        plain = {key: value for key, value in values.items() if key != "question"}
        return cls(questions=tuple(questions), aliases=aliases, **plain)


def _is_texts(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(text, str) for text in value)


def _refuse_unknown(values: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise TreeError(f"{where}: the entry '{key}' is unknown.{did_you_mean(key, known)}")
