"""The notebooks are whole: `nox -s notebooks` runs them; here they are read, and every name that they use is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

import zooactive as za

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((REPOSITORY / "examples" / "notebooks").glob("*.md"))
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells_of(path: Path) -> list[ast.Module]:
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"(?m)^```", text)) == 2 * len(re.findall(r"(?m)^```python$", text)), "a cell of another language"
    cells = re.findall(r"(?ms)^```python\n(.*?)^```$", text)
    return [ast.parse(re.sub(r"(?m)^%.*$", "", code)) for code in cells]


def test_there_is_a_notebook_for_each_way_to_begin():
    assert [path.stem for path in NOTEBOOKS] == ["clicks", "first_steps", "own_survey", "rings"]


@named
def test_a_notebook_has_the_header_by_which_jupytext_knows_it(path: Path):
    header = re.match(r"---\n(.*?)\n---\n\n# \S", path.read_text(encoding="utf-8"), re.DOTALL)
    assert header is not None
    jupyter = yaml.safe_load(header[1])["jupyter"]
    assert jupyter["jupytext"]["text_representation"] == {"extension": ".md", "format_name": "markdown"}
    assert jupyter["kernelspec"]["name"] == "python3"


@named
def test_a_notebook_uses_public_names_and_modules_that_exist(path: Path):
    cells = cells_of(path)
    assert len(cells) >= 5
    used = {
        node.attr
        for cell in cells
        for node in ast.walk(cell)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "za"
    }
    assert used
    assert used <= set(za.__all__)
    for cell in cells:
        for node in ast.walk(cell):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("zooactive."):
                module = REPOSITORY.joinpath(*node.module.split("."))
                assert module.with_suffix(".py").is_file() or (module / "__init__.py").is_file(), node.module


@named
def test_a_notebook_with_pictures_tells_jupyter_to_draw_them(path: Path):
    """Without this line a figure that pyplot did not make is shown as its name; `nox -s notebooks` counts the pictures."""
    text = path.read_text(encoding="utf-8")
    assert ("za.plots." in text) == ("```python\n%matplotlib inline\n" in text)


@named
def test_a_notebook_stands_on_the_page_about_notebooks(path: Path):
    assert f"| `{path.name}` |" in (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")


@named
def test_a_notebook_fetches_nothing(path: Path):
    text = "\n".join(ast.unparse(cell) for cell in cells_of(path))
    assert [word for word in ("http://", "https://", "hf://", "fetch_cutouts", "urlopen") if word in text] == []
