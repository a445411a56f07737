"""The questions that volunteers are asked: decision trees as files and as arrays, and the likelihood of votes."""

from __future__ import annotations

from zooactive.tree.decision_tree import DecisionTree, Question
from zooactive.tree.files import combine_trees, list_trees, load_tree

__all__ = ["DecisionTree", "Question", "combine_trees", "list_trees", "load_tree"]
