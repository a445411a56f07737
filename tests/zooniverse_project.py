"""A workspace whose rounds run by themselves, and the project on the stand-in that belongs to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from pictures import picture
from PIL import Image
from zooniverse_stand_in import PROJECT, WORKFLOW, World, serving

from zooactive.labels.simulate.forms import wording_toml
from zooactive.tree import DecisionTree, Question

GALAXIES, LABELLED = 80, 24
TREE = DecisionTree(
    "small",
    [
        Question("smooth-or-featured", ["smooth", "featured", "artifact"]),
        Question("bar", ["strong", "weak", "no"], ["smooth-or-featured_featured"]),
    ],
)
TREE_TOML = """\
name = "small"

[[question]]
name = "smooth-or-featured"
answers = ["smooth", "featured", "artifact"]

[[question]]
name = "bar"
answers = ["strong", "weak", "no"]
asked_after = ["smooth-or-featured_featured"]
"""
SETTINGS = f"""\
[survey]
tree = "tree.toml"
catalogue = "galaxies.csv"
min_votes = 5
split = [0.8, 0.2, 0.0]

[pool]
embeddings = "features.parquet"
draws = 8

[acquire]
n = 12

[allocate]
ceiling = 8

[loop]
learner = "head"
strategy = "mutual_information"

[zooniverse]
project = {PROJECT}
workflow = {WORKFLOW}
wording = "wording.toml"
retire_share = 1.0
credit = "a made-up survey"
"""


def write_project(folder: Path, settings: str = SETTINGS) -> dict[str, np.ndarray]:
    """Write a workspace of small pictures with features and a few votes, and return what volunteers would say."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    ids = [f"g{row:03d}" for row in range(GALAXIES)]
    for row, name in enumerate(ids):
        Image.fromarray(picture(row)).save(folder / "images" / f"{name}.jpg")
    chances = np.concatenate([rng.dirichlet(np.ones(3), GALAXIES), rng.dirichlet(np.ones(3), GALAXIES)], axis=1)
    table = pd.DataFrame({"id": ids, "file_loc": [f"images/{name}.jpg" for name in ids]})
    votes = np.zeros((GALAXIES, 6), dtype=int)
    for row in range(LABELLED):
        votes[row, :3] = rng.multinomial(20, chances[row, :3])
        votes[row, 3:] = rng.multinomial(votes[row, 1], chances[row, 3:])
    for column, given in zip(TREE.columns, votes.T, strict=True):
        table[column] = pd.array([*given[:LABELLED], *[pd.NA] * (GALAXIES - LABELLED)], dtype="Int64")
    table.to_csv(folder / "galaxies.csv", index=False)
    features = np.hstack([chances, rng.normal(size=(GALAXIES, 2))]).astype(np.float32)
    pd.DataFrame({"id": ids, "features": list(features)}).to_parquet(folder / "features.parquet", index=False)
    (folder / "tree.toml").write_text(TREE_TOML)
    (folder / "wording.toml").write_text(wording_toml(TREE, "tree.toml", int(WORKFLOW)))
    (folder / "zooactive.toml").write_text(settings)
    return dict(zip(ids, chances, strict=True))


@contextmanager
def project(folder: Path, monkeypatch, settings: str = SETTINGS) -> Iterator[World]:  # type: ignore[no-untyped-def]
    """Write the workspace and serve its project, with the stand-in's time, address and credentials in force."""
    with serving(World(TREE, write_project(folder, settings))) as world:
        for name, value in (("ENDPOINT", world.address), ("CLIENT_ID", "me"), ("CLIENT_SECRET", "s3cret")):
            monkeypatch.setenv(f"PANOPTES_{name}", value)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
        monkeypatch.setenv("CAESAR_ENDPOINT", f"{world.address}/caesar")
        monkeypatch.setattr("zooactive.workspace.loop_step.clock", lambda: world.now)
        yield world
