"""Each command that acts on a workspace is a method of it, takes the same options and writes the same files."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import shutil
from pathlib import Path

import pytest
import typer
from small_survey import Begun, begun_workspace, zooactive

import zooactive as za
from zooactive.cli import app
from zooactive.foundation.errors import WorkspaceError
from zooactive.workspace.settings import Settings

ELSEWHERE = {"init", "demo", "trees", "cutouts", "match", "samp", "votes", "simulate", "trace", "migrate"}
"""Commands that make a workspace or need none."""

OF_THE_TERMINAL = {"workspace", "json", "argument", "option", "question", "upload", "project", "subject_set", "browser"}
"""What only people who type have: how a table is printed, two ways to say an answer, an account, a browser."""

OF_EVERY_COMMAND = {"quiet", "progress", "log", "summary"}
"""What tells people and programs of a command; Python has `progress`, `tell` and `logging` for it."""

JOBS = {
    name: (f"zooactive.workspace.{'loop' if name.startswith('loop_') else name}", job)
    for name, job in {
        **{name: name for name in ("prepare", "train", "calibrate", "predict", "evaluate", "acquire", "finetune", "top")},
        **{name: name for name in ("similar", "show", "report", "export")},
        **{name: name for name in ("catalogue", "allocate", "embed", "sheet", "table", "convert", "publish", "label")},
        **{"loop_ask": "ask", "loop_tell": "tell_votes", "loop_status": "status", "loop_rehearse": "rehearse"},
    }.items()
} | {"loop_step": ("zooactive.workspace.loop_step", "loop_step")}


@functools.cache
def commands() -> dict[str, set[str]]:
    """Command -> its options and arguments by name."""
    group = typer.main.get_command(app)
    found = {}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {"": command})
        found |= {f"{name}_{sub}".rstrip("_"): {entry.name for entry in one.params} for sub, one in inner.items()}
    return {
        name: options - {"help", *OF_EVERY_COMMAND} for name, options in found.items() if name.split("_")[0] not in ELSEWHERE
    }


def test_each_command_that_acts_on_a_workspace_is_a_method():
    assert set(commands()) == set(JOBS)
    methods = {name for name, _ in inspect.getmembers(za.Workspace, inspect.isfunction) if not name.startswith("_")}
    assert methods == set(JOBS)


@pytest.mark.parametrize("name", JOBS)
def test_a_method_takes_the_options_of_its_command(name):
    module, job = (importlib.import_module(JOBS[name][0]), JOBS[name][1])
    own = inspect.signature(getattr(module, job)).parameters
    assert not set(own) & set(module.OPTIONS), "an option of the job itself would never reach it"
    taken = set(own) | set(module.OPTIONS) | set(inspect.signature(getattr(za.Workspace, name)).parameters)
    if inspect.Parameter.VAR_KEYWORD in {entry.kind for entry in own.values()}:
        from zooactive.training.finetuning.config import FinetuneConfig
        from zooactive.workspace import finetune

        taken |= {*finetune.OF_LABELS, *finetune.OF_TASK, *FinetuneConfig.__dataclass_fields__}
    renamed = {"strategy": "strategies"} if name == "loop_rehearse" else {}
    asked = {renamed.get(option, option) for option in commands()[name] - OF_THE_TERMINAL}
    assert asked <= taken


def test_an_unknown_option_or_word_is_refused(tmp_path):
    workspace = za.Workspace(Settings(tmp_path))
    with pytest.raises(TypeError, match="galaxies"):
        workspace.acquire(galaxies=3)
    with pytest.raises(WorkspaceError, match="'mutual_information'"):
        workspace.acquire(score="mutual_informatio")


def test_a_folder_or_its_file_is_a_workspace_and_none_is_refused(tmp_path):
    (tmp_path / "zooactive.toml").write_text("[acquire]\nn = 7\n")
    for path in (tmp_path, str(tmp_path), tmp_path / "zooactive.toml"):
        assert za.load_workspace(path).settings.acquire.n == 7
    assert repr(za.load_workspace(tmp_path)) == f"Workspace({str(tmp_path)!r})"
    with pytest.raises(WorkspaceError, match="cannot be read"):
        za.load_workspace(tmp_path / "nowhere")


def test_what_a_workspace_was_before_is_in_its_settings(tmp_path):
    workspace = za.Workspace(Settings(tmp_path))
    with pytest.warns(DeprecationWarning, match=r"workspace.settings.survey now"):
        assert workspace.survey is workspace.settings.survey
    with pytest.raises(AttributeError, match="no attribute 'surveys'"):
        _ = workspace.surveys


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    return begun_workspace(tmp_path_factory.getbasetemp())


def test_methods_and_commands_write_the_same_files(begun, undrawn, tmp_path, monkeypatch):
    images = str(begun.survey / "images")
    typed, called = (shutil.copytree(begun.home, tmp_path / name / "survey") for name in ("typed", "called"))
    for folder in (typed, called):
        shutil.copy(begun.survey / "rings.csv", folder)
    lines = [
        ("prepare",), ("train",), ("predict", "--draws", 8), ("embed", "--batch-size", 32),
        ("acquire", "--n", 5, "--votes", 20), ("evaluate",),
        ("catalogue", "--folds", 2), ("allocate", "--clicks", 200, "--for", "bar=1,edge-on=2", "--ceiling", 6),
        ("top", "bar_strong", "--n", 6), ("similar", "g001", "--n", 3), ("export", "--credit", "us"),
        ("finetune", "rings.csv", "--task", "rings", "--images", images, "--policy", "head"),
        ("report",),
    ]  # fmt: skip
    for words in lines:
        zooactive(*words, folder=typed)

    monkeypatch.chdir(called)
    workspace = za.load_workspace(called)
    workspace.prepare()
    history = workspace.train()
    predictions = workspace.predict(draws=8)
    workspace.embed(batch_size=32)
    selection = workspace.acquire(n=5, votes=20)
    metrics = workspace.evaluate().metrics
    workspace.catalogue(folds=2)
    workspace.allocate(200, weights={"bar": 1.0, "edge-on": 2.0}, ceiling=6)
    listed = workspace.top("bar_strong", n=6)
    alike = workspace.similar("g001", n=3)
    subjects = workspace.export(credit="us")
    tuned = workspace.finetune("rings.csv", "rings", images=images, policy="head")
    page = workspace.report()

    # Paths as text, as a notebook gives them.
    for folder in (typed, called):
        selection[["id"]].to_csv(folder / "never.csv", index=False)
    votes = str(workspace.settings.survey.catalogue)
    pool = {"predictions": "predictions", "also": ["predictions"], "exclude": "never.csv", "given": votes}
    assert not set(selection["id"]) & set(workspace.acquire(n=3, out="other.csv", **pool)["id"])
    with contextlib.chdir(typed):
        za.load_workspace(typed).acquire(n=3, out=Path("other.csv"), **pool)

    assert (len(history), len(predictions), len(selection), len(listed), len(alike)) == (2, 64, 5, 6, 3)
    assert (subjects.subjects, page) == (5, called / "report.html")
    assert metrics.galaxies > 0
    assert len(tuned.held_out) > 0
    files = sorted(str(file.relative_to(typed)) for file in typed.rglob("*") if file.is_file())
    assert files == sorted(str(file.relative_to(called)) for file in called.rglob("*") if file.is_file())
    other = [file for file in files if (typed / file).read_bytes() != (called / file).read_bytes()]
    # What says when and where it was made, and what is compressed with the time.
    assert [file for file in other if not file.endswith(("how.json", ".html", ".npz", "finetuned.json"))] == []
