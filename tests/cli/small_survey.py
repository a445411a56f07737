"""A survey small enough for a test: synthetic galaxies with images, votes and ring labels, and a way to type commands."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pictures import picture
from PIL import Image
from tiny_network import tiny_network
from typer.testing import CliRunner

from zooactive.cli import app
from zooactive.tree import load_tree

GALAXIES, LABELLED = 64, 40
"""Of the survey and the workspace that several test modules look at."""

TREE = """\
name = "small"
title = "A small survey"

[[question]]
name = "smooth-or-featured"
answers = ["smooth", "featured", "artifact"]

[[question]]
name = "edge-on"
answers = ["yes", "no"]
asked_after = ["smooth-or-featured_featured"]

[[question]]
name = "bar"
answers = ["strong", "weak", "no"]
asked_after = ["edge-on_no"]
"""


def write_survey(folder: Path, galaxies: int) -> Path:
    """Write tree.toml, survey.csv, rings.csv and images/ID.jpg into a folder, and return it."""
    (folder / "images").mkdir(parents=True)
    (folder / "tree.toml").write_text(TREE)
    ids = [f"g{i:03d}" for i in range(galaxies)]
    for i, galaxy_id in enumerate(ids):
        Image.fromarray(picture(i)).save(folder / "images" / f"{galaxy_id}.jpg")
    tree = load_tree(folder / "tree.toml")
    rng = np.random.default_rng(0)
    votes = np.zeros((galaxies, len(tree.columns)), dtype=int)
    for row in votes:
        for q in tree.order:
            reached = 40 if tree.parents[q] < 0 else row[tree.leads_to[q]].sum()
            where = tree.slices[q]
            row[where] = rng.multinomial(reached, rng.dirichlet(np.ones(where.stop - where.start)))
    table = pd.DataFrame({"id": ids, "mag_r": rng.uniform(14, 18, galaxies).round(2)})
    pd.concat([table, pd.DataFrame(votes, columns=list(tree.columns))], axis=1).to_csv(folder / "survey.csv", index=False)
    pd.DataFrame({"id": ids, "ring": ["yes", "no"] * (galaxies // 2)}).to_csv(folder / "rings.csv", index=False)
    return folder


def change(path: Path, edit: Callable[[pd.DataFrame], Any]) -> None:
    """Edit a CSV, every cell as text."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    changed = edit(table)
    (table if changed is None else changed).to_csv(path, index=False)


def zooactive(*words: object, folder: Path, code: int = 0) -> Any:
    """Type a command in a folder, and return its result after a look at the exit code."""
    with contextlib.chdir(folder):
        result = CliRunner().invoke(app, [str(word) for word in words])
    typed = " ".join(map(str, words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"zooactive {typed} ended in a traceback") from result.exception
    assert result.exit_code == code, f"zooactive {typed} ended with {result.exit_code}:\n{result.stderr}"
    assert "Traceback" not in result.stderr
    return result


@dataclass(frozen=True)
class Begun:
    """A workspace with packed images and a network, its survey, and what the commands said that began it; tests copy it."""

    home: Path
    survey: Path
    said: dict[str, Any]


@functools.cache
def begun_workspace(folder: Path) -> Begun:
    """Begin a workspace in pytest's folder, once in a process."""
    survey, home = write_survey(folder / "begun-survey", GALAXIES), folder / "begun"
    small = ("--backbone", "small_cnn", "--image-size", 32, "--epochs", 2, "--n", 6, "--rehearsal", LABELLED)
    named = ("--tree", survey / "tree.toml", "--catalogue", survey / "survey.csv", "--images", survey / "images")
    said = {"init": zooactive("init", home, *named, *small, "--rings", survey / "rings.csv", folder=folder)}
    settings = home / "zooactive.toml"
    settings.write_text(settings.read_text().replace("small_cnn", tiny_network()))
    return Begun(home, survey, said | {name: zooactive(name, folder=home) for name in ("prepare", "train")})


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
