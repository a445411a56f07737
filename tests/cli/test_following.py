"""What the commands print as "Next:" runs as it is printed; `nox -s following` does so with all of them, in a real shell."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest
from following import Followed, follow, next_line, write_odd_labels
from small_survey import Begun, begun_workspace, zooactive

from zooactive.workspace.file import load_settings

HEAD = "--policy head --model runs/first"
ODD = ("--id", "gal name", "--image", "cut out")


def run_here(line: str, folder: Path) -> tuple[int, str]:
    """Run commands as a shell would that has `zooactive` and cd alone, in this process."""
    said = ""
    for command in line.split(" && "):
        name, *words = shlex.split(command)
        if name == "cd":
            folder = folder / words[0]
            continue
        assert name == "zooactive", line
        try:
            said = zooactive(*words, folder=folder).stderr
        except AssertionError as error:
            return 1, f"{error}\n{error.__cause__ or ''}"
    return 0, said


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Begun:
    begun = begun_workspace(tmp_path_factory.getbasetemp())
    write_odd_labels(begun.survey)
    return begun


def all_green(typed: list[str], folder: Path) -> Followed:
    found = follow(typed, folder, run_here, told=lambda line: None)
    assert not found.failed, "\n".join(f"$ {line}\n{said.strip()[-400:]}" for line, said in found.failed.items())
    return found


@pytest.mark.usefixtures("undrawn")
def test_what_is_next_in_a_workspace_runs_as_printed(begun: Begun, tmp_path: Path):
    home = shutil.copytree(begun.home, tmp_path / "home")
    survey = begun.survey
    typed = [
        "zooactive evaluate",
        "zooactive top --n 4",
        "zooactive similar g003 --n 4",
        f"zooactive finetune {survey / 'some-rings.csv'} --task rings {HEAD} --images {survey / 'images'}",
        "zooactive top --task rings --n 4",
        "zooactive acquire --task rings",
        f"zooactive predict --catalogue {survey / 'images'} --out elsewhere",
        "zooactive top --predictions elsewhere --n 4",
        "zooactive catalogue",
        "zooactive trees",
    ]
    assert len(all_green(typed, home).lines) >= 15


@pytest.mark.usefixtures("undrawn")
def test_what_is_next_without_a_workspace_runs_as_printed(begun: Begun, tmp_path: Path):
    shutil.copytree(begun.home / "runs", tmp_path / "runs")
    survey = begun.survey
    typed = [
        f"zooactive show {survey / 'images' / 'g003.jpg'}",
        f"zooactive show g004 --catalogue {survey / 'survey.csv'} --images {survey / 'images'}",
        "zooactive top --predictions predictions --n 4",
        f"zooactive finetune {survey / 'odd.csv'} --column 'a ring' --id 'gal name' --image 'cut out' {HEAD}",
        "zooactive top --task 'a ring' --n 4",
        f"zooactive predict --model tasks/a-ring --catalogue {survey / 'images'} --out 'more of it'",
        "zooactive top --predictions 'more of it' --n 4",
    ]
    assert len(all_green(typed, tmp_path).lines) >= 10


@pytest.mark.usefixtures("undrawn")
def test_labels_alone_are_a_workspace_in_which_no_command_needs_a_word_more(begun: Begun, tmp_path: Path):
    survey = begun.survey
    shutil.copytree(begun.home / "runs", tmp_path / "runs")
    words = ("--labels", survey / "odd.csv", "--column", "a ring", *ODD, "--pool", survey / "images", "--n", 4)
    made = zooactive("init", tmp_path, *words, folder=tmp_path).stderr
    assert "48 galaxies" in made
    assert "64 galaxies to choose from" in made
    assert next_line(made) == "zooactive finetune"  # by the encoder that comes along, which takes longer
    settings = load_settings(tmp_path / "zooactive.toml")
    assert settings.default_task == "a ring"
    assert (settings.tasks["a ring"].id_column, settings.tasks["a ring"].image_column) == ("gal name", "cut out")
    early = zooactive("top", folder=tmp_path, code=1).stderr
    assert "run `zooactive finetune` first" in early
    assert "only labels of 'a ring'" in zooactive("evaluate", folder=tmp_path, code=1).stderr
    found = all_green([f"zooactive finetune {HEAD}", "zooactive top --n 4", "zooactive show g060"], tmp_path)
    assert found.lines[:3] == ["zooactive predict", "zooactive acquire --n 4", "zooactive report"]
    labelled = set(pd.read_csv(survey / "odd.csv", dtype=str)["gal name"])
    chosen = pd.read_csv(settings.acquire.out, dtype=str)["id"]
    assert not labelled & set(chosen)
    zooactive("export", folder=tmp_path)


def test_labels_alone_without_a_pool_choose_among_the_tables_own_galaxies(begun: Begun, tmp_path: Path):
    zooactive("init", "here", "--labels", begun.survey / "odd.csv", "--column", "a ring", *ODD, folder=tmp_path)
    settings = load_settings(tmp_path / "here" / "zooactive.toml")
    assert settings.pool.catalogue == begun.survey / "odd.csv"
    assert len(settings.read_pool()) == 48
    assert all(image.is_file() for image in settings.read_pool().images)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "give --tree and --catalogue for a survey with votes, or --labels and --column"),
        (("--labels", "odd.csv"), "--labels and --column go together"),
        (("--tree", "gz2"), "--tree and --catalogue go together"),
    ],
)
def test_init_says_what_goes_together(tmp_path: Path, words: tuple[str, ...], sentence: str):
    said = " ".join(zooactive("init", *words, folder=tmp_path, code=2).stderr.replace("│", " ").split())
    assert sentence in said
    assert not (tmp_path / "zooactive.toml").exists()


@pytest.mark.filterwarnings("always:.*read as")
def test_labels_without_images_are_told_with_the_names_that_are_looked_for(tmp_path: Path):
    (tmp_path / "mine.csv").write_text("id;cutout;ring\na;a.jpg;1\nb;b.jpg;0\n")
    said = zooactive("init", "--labels", "mine.csv", "--column", "ring", folder=tmp_path).stderr
    assert "none of the image columns file_loc, image, png_loc; name the column with --image" in said
    assert "it has cutout" in said
    assert "mine.csv: read as columns separated by semicolons" in said


def test_what_is_next_of_a_simulated_sky_runs_as_printed(tmp_path: Path):
    made = zooactive("simulate", "sky", "sky", "--n", 12, "--size", 16, folder=tmp_path).stderr
    line = next_line(made)
    assert line is not None
    code, said = run_here(line, tmp_path)
    assert code == 0, said
    assert next_line(said) == "cd sky && zooactive prepare && zooactive train"
