"""Trees, class rules, recipes and tasks are found by a name or a path, and refused in the same words."""

from __future__ import annotations

import pytest

from zooactive.catalogue.class_rules import list_rules, load_rule
from zooactive.foundation.errors import CatalogueError, TrainingError, TreeError
from zooactive.training.finetuning.tasks import list_tasks, load_task
from zooactive.training.recipes import list_recipes, load_recipe
from zooactive.tree import list_trees, load_tree

KINDS = [
    ("decision tree", list_trees, load_tree, TreeError),
    ("class rule", list_rules, load_rule, CatalogueError),
    ("recipe", list_recipes, load_recipe, TrainingError),
    ("task", list_tasks, load_task, TrainingError),
]


@pytest.mark.parametrize(("kind", "names", "load", "error"), KINDS, ids=[kind[0] for kind in KINDS])
def test_a_file_is_found_by_its_name_or_its_path(kind, names, load, error, tmp_path):
    assert names()
    for name in names():
        load(name)
    first = names()[0]
    with pytest.raises(error, match=rf"^there is no {kind} '{first}a'\. Did you mean '{first}'\? .* your own .*path"):
        load(first + "a")
    with pytest.raises(error, match=rf"no\.toml cannot be read: No such file.*; give the path of a {kind}'s \.toml file"):
        load(tmp_path / "no.toml")
    (tmp_path / "odd.toml").write_text("name = ")
    with pytest.raises(error, match=r"odd\.toml is (no|not) (valid|readable) TOML"):
        load(tmp_path / "odd.toml")
