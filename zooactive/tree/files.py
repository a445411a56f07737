"""Decision trees as TOML files: those that come with zooactive, and your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zooactive.foundation.catalogs import NamedFiles
from zooactive.foundation.errors import TreeError
from zooactive.tree.decision_tree import DecisionTree

_TREES = NamedFiles(
    "trees",
    "decision tree",
    TreeError,
    "`zooactive trees` lists them; a tree of your own is a path that ends in .toml",
    damaged="is not valid TOML",
)


def list_trees() -> tuple[str, ...]:
    """Return the names of the decision trees that come with zooactive, sorted."""
    return _TREES.names()


def load_tree(name: str | Path | DecisionTree) -> DecisionTree:
    """Load a decision tree by its name, or from your own TOML file.

    Parameters
    ----------
    name : str or Path
        A member of `list_trees`, or a path that ends in ``.toml``. A DecisionTree is returned unchanged.

    Raises
    ------
    TreeError
        When there is no such tree, or its file contradicts itself.

    Examples
    --------
    >>> len(load_tree("decals_dr5").columns)
    34
    """
    if isinstance(name, DecisionTree):
        return name
    path, values = _TREES.read(name)
    try:
        return DecisionTree.from_dict(values, where=str(path))
    except TreeError as error:
        raise error if str(path) in str(error) else TreeError(f"{path}: {error}") from error


def combine_trees(name: str, trees: Sequence[str | Path | DecisionTree]) -> DecisionTree:
    """Combine several surveys' trees into one, so that one model can be trained on all of them.

    Each galaxy counts for the questions on which it has votes; a question without votes adds nothing to the loss. A class
    label counts as one vote. A galaxy counts as labelled from the smallest `min_votes` of the trees.

    Raises
    ------
    TreeError
        When two trees have a question of the same name, or their vote columns hold different things.
    """
    loaded = [load_tree(tree) for tree in trees]
    kinds = {"counts" if tree.votes == "class" else tree.votes for tree in loaded}
    volunteers = {tree.volunteers for tree in loaded}
    if len(kinds) != 1 or len(volunteers) != 1:
        held = ", ".join(f"'{tree.name}' {tree.votes}" for tree in loaded)
        raise TreeError(
            f"the trees of '{name}' hold different kinds of votes ({held}), but one table can hold only one kind; "
            "convert the surveys' votes to counts first"
        )
    aliases: dict[str, list[str]] = {}
    for tree in loaded:
        for header, column in tree.headers.items():
            if header != column:
                aliases.setdefault(column, []).append(header)
    return DecisionTree(
        name,
        questions=tuple(question for tree in loaded for question in tree.questions),
        title=" + ".join(tree.title or tree.name for tree in loaded),
        votes=kinds.pop(),
        volunteers=volunteers.pop(),
        min_votes=min(tree.min_votes for tree in loaded),
        aliases={column: tuple(headers) for column, headers in aliases.items()},
    )
