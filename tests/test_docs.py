"""The pages say what the code does: their blocks run, their options exist, their tables are complete."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = [path.stem for path in sorted(DOCS.glob("*.md"))]

# The tutorial speaks of this warning; everything else that is warned of is an error here too.
pytestmark = pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning")


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / f"{page}.md").read_text(), re.DOTALL | re.MULTILINE)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")])
def test_the_python_of_a_page_runs_and_prints_what_the_page_says(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    for block in blocks(page, "toml"):
        name = re.match(r"# (\S+\.toml)\n", block)
        if name:
            Path(name[1]).write_text(block)
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page, "python"):
        few = re.sub(r"epochs=\d+", "epochs=1", block)
        exec(compile(few, f"{page}.md", "exec"), namespace)
    if page == "tutorial":
        return  # with one epoch it prints other numbers
    printed = capsys.readouterr().out
    for block in blocks(page, "text"):
        # The last digits are the processor's own; words and layout are not.
        assert re.sub(r"\d+\.\d+", "0", block) in re.sub(r"\d+\.\d+", "0", printed)


@pytest.mark.parametrize("page", PAGES)
def test_the_toml_of_a_page_is_toml(page: str):
    assert all(tomllib.loads(block) for block in blocks(page, "toml"))


def test_the_commands_of_every_page_exist_with_their_options():
    import typer

    from zooactive.cli import app

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    text = "".join(block for page in PAGES for block in blocks(page, "console")).replace("\\\n", "")
    lines = text.splitlines()
    commands = [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ zooactive")]
    assert commands
    for _, name, *words in commands:
        command = known[name]
        if hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in words if word.startswith("-") and word not in options] == [], name


@pytest.mark.parametrize(
    "section", ["survey", "model", "training", "training.augmentation", "pool", "acquire", "tasks.NAME"]
)
def test_the_table_of_the_workspace_file_lists_every_entry_with_its_default(section: str):
    from zooactive import workspace
    from zooactive.augmentation import Augmentation

    classes = {
        "survey": workspace.Survey,
        "model": workspace.Network,
        "training": workspace.TrainingConfig,
        "training.augmentation": Augmentation,
        "pool": workspace.Pool,
        "acquire": workspace.Acquire,
        "tasks.NAME": workspace.TaskLabels,
    }
    text = (DOCS / "workspace.md").read_text()
    part = re.split(r"^### ", text.partition(f"### `[{section}]`")[2], flags=re.MULTILINE)[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in part.splitlines() if line.startswith("| `")]
    said = {name: row[-1] for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    entries: tuple[Any, ...] = fields(classes[section])
    assert set(said) == {entry.name for entry in entries}
    for entry in entries:
        if entry.default is not None and entry.default is not MISSING:
            default = list(entry.default) if isinstance(entry.default, tuple) else entry.default
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            assert said[entry.name] == f"`{shown}`", entry.name


def test_the_page_about_the_commands_is_that_of_the_commands():
    """Write it again with ``python docs/make_cli.py``."""
    assert (DOCS / "cli.md").read_text() == load(DOCS / "make_cli.py").page()


def test_the_examples_of_the_workspace_file_are_understood(tmp_path: Path):
    from zooactive.workspace import load_workspace

    for block in blocks("workspace", "toml"):
        (tmp_path / "zooactive.toml").write_text(block)
        assert load_workspace(tmp_path / "zooactive.toml").folder == tmp_path


def test_every_page_is_in_the_contents():
    listed = re.findall(r"^(\w+)$", "\n".join(blocks("index", r"\{toctree\}")), re.MULTILINE)
    assert sorted([*listed, "index"]) == PAGES


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.stem)
def test_every_file_that_a_page_links_to_is_there(page: Path):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("script", sorted((REPOSITORY / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_loads(script: Path):
    """`nox -s examples` runs them; here it is enough that every name that they import is there."""
    assert callable(runpy.run_path(str(script), run_name="example")["main"])
