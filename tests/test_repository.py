"""What lies beside the code: how to cite, to contribute and to report a problem, and the workflows."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_architecture import DOORS

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
}


def sessions() -> set[str]:
    """Names of nox's sessions."""
    tree = ast.parse((REPOSITORY / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if any(ast.unparse(one) == "nox.session" for one in node.decorator_list)}


def commands_of(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_the_citation_has_the_name_version_licence_and_authors_of_the_package():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert (citation["title"], citation["version"]) == (PROJECT["name"], PROJECT["version"])
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"]
    assert citation["keywords"] == PROJECT["keywords"]


def test_a_paper_to_cite_is_named_as_the_trees_name_it():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    files = [*(REPOSITORY / "catalogs").rglob("*.toml"), *(REPOSITORY / "catalogs").rglob("README.md")]
    known = "\n".join(path.read_text(encoding="utf-8") for path in files)
    for paper in citation["references"]:
        assert f"MNRAS {paper['volume']}, {paper['start']}" in known, paper["title"]


def test_the_doors_of_the_page_for_contributors_are_those_of_the_package():
    assert tuple(re.findall(r"(?m)^\| `(\w+)` \|", CONTRIBUTING)) == DOORS


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md"])
def test_every_file_that_a_page_names_is_there(page: str):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:\.ci|catalogs|docs|tests|zooactive)/[\w./-]*)`", text) + re.findall(r"\]\(([\w./]+)\)", text)
    assert paths
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


def test_the_page_for_contributors_says_how_each_kind_of_thing_is_added():
    parts = re.split(r"(?m)^### ", CONTRIBUTING.partition("## Add something")[2])[1:]
    assert [part.partition("\n")[0] for part in parts] == [
        "A score",
        "A backbone",
        "A decision tree",
        "A task",
        "A source of labels",
        "A survey of cutouts",
        "A command",
    ]
    assert all("tests/" in part for part in parts)


def test_every_change_is_checked_by_the_script_that_the_checkout_has():
    assert commands_of(WORKFLOWS["ci"]) == ["bash .ci/run"]
    assert set(WORKFLOWS["ci"][True]) == {"push", "pull_request"}  # YAML 1.1 reads the key `on` as true
    assert (REPOSITORY / ".ci" / "run").is_file()


def test_the_sessions_that_a_workflow_or_a_page_names_exist():
    matrix = WORKFLOWS["weekly"]["jobs"]["sessions"]["strategy"]["matrix"]["session"]
    pages = [REPOSITORY / "CONTRIBUTING.md", REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    said = set(re.findall(r"`nox -s (\w+)", text)) | set(re.findall(r"nox -s (\w+)$", text, re.MULTILINE))
    assert said
    assert {*matrix, *said} <= sessions()


def test_a_workflow_may_only_read_the_repository():
    assert all(workflow["permissions"] == {"contents": "read"} for workflow in WORKFLOWS.values())
