"""The commented ``zooactive.toml`` that a workspace starts with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.writing import aside
from zooactive.models.config import Network
from zooactive.training.config import TrainingConfig
from zooactive.workspace.file import parse_settings
from zooactive.workspace.sections import FILE, Survey

_TEMPLATE = """\
# A zooactive workspace. Most values can be given as options of a command instead; paths start from this file.

[survey]
tree = {tree}              # `zooactive trees` lists them; a path that ends in .toml is a tree of your own
catalogue = {catalogue}    # CSV, Parquet, FITS or VOTable: an id, an image and vote columns, matched by name
{images}{id_column}# volunteers = 40          # behind each fraction, where the catalogue has fractions and no counts
# min_votes = 30           # votes on the first question from which a galaxy counts as labelled
# where = "mag_r < 17.7"   # keep some galaxies only
# rule = "zhu2019"         # learn the clean classes that this rule makes of the votes
split = {split}  # training, validation, test: by hashed id
{rehearsal}

[model]
backbone = {backbone}      # or "efficientnet_lite0", "efficientnet_b0", "resnet26", "small_cnn"
image_size = {image_size}
{start}# concentrations = "softplus"  # or "sigmoid", the published choice, whose alpha > 1 cannot say "all or nothing"
folder = "runs/first"

[training]
epochs = {epochs}
batch_size = {batch_size}
learning_rate = {learning_rate}
patience = {patience}             # epochs without a better validation loss, then stop
# seed = 0

[pool]
{pool}predictions = "predictions"
draws = 64

[acquire]
n = {n}
votes = 40                 # volunteers that each chosen galaxy will be shown to
# max_artifact = 0.5       # leave out what more than this share of the volunteers would call an artifact
# target = "ANSWER"        # an answer that the science is about; default: all that the network has to learn
# random_share = 0.1       # reserved for galaxies drawn at random: never train on them, they keep the metrics honest
out = "selection.csv"

[allocate]
# floor = 0                # volunteers that every galaxy is shown to at least, and at most
# ceiling = 40
# weights = {{ bar = 1 }}    # the questions that count; default: all of them, once each
# goal = "error"           # or "decision", "count", "model"

[loop]
# folder = "loop"          # of the rounds that `zooactive loop` plays
# learner = "network"      # or "head": the head alone, on features that are computed once
# warm = false             # whether a round's training starts from the round before
"""


_ID_COLUMN = '# id_column = "objid"      # where it is not called id, id_str, iauname, GalaxyID or survey_id'


def write_workspace(folder: str | Path, *, tree: str, catalogue: str, **values: Any) -> Path:
    """Write a commented ``zooactive.toml`` into a folder.

    Parameters
    ----------
    folder : path
    tree, catalogue : str
    **values
        Any of images, id_column, backbone, image_size, start, epochs, batch_size, learning_rate, patience, n, pool,
        split, rehearsal, and `tasks`: name to (labels, images).

    Raises
    ------
    WorkspaceError
        When the folder has one already.
    """
    path = Path(folder) / FILE
    if path.exists():
        raise WorkspaceError(f"{path} is there already; edit it, or choose another folder")
    training = TrainingConfig()
    images, pool, rehearsal = values.get("images"), values.get("pool"), values.get("rehearsal")
    rehearsed = f"rehearsal = {rehearsal}" if rehearsal else "# rehearsal = 2000"
    text = _TEMPLATE.format(
        tree=_quoted(tree),
        catalogue=_quoted(catalogue),
        images=_entry("images", images, '# images = "images"        # where relative image paths start'),
        id_column=_entry("id_column", values.get("id_column"), _ID_COLUMN),
        rehearsal=f"{rehearsed}         # pretend that only so many galaxies, by hashed id, have votes yet",
        split=list(values.get("split") or Survey().split),
        backbone=_quoted(values.get("backbone") or Network().backbone),
        image_size=values.get("image_size") or Network().image_size,
        start=_entry(
            "start",
            values.get("start"),
            '# start = "bundled"        # from the encoder that comes along; with backbone efficientnet_lite0',
        ),
        epochs=values.get("epochs") or training.epochs,
        batch_size=values.get("batch_size") or training.batch_size,
        learning_rate=values.get("learning_rate") or training.learning_rate,
        patience=values.get("patience") or training.patience,
        n=values.get("n") or 500,
        pool=_entry("catalogue", pool, '# catalogue = "pool.csv"    # default: the survey\'s own galaxies'),
    )
    tasks = values.get("tasks") or {}
    assert isinstance(tasks, dict)
    for name, (labels, task_images) in tasks.items():
        text += f"\n[tasks.{name}]\nlabels = {_quoted(labels)}\n"
        text += _entry("images", task_images, "")
    parse_settings(text, path)  # what cannot be read back is not written
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _entry(key: str, value: str | None, otherwise: str) -> str:
    return (f"{key} = {_quoted(value)}" if value else otherwise) + "\n"


def _quoted(text: str) -> str:
    """Return a TOML string: quotes and backslashes in paths are escaped as JSON escapes them."""
    return json.dumps(text, ensure_ascii=False)
