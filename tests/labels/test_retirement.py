"""What retires subjects: Caesar's rule played by its own semantics, the check of a workflow, the subjects of galaxies."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest

from zooactive.foundation.errors import CatalogueError
from zooactive.labels.retirement import REASONS, caesar_config, check_workflow, subjects_of, write_retirement


class Raised(Exception):
    """Ruby would raise, which for Caesar means that the rule is switched off after a while."""


def as_ruby_float(text: object) -> float:
    """String#to_f: the number that a text begins with, else 0."""
    if not isinstance(text, str):
        return float(text)  # type: ignore[arg-type]
    found = re.match(r"\s*[-+]?\d+(?:\.\d+)?", text)
    return float(found.group()) if found else 0.0


def play(rule: list, bindings: dict[str, object]) -> object:
    """The operators of Caesar's rules that ours use, as its public code defines them."""
    name, *given = rule
    if name == "const":
        return given[0]
    if name == "lookup":
        key, default = given
        return bindings.get(key, default)
    values = [play(part, bindings) for part in given]
    if name == "float":
        return as_ruby_float(values[0])
    if name == "and":
        return all(values)
    if name in ("gt", "gte"):
        left, right = values
        if isinstance(left, str) or isinstance(right, str) or left is None or right is None:
            raise Raised(f"{left!r} {name} {right!r}")
        return left > right if name == "gt" else left >= right
    raise Raised(name)


def retires(kind: str, **bindings: object) -> object:
    rule = caesar_config("T0", ceiling=40)["rules"][kind]["subject_rule"]["condition_string"]
    named = {name.replace("__", "."): value for name, value in bindings.items()}
    return play(json.loads(rule), named)


@pytest.mark.parametrize(
    ("stop_at", "count", "done"),
    [
        ("23", 22, False), ("23", 23, True), ("23", 30, True), ("23.0", 23, True), (" 23 ", 23, True),
        ("", 39, False), ("none", 1000, False), ("-5", 1000, False), ("0", 1000, False), ("12x", 12, True),
    ],
)  # fmt: skip
def test_the_rule_on_metadata_compares_with_the_subjects_own_number(stop_at, count, done):
    rule = json.loads(caesar_config("T0", ceiling=40)["rules"]["metadata"]["subject_rule"]["condition_string"])
    assert play(rule, {"subject.#stop_at": stop_at, "count.classifications": count}) is done


def test_without_a_number_the_ceiling_stands_in_its_place_and_without_votes_nothing_is_done():
    assert retires("metadata", count__classifications=39) is False
    assert retires("metadata", count__classifications=40) is True
    assert retires("metadata") is False
    assert retires("reduction", count__classifications=40) is True
    assert retires("reduction") is False


@pytest.mark.parametrize(("stop_at", "count", "done"), [(23, 22, False), (23, 23, True), (0, 50, False)])
def test_the_rule_on_reductions_compares_with_the_number_that_was_put(stop_at, count, done):
    assert retires("reduction", stop_at__stop_at=stop_at, count__classifications=count) is done


def test_the_reducer_that_is_looked_up_exists_and_counts_a_person_once():
    config = caesar_config("T7", ceiling=40)
    reducers = {entry["reducer"]["key"]: entry["reducer"] for entry in config["reducers"]}
    assert reducers["count"]["filters"]["repeated_classifications"] == "keep_first"
    assert reducers["count"]["filters"]["extractor_keys"] == [config["extractors"][0]["extractor"]["key"]] == ["T7"]
    assert reducers["stop_at"]["type"] == "placeholder"
    for rule in config["rules"].values():
        assert rule["subject_rule_effect"]["config"]["reason"] in REASONS


