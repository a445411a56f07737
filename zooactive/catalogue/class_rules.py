"""Clean classes from votes, by rules in small TOML files.

A rule states what share of the volunteers must have given which answers. A class is a clear case: a galaxy that lies between
the classes, or that meets the conditions of two, gets no class.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from zooactive.catalogue.catalogue import Catalogue
from zooactive.foundation.addresses import own_path
from zooactive.foundation.catalogs import NamedFiles
from zooactive.foundation.errors import CatalogueError, TreeError, did_you_mean, explained
from zooactive.tree import DecisionTree, load_tree

SharesOf: TypeAlias = Literal["everybody", "question"]

_HAIR = 1e-9
"""The tolerance for a share that equals its cut, but comes out of the division slightly below it."""
_TEXTS = ("name", "title", "citation", "notes")
_RULES = NamedFiles(
    "rules", "class rule", CatalogueError, "Known rules are {known}; give your own rule as a path that ends in .toml"
)


@dataclass(frozen=True)
class ClassRule:
    """A rule that says which votes make a galaxy a clean example of a class.

    Parameters
    ----------
    name : str
    trees : tuple of DecisionTree
        The trees of the surveys whose votes the rule reads.
    result : DecisionTree
        A tree of one question with ``votes = "class"``, whose answers are the classes.
    classes : mapping of str to mapping of str to float
        For each class, the smallest share of each answer that it needs, above 0 and up to 1. The answers are named as
        `DecisionTree.resolve` takes them: you may omit a survey's suffix.
    fractions : {"everybody", "question"}
        Whether shares are fractions of everybody who saw the galaxy (along the tree, `DecisionTree.joint`) or of the
        volunteers who were asked the question.
    min_votes : float
        The least number of votes on each question whose answers a class needs.
    title, citation, notes : str

    Raises
    ------
    CatalogueError
        If a class is unknown or has no cuts, an answer is unknown to one of the trees, or a share is out of range.
    """

    name: str
    trees: tuple[DecisionTree, ...]
    result: DecisionTree
    classes: Mapping[str, Mapping[str, float]]
    fractions: SharesOf = "question"
    min_votes: float = 0
    title: str = ""
    citation: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        if self.fractions not in get_args(SharesOf):
            raise CatalogueError(
                f"fractions = {self.fractions!r}.{did_you_mean(str(self.fractions), get_args(SharesOf))} "
                'Give "everybody", or "question" for the volunteers who were asked'
            )
        if not _is_number(self.min_votes) or not 0 <= self.min_votes <= sys.float_info.max:
            raise CatalogueError(f"min_votes = {self.min_votes!r}; give a number of votes, 0 or more")
        if not self.trees:
            raise CatalogueError("trees is empty; name the trees whose votes the rule reads")
        if len(self.result.questions) != 1 or self.result.votes != "class":
            raise CatalogueError(
                f"result: tree '{self.result.name}' has {len(self.result.questions)} questions and holds "
                f'{self.result.votes}; a rule gives one label, so name a tree of one question with votes = "class"'
            )
        self._check_classes()

    def _check_classes(self) -> None:
        known = self.result.questions[0].answers
        for name, cuts in self.classes.items():
            if name not in known:
                mend = did_you_mean(name, known) or f" The classes are {', '.join(known)}"
                raise CatalogueError(f"[classes]: tree '{self.result.name}' has no class '{name}'.{mend}")
            if not isinstance(cuts, Mapping) or not cuts:
                raise CatalogueError(f"[classes.{name}] has no cuts; give lines such as ANSWER = 0.5")
            for answer, share in cuts.items():
                if not _is_number(share) or not 0 < share <= 1:
                    raise CatalogueError(f"[classes.{name}]: {answer} = {share!r}; give a share above 0, up to 1")
                for tree in self.trees:
                    with explained(CatalogueError, f"[classes.{name}]: {{reason}}", TreeError):
                        tree.resolve(answer)
        missing = [name for name in known if name not in self.classes]
        if missing:
            raise CatalogueError(f"[classes.{missing[0]}] is missing; tree '{self.result.name}' also has this class")

    def classify(self, votes: ArrayLike, tree: DecisionTree) -> NDArray[np.int64]:
        """Return the class of each galaxy.

        Parameters
        ----------
        votes : array_like, shape (galaxy, answer)
            Counts or pseudo-counts in the order of ``tree.columns``.
        tree : DecisionTree
            One of the rule's trees, recognised by its name.

        Returns
        -------
        ndarray of int64, shape (galaxy,)
            The position of the class among the answers of `result`; -1 if no class applies, or more than one.

        Raises
        ------
        TreeError
            If the rule does not read this tree, or the tree lacks an answer.
        CatalogueError
            If the votes do not have one column per column of the tree.

        Examples
        --------
        >>> tree = load_tree("gz2")
        >>> votes = np.zeros((2, len(tree.columns)))
        >>> for answer, number in (("smooth-or-featured_smooth", 38), ("how-rounded_round", 30), ("how-rounded_cigar", 8)):
        ...     votes[0, tree.columns.index(tree.resolve(answer))] = number
        >>> load_rule("zhu2019").classify(votes, tree)
        array([ 0, -1])
        """
        if tree.name not in [known.name for known in self.trees]:
            raise TreeError(
                f"rule '{self.name}' reads votes of {' or '.join(repr(known.name) for known in self.trees)}, not of tree "
                f"'{tree.name}'; read the catalogue with such a tree, or add this tree to trees in a copy of the rule"
            )
        counts = np.asarray(votes, dtype=float)
        if counts.ndim != 2 or counts.shape[1] != len(tree.columns):
            raise CatalogueError(f"votes of shape {counts.shape}; tree '{tree.name}' needs (galaxy, {len(tree.columns)})")
        enough = tree.question_sums(counts) >= self.min_votes - 1e-3  # the same tolerance as in Catalogue.labelled
        shares = self._shares(counts, tree)
        holds = np.empty((len(counts), len(self.classes)), dtype=bool)
        for number, name in enumerate(self.result.questions[0].answers):
            columns = [tree.columns.index(tree.resolve(answer)) for answer in self.classes[name]]
            least = np.array(list(self.classes[name].values()))
            met = (shares[:, columns] >= least - _HAIR) & enough[:, tree.question_index[columns]]
            holds[:, number] = met.all(axis=1)
        return np.where(holds.sum(axis=1) == 1, holds.argmax(axis=1), -1)

    def _shares(self, counts: NDArray[np.float64], tree: DecisionTree) -> NDArray[np.float64]:
        """Return the share of each answer, (galaxy, answer); 0 if nobody was asked."""
        sums = tree.question_sums(counts)[:, tree.question_index]
        own = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
        return own if self.fractions == "question" else np.asarray(tree.joint(own))

    def apply(self, catalogue: Catalogue) -> Catalogue:
        """Return the galaxies that have a class, each with one label instead of its votes.

        Galaxies without a class are left out. They are not kept as unlabelled galaxies, because volunteers have already
        looked at them and must not be asked about them again. Leaving them out does not move any other galaxy to another
        side of a split, because galaxies are split by their ids.

        Parameters
        ----------
        catalogue : Catalogue
            A catalogue with votes of one of the rule's trees. A galaxy that is not `labelled` has no class. A catalogue of
            the rule's own classes is returned unchanged.

        Returns
        -------
        Catalogue
            A catalogue with the tree `result`; ids, images and table are unchanged.

        Raises
        ------
        CatalogueError
            If the catalogue has no votes, or none of its galaxies has a class.
        TreeError
            If its votes belong to another tree.
        """
        tree, votes = catalogue.require_votes(to=f"for rule '{self.name}' to read")
        if tree.questions == self.result.questions:
            return catalogue
        label = np.where(catalogue.labelled, self.classify(votes, tree), -1)
        if not (label >= 0).any():
            raise CatalogueError(
                f"rule '{self.name}' gives a class to none of the {len(catalogue)} galaxies of {catalogue.source} "
                f"({int(catalogue.labelled.sum())} of them have at least {catalogue.min_votes:g} votes); collect more "
                "votes, or lower the shares in a copy of the rule"
            )
        clean = catalogue.take(label >= 0)
        labels = np.eye(len(self.result.columns))[label[label >= 0]]
        return replace(clean, votes=labels, tree=self.result, min_votes=float(self.result.min_votes))

    def to_dict(self) -> dict[str, Any]:
        """Return everything that decides a galaxy's class, as plain values."""
        return {
            "name": self.name,
            "result": self.result.to_dict(),
            "fractions": self.fractions,
            "min_votes": self.min_votes,
            "classes": {name: dict(cuts) for name, cuts in self.classes.items()},
        }


