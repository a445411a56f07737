"""docs/llms.txt, for programs that write code: its blocks run, and it lists every public name with its parameters."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path

import pytest

import zooactive as za

DOCS = Path(__file__).resolve().parents[1] / "docs"
TEXT = (DOCS / "llms.txt").read_text(encoding="utf-8")
NAMES = TEXT.partition("## Public names")[2].partition("\n## ")[0]
LISTED = {match[1]: match[2] for match in re.finditer(r"(?m)^- `za\.(\w+)(?:\((.*)\))?`: \S", NAMES)}


def run_blocks():
    spec = importlib.util.spec_from_file_location("run_blocks", DOCS / "run_blocks.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["run_blocks"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parameters_of(name: str) -> list[str]:
    found = inspect.signature(getattr(za, name)).parameters.values()
    return [f"**{one.name}" if one.kind is one.VAR_KEYWORD else one.name for one in found]


def parameters_written(words: str) -> list[str]:
    """Names of the parameters of `a, b=(1, 2), *, c='x'`, without what they are by default."""
    plain = re.sub(r"\([^()]*\)|'[^']*'", "0", words)
    names = [word.partition("=")[0].strip() for word in plain.split(",") if word.strip()]
    return [name for name in names if name != "*"]


def test_every_public_name_is_listed_once_and_nothing_besides():
    assert set(LISTED) == set(za.__all__)
    assert len(re.findall(r"(?m)^- `za\.", NAMES)) == len(LISTED)


@pytest.mark.parametrize("name", [name for name, words in LISTED.items() if words is not None])
def test_a_name_is_listed_with_its_parameters_in_order(name: str):
    assert parameters_written(LISTED[name]) == parameters_of(name)


def test_functions_are_listed_with_their_parameters():
    functions = {name for name in za.__all__ if inspect.isfunction(getattr(za, name))}
    assert [name for name in functions if LISTED[name] is None] == []


def test_words_in_the_list_of_modules_are_names_of_these_modules():
    for module in ("acquisition", "loop", "losses", "plots", "shards", "simulate", "tasks"):
        line = re.search(rf"(?m)^- `za\.{module}`: (.*)$", NAMES)
        assert line is not None
        for name in re.findall(r"`(\w+)(?:\(\w+\))?`", line[1]):
            assert hasattr(getattr(za, module), name), f"za.{module}.{name}"


def test_there_are_ten_tasks_each_with_code():
    tasks = re.split(r"(?m)^### \d+\. ", TEXT.partition("## Ten tasks")[2].partition("\n## ")[0])[1:]
    assert len(tasks) == 10
    assert all("```python" in task for task in tasks)


def test_every_page_that_it_names_is_there():
    pages = re.findall(r"`docs/(\w+\.md)`", TEXT)
    assert pages
    assert [page for page in pages if not (DOCS / page).is_file()] == []


@pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning", "ignore:.*images unlike:UserWarning")
def test_its_blocks_run_one_after_the_other(tmp_path: Path):
    run = run_blocks()
    tally = run.Tally()
    run.furnish(tmp_path, labelled=90, pool=40, labels=40)
    run.run_page(DOCS / "llms.txt", tmp_path, tally, epochs=1)
    assert tally.counts["run"] == len(re.findall(r"(?m)^```(?:python|console)$", TEXT)) >= 11
    assert tally.left == []