@pytest.mark.parametrize(
    ("retirement", "said"),
    [
        ({"criteria": "never_retire", "options": {}}, None),
        ({"criteria": "classification_count", "options": {"count": 40}}, None),
        ({"criteria": "classification_count", "options": {"count": 39}}, "after 39 people"),
        ({}, "after 15 people"),
        (None, "after 15 people"),
        ({"criteria": "classification_count", "options": {"count": "40"}}, "after 40 people"),
        ({"criteria": "by the moon"}, "the unknown criterion 'by the moon'"),
    ],
)
def test_what_the_owner_has_to_set_is_said(retirement, said):
    wishes = check_workflow({"id": "1", "retirement": retirement}, ceiling=40)
    assert (said is None and wishes == []) or (len(wishes) == 1 and said in wishes[0] and "by hand" in wishes[0])
    assert check_workflow({"workflows": [{"retirement": retirement}]}, ceiling=40) == wishes


@pytest.mark.parametrize("found", [{"retirement": 5}, {"retirement": "x"}, {"retirement": {"options": [1]}}])
def test_a_retirement_of_another_shape_is_refused(found):
    with pytest.raises(CatalogueError, match="is not in Panoptes' form"):
        check_workflow(found, ceiling=40)


@pytest.mark.parametrize("found", [{}, {"workflows": []}, {"errors": [{"message": "Could not find workflow"}]}])
def test_what_is_no_workflow_is_refused(found):
    with pytest.raises(CatalogueError, match="not a Panoptes workflow"):
        check_workflow(found, ceiling=40)


def test_subjects_are_found_by_the_hidden_id_and_the_latest_counts(tmp_path):
    rows = [
        (1, {"#id": "587722981742084144"}), (5, {"#id": "587722981742084144"}), (7, {"#id": "J2"}),
        (8, {"id": "J3"}), ("nine", {"#id": "J4"}),
    ]  # fmt: skip
    table = pd.DataFrame({"subject_id": [row[0] for row in rows], "metadata": [json.dumps(row[1]) for row in rows]})
    table.to_csv(tmp_path / "subjects.csv", index=False)
    assert subjects_of(tmp_path / "subjects.csv") == {"587722981742084144": 5, "J2": 7}
    table[["subject_id"]].to_csv(tmp_path / "half.csv", index=False)
    with pytest.raises(CatalogueError, match="metadata"):
        subjects_of(tmp_path / "half.csv")


def plan() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["a", "b", "c"], "received": [12, 3, 0], "more": [0, 6, 0], "stop_at": [12, 9, 0],
            "retire": [True, False, False], "reason": ["consensus", "", ""], "why": ["known well enough", "more votes", "-"],
        }
    )  # fmt: skip


def test_a_subject_export_of_another_project_is_refused_before_anything_is_written(tmp_path):
    others = pd.DataFrame({"subject_id": [1], "metadata": [json.dumps({"#id": "z"})]})
    others.to_csv(tmp_path / "subjects.csv", index=False)
    with pytest.raises(CatalogueError, match=r"none of the 3 galaxies of the plan is a subject in .*, which has .z."):
        write_retirement(plan(), tmp_path / "lists", ceiling=40, subjects=tmp_path / "subjects.csv")
    assert not (tmp_path / "lists").exists()


def test_a_reason_that_panoptes_has_not_and_a_damaged_workflow_are_refused(tmp_path):
    wrong = plan().assign(reason=["bored", "", ""])
    with pytest.raises(CatalogueError, match="no reason 'bored'"):
        write_retirement(wrong, tmp_path / "out", ceiling=40)
    (tmp_path / "workflow.json").write_text("[")
    with pytest.raises(CatalogueError, match=r"workflow\.json is not a Panoptes workflow"):
        write_retirement(plan(), tmp_path / "out", ceiling=40, workflow=tmp_path / "workflow.json")
    assert not (tmp_path / "out").exists()


def test_galaxies_that_wait_have_no_number(tmp_path):
    assert write_retirement(plan(), tmp_path / "out", ceiling=40) == []
    bodies = [json.loads(body) for body in pd.read_csv(tmp_path / "out" / "stop_at.csv").reduction]
    assert bodies == [{"reduction": {"data": {"stop_at": 9}}}]