def list_rules() -> tuple[str, ...]:
    """Return the names of the class rules that come with zooactive, sorted."""
    return _RULES.names()


def load_rule(name: str | Path | ClassRule) -> ClassRule:
    """Load a class rule by its name, or your own rule from a TOML file.

    Parameters
    ----------
    name : str or Path
        One of `list_rules`, or a path that ends in ``.toml``. A rule is returned unchanged.

    Raises
    ------
    CatalogueError
        If there is no such rule, or its file has unknown, missing or impossible entries.

    Examples
    --------
    >>> load_rule("zhu2019").classes["edge-on"]["disk-edge-on_yes"]
    0.602
    """
    if isinstance(name, ClassRule):
        return name
    path, values = _RULES.read(name)
    with explained(CatalogueError, f"{path}: {{reason}}", CatalogueError, TreeError):
        return _from_values(values, path.parent)


def _from_values(values: Mapping[str, Any], folder: Path) -> ClassRule:
    """Make a rule from the contents of a file in this folder."""
    needed: dict[str, Callable[[object], bool]] = {
        "name": lambda value: isinstance(value, str) and bool(value),
        "trees": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
        "result": lambda value: isinstance(value, str),
        "fractions": lambda value: isinstance(value, str),
        "classes": lambda value: isinstance(value, Mapping),
    }
    mends = {"trees": "a list of trees", "classes": "a table [classes.NAME] for each class"}
    known = (*_TEXTS, *needed, "min_votes")
    for key in values:
        if key not in known:
            raise CatalogueError(f"the entry '{key}' is unknown.{did_you_mean(key, known)}")
    for key, fits in needed.items():
        if key not in values:
            raise CatalogueError(f"the entry {key} is missing; give {mends.get(key, 'a text')}")
        if not fits(values[key]):
            raise CatalogueError(f"{key} = {values[key]!r}; give {mends.get(key, 'a text')}")
    for key in _TEXTS:
        if not isinstance(values.get(key, ""), str):
            raise CatalogueError(f"{key} = {values[key]!r}; give a text")

    def tree(name: str) -> DecisionTree:
        return load_tree(folder / own_path(name) if name.endswith(".toml") else name)

    loaded = {"trees": tuple(map(tree, values["trees"])), "result": tree(values["result"])}
    return ClassRule(**{**values, **loaded})


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
