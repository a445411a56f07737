"""`predict` and `prepare` of a survey that is not whole: all is written, and the exit code and a sentence tell."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from small_survey import GALAXIES, write_survey, zooactive
from tiny_network import tiny_model

import zooactive as za
from zooactive.foundation.errors import WorkspaceError

SURVEY = ("--tree", "tree.toml", "--catalogue", "survey.csv", "--images", "images")
COMMANDS = {
    "predict": (
        "predict",
        "--catalogue",
        "survey.csv",
        "--images",
        "images",
        "--model",
        "run",
        "--draws",
        2,
        "--out",
        "out",
    ),
    "prepare": ("prepare", *SURVEY, "--image-size", 32, "--out", "out"),
}


@pytest.fixture
def survey(tmp_path) -> Path:
    folder = write_survey(tmp_path / "survey", GALAXIES)
    tiny_model(folder / "tree.toml", image_size=32, seed=3).save(folder / "run" / "model")
    (folder / "held").mkdir()
    return folder


def take_away(survey: Path, galaxies: int) -> None:
    for image in sorted((survey / "images").iterdir())[:galaxies]:
        image.rename(survey / "held" / image.name)


def bring_back(survey: Path) -> None:
    for image in (survey / "held").iterdir():
        image.rename(survey / "images" / image.name)


def parts(survey: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (survey / "out").glob("*.parquet")}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("options", [(), ("--retry-failures",)])
def test_one_galaxy_of_64_is_no_survey_and_the_rest_is_filled_in(survey, command, options):
    words = COMMANDS[command]
    zooactive(*words, folder=survey)
    whole = parts(survey)
    shutil.rmtree(survey / "out")
    take_away(survey, 63)
    said = zooactive(*words, folder=survey, code=3).stderr
    told = " ".join(said.split())
    assert "63 of 64 galaxies (98.4%) failed, such as " in told
    assert "g000' has no image" in told or "g000.jpg" in told
    assert "out/failures.parquet names each with the reason; more than the 5% that may fail" in told
    assert "run the same command with --retry-failures" in told
    assert "Next:" not in said
    assert len(pd.read_parquet(survey / "out" / "failures.parquet")) == 63
    zooactive(*words, *options, folder=survey, code=3)
    bring_back(survey)
    assert "Next:" in zooactive(*words, *options, folder=survey).stderr
    assert parts(survey) == whole


@pytest.mark.parametrize("command", COMMANDS)
def test_the_share_that_may_fail_is_an_option_and_an_entry(survey, command):
    words, table = COMMANDS[command], "pool" if command == "predict" else "survey"
    take_away(survey, 4)
    zooactive(*words, folder=survey, code=3)
    said = zooactive(*words, "--max-failed", 0.1, folder=survey).stderr
    assert "4 images could not be used; " in said
    assert "Next:" in said
    zooactive(*words, "--max-failed", 0.01, folder=survey, code=3)
    zooactive(*words, "--max-failed", 7, folder=survey, code=2)
    (survey / "zooactive.toml").write_text(f"[{table}]\nmax_failed = 0.1\n")
    zooactive(*words, folder=survey)
    zooactive(*words, "--max-failed", 0, folder=survey, code=3)
    (survey / "zooactive.toml").write_text(f"[{table}]\nmax_failed = 5\n")
    told = zooactive(*words, folder=survey, code=1).stderr
    assert f"[{table}] max_failed = 5.0; give the share of images that may fail, 0 to 1" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_a_few_failures_are_told_and_the_exit_code_is_0(survey, command):
    take_away(survey, 3)
    assert "3 images could not be used; " in zooactive(*COMMANDS[command], folder=survey).stderr


def test_from_python_nothing_is_raised_and_the_result_tells(survey):
    take_away(survey, 63)
    with pytest.raises(WorkspaceError, match="max_failed"):
        za.load_workspace(write_settings(survey)).predict(max_failed=2.0)
    predicted = za.load_workspace(survey).predict(out=survey / "out", draws=2)
    failed = predicted.failed()
    assert (failed.number, failed.galaxies, failed.too_many()) == (63, 64, True)
    bring_back(survey)
    predicted = za.load_workspace(survey).predict(out=survey / "out", draws=2, retry_failures=True)
    assert predicted.failed().number == 0
    assert len(predicted) == 64


def write_settings(survey: Path) -> Path:
    (survey / "zooactive.toml").write_text(
        '[survey]\ntree = "tree.toml"\ncatalogue = "survey.csv"\nimages = "images"\n[model]\nfolder = "run"\n'
    )
    return survey
