"""The pages say what the code does: their blocks run, their options exist, their tables are complete."""

from __future__ import annotations

import importlib.util
import re
import runpy
import shlex
import sys
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"

# The tutorial speaks of this warning; everything else that is warned of is an error here too.
pytestmark = pytest.mark.filterwarnings("ignore:.*taken for rounding and kept:UserWarning")


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look for the annotations' names
    spec.loader.exec_module(module)
    return module


RUN, LINKS = load(DOCS / "run_blocks.py"), load(DOCS / "check_links.py")
BLOCKS = {page.stem: RUN.blocks_of(page) for page in RUN.PAGES}
# Pages with commands are run by `nox -s docs`, which takes minutes.
PYTHON_ONLY = [
    page
    for page, found in BLOCKS.items()
    if any(block.language in RUN.PYTHON for block in found) and not any(block.language in RUN.SHELL for block in found)
]


def test_the_tutorial_is_run_by_the_tests():
    assert "tutorial" in PYTHON_ONLY


@pytest.mark.parametrize("page", PYTHON_ONLY)
def test_the_python_of_a_page_runs_and_prints_what_the_page_says(page: str, tmp_path: Path):
    tally = RUN.Tally()
    RUN.run_page(DOCS / f"{page}.md", tmp_path, tally, epochs=1 if page == "tutorial" else None)
    assert tally.counts["run"] == sum(block.language == "python" for block in BLOCKS[page])


@pytest.mark.parametrize(
    "page", [page for page, found in BLOCKS.items() if any(block.language == "toml" for block in found)]
)
def test_the_toml_of_a_page_is_understood_by_the_reader_of_its_kind(page: str, tmp_path: Path):
    for block in BLOCKS[page]:
        if block.language == "toml":
            RUN.read_toml(block, tmp_path)


def test_a_block_that_prints_something_else_than_its_page_says_is_an_error(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1 + 1, 0.5)\n```\n\n```text\n2 0.7\n```\n")
    RUN.run_page(page, tmp_path, RUN.Tally())
    page.write_text(
        "```console\n$ mkdir inside\n$ cd inside\n```\n\n```console\n$ basename $PWD\n```\n\n```text\noutside\n```\n"
    )
    with pytest.raises(RUN.BlockError, match=r"(?s)page\.md:10: the page says\noutside.*inside"):
        RUN.run_page(page, tmp_path, RUN.Tally())


def test_a_block_is_left_alone_with_a_reason_only(tmp_path: Path):
    page, tally = tmp_path / "page.md", RUN.Tally()
    page.write_text("<!-- not run: it needs a cluster -->\n```console\n$ false\n```\n")
    RUN.run_page(page, tmp_path, tally)
    assert tally.left == [f"{page}:2: not run: it needs a cluster"]
    page.write_text("<!-- a comment -->\n```console\n$ false\n```\n")
    with pytest.raises(RUN.BlockError, match="exit code 1"):
        RUN.run_page(page, tmp_path, tally)


def test_a_dead_link_of_built_pages_is_found(tmp_path: Path):
    (tmp_path / "a.html").write_text('<a href="b.html#there">b</a> <a href="b.html#gone">b</a> <a href="https://c.d">c</a>')
    (tmp_path / "b.html").write_text('<h1 id="there">b</h1> <img src="gone.png">')
    assert LINKS.dead_links(tmp_path) == (3, ["a.html: b.html#gone", "b.html: gone.png"])


def test_the_commands_of_every_page_exist_with_their_options():
    import typer

    from zooactive.cli import app

    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    console = [block for found in BLOCKS.values() for block in found if block.language == "console"]
    lines = [line for block in console for line in RUN.commands_of(block)]
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("zooactive")]
    assert commands
    for _, name, *words in commands:
        command = known[name]
        if hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert [word for word in words if word.startswith("-") and word not in options] == [], name


SECTIONS = ("survey", "model", "training", "training.augmentation", "pool", "acquire", "allocate", "loop", "zooniverse")


@pytest.mark.parametrize("section", [*SECTIONS, "tasks.NAME"])
def test_the_table_of_the_workspace_file_lists_every_entry_with_its_default(section: str):
    from zooactive.training.augmentation import Augmentation
    from zooactive.workspace import settings as workspace

    classes = {
        "survey": workspace.Survey,
        "model": workspace.Network,
        "training": workspace.TrainingConfig,
        "training.augmentation": Augmentation,
        "pool": workspace.Pool,
        "acquire": workspace.Acquire,
        "allocate": workspace.Allocate,
        "loop": workspace.Rounds,
        "zooniverse": workspace.Zooniverse,
        "tasks.NAME": workspace.TaskLabels,
    }
    text = (DOCS / "workspace_file.md").read_text()
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


def test_every_page_is_in_the_contents():
    listed = re.findall(r"^(\w+)$", "\n".join(block.text for block in BLOCKS["index"]), re.MULTILINE)
    assert sorted([*listed, "index"]) == sorted(BLOCKS.keys() - {"README"})


@pytest.mark.parametrize("page", RUN.PAGES, ids=lambda page: page.stem)
def test_every_file_and_heading_that_a_page_links_to_is_there(page: Path):
    assert LINKS.dead_links_of_markdown(page)[1] == []


@pytest.mark.parametrize("script", sorted((REPOSITORY / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_an_example_loads(script: Path):
    """`nox -s examples` runs them; here it is enough that every name that they import is there."""
    assert callable(runpy.run_path(str(script), run_name="example")["main"])


def round_told(folder: Path, world: Any) -> tuple[str, str]:
    """Let rounds run on the stand-in: what a dry run prints, and the log until the first set is unlinked."""
    from typer.testing import CliRunner

    from zooactive.cli import app

    def typed(*words: str) -> str:
        result = CliRunner().invoke(app, ["loop", "step", "--workspace", str(folder), *words])
        assert result.exit_code == 0, result.output
        return result.stderr

    first, log = typed("--dry-run"), list[str]()
    while not world.unlinks_made:
        said = typed()
        if "\n0 changes" not in said:
            log.append(said.partition("\nNext:")[0])
        world.classify(6, hours=3)
    return first, "\n\n".join(log)


def test_the_page_of_a_project_that_runs_itself_shows_what_a_step_prints(tmp_path: Path, monkeypatch):
    pytest.importorskip("panoptes_client", reason="the Zooniverse's client is an extra")
    from zooniverse_project import project

    shown = [block.text for block in BLOCKS["unattended"] if block.language == "text"]
    with project(tmp_path / "survey", monkeypatch) as world:
        printed = round_told(tmp_path / "survey", world)
        assert not world.never
    # Which galaxies are chosen is the processor's own, and the path of the workspace this test's.
    plain = [re.sub(r"g\d{3}", "g", text.replace(f" --workspace {tmp_path / 'survey'}", "")) for text in printed]
    assert [re.sub(r"g\d{3}", "g", text).splitlines() for text in shown] == [text.splitlines() for text in plain]
