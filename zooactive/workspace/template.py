"""The commented ``zooactive.toml`` that a workspace starts with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from zooactive.foundation.errors import WorkspaceError
from zooactive.foundation.writing import aside
from zooactive.models.config import Network
from zooactive.training.config import TrainingConfig
from zooactive.workspace.file import parse_settings
from zooactive.workspace.sections import FILE, OF_PIXELS, Acquire, Survey

_TEMPLATE = """\
# A zooactive workspace. You can give most values as options of a command instead. Paths start from this file.

[survey]
tree = {tree}              # `zooactive trees` lists them; a path that ends in .toml is a tree of your own
catalogue = {catalogue}    # CSV, Parquet, FITS or VOTable: an id, an image and vote columns, matched by name
{columns}# volunteers = 40          # behind each fraction, if the catalogue has fractions and no counts
# min_votes = 30           # votes on the first question that a galaxy needs to count as labelled
# where = "mag_r < 17.7"   # keep only these galaxies
# rule = "zhu2019"         # train on the clean classes that this rule makes from the votes
split = {split}  # training, validation, test: by hashed id
{rehearsal}

[model]
backbone = {backbone}      # one of "efficientnet_lite0", "efficientnet_b0", "resnet26", "small_cnn"
image_size = {image_size}
{start}# concentrations = "softplus"  # or "sigmoid", the published choice, whose alpha > 1 cannot say "all or nothing"
folder = "runs/first"

[training]
epochs = {epochs}
batch_size = {batch_size}
learning_rate = {learning_rate}
patience = {patience}             # stop after this many epochs without a better validation loss
# seed = 0

[pool]
{pool}predictions = "predictions"
draws = 64

[acquire]
n = {n}
votes = 40                 # volunteers who will see each chosen galaxy
# max_artifact = 0.5       # leave out galaxies that a larger share of volunteers would call an artifact
# target = "ANSWER"        # the answer that your science is about; default: everything that the network has to learn
# random_share = 0.1       # share of galaxies drawn at random: never train on them, they keep the metrics honest
out = "selection.csv"

[allocate]
# floor = 0                # minimum number of volunteers per galaxy
# ceiling = 40             # maximum number of volunteers per galaxy
# weights = {{ bar = 1 }}    # the questions that count; default: all of them, once each
# goal = "error"           # or "decision", "count", "model"

[loop]
# folder = "loop"          # folder of the rounds of `zooactive loop`
{learner}# warm = false             # whether a round's training starts from the round before
"""


_LABELS_ALONE = """\
# A zooactive workspace of labels alone. You can give most values as options of a command instead. Paths start from this
# file. Commands without --task use its only task: `zooactive finetune`, `predict`, `top`, `acquire`, `report`.
{tasks}# policy = "head"          # what is trained
# folds = 5                # measure by cross-validation, on all labels
# prevalence = 0.02        # share of galaxies on the sky whose label is yes, or the first label if there is no yes

[pool]
{pool}draws = 64

[acquire]
n = {n}
# out = "selection.csv"

[survey]
{id_column}{image_column}# tree = "gz2"             # for a survey of votes, with its catalogue: see `zooactive init --help`
"""
_IMAGE_COLUMN = '# image_column = "path"    # if it is not called file_loc, image or png_loc'
_LEARNER = '# learner = "network"      # or "head": train only the head, on features that are computed once'
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ID_COLUMN = '# id_column = "objid"      # if it is not called id, id_str, iauname, GalaxyID or survey_id'


def write_workspace(folder: str | Path, *, tree: str | None = None, catalogue: str | None = None, **values: Any) -> Path:
    """Write a commented ``zooactive.toml`` into a folder.

    Parameters
    ----------
    folder : path
    tree, catalogue : str, optional
        Without a tree, the workspace has labels alone and one task.
    **values
        Any of images, id_column, image_column, backbone, image_size, bands, stretch, start, epochs, batch_size,
        learning_rate, patience, n, pool, pool_images, embeddings, split, rehearsal, and `tasks`: name to (labels, images),
        or to the entries of ``[tasks.NAME]``.

    Raises
    ------
    WorkspaceError
        If the folder has such a file already.
    """
    path = Path(folder) / FILE
    if path.exists():
        raise WorkspaceError(f"{path} exists already; edit it, or choose another folder")
    tasks = values.get("tasks") or {}
    assert isinstance(tasks, dict)
    text = _labels_alone(values, tasks) if tree is None else _survey(tree, str(catalogue), values, tasks)
    parse_settings(text, path)  # never write a text that cannot be read back
    with aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _labels_alone(values: dict[str, Any], tasks: dict[str, Any]) -> str:
    """Return the text of a workspace of labels alone; its only task says what the encoder sees of an image."""
    pixels = {name: values[name] for name in OF_PIXELS if values.get(name)}
    tasks = {name: {**said, **pixels} if isinstance(said, dict) else said for name, said in tasks.items()}
    pool = _entry("catalogue", values.get("pool"), '# catalogue = "pool.csv"    # default: the table of labels itself')
    return _LABELS_ALONE.format(
        tasks=_tasks(tasks),
        pool=pool + _optional("images", values.get("pool_images")) + _optional("embeddings", values.get("embeddings")),
        n=values.get("n") or Acquire().n,
        id_column=_entry("id_column", values.get("id_column"), _ID_COLUMN + "; of the pool"),
        image_column=_entry("image_column", values.get("image_column"), _IMAGE_COLUMN + "; of the pool"),
    )


def _survey(tree: str, catalogue: str, values: dict[str, Any], tasks: dict[str, Any]) -> str:
    training = TrainingConfig()
    images, pool, rehearsal = values.get("images"), values.get("pool"), values.get("rehearsal")
    rehearsed = f"rehearsal = {rehearsal}" if rehearsal else "# rehearsal = 2000"
    return _TEMPLATE.format(
        tree=_quoted(tree),
        catalogue=_quoted(catalogue),
        columns=_entry("images", images, '# images = "images"        # where relative image paths start')
        + _entry("id_column", values.get("id_column"), _ID_COLUMN)
        + _entry("image_column", values.get("image_column"), _IMAGE_COLUMN),
        rehearsal=f"{rehearsed}         # pretend that only this many galaxies, by hashed id, have votes so far",
        split=list(values.get("split") or Survey().split),
        backbone=_quoted(values.get("backbone") or Network().backbone),
        image_size=values.get("image_size") or Network().image_size,
        start=_bands(values)
        + _entry(
            "start",
            values.get("start"),
            '# start = "bundled"        # start from the bundled encoder; with backbone efficientnet_lite0',
        ),
        epochs=values.get("epochs") or training.epochs,
        batch_size=values.get("batch_size") or training.batch_size,
        learning_rate=values.get("learning_rate") or training.learning_rate,
        patience=values.get("patience") or training.patience,
        n=values.get("n") or 500,
        pool=_entry("catalogue", pool, '# catalogue = "pool.csv"    # default: the survey\'s own galaxies')
        + _optional("images", values.get("pool_images"))
        + _optional("embeddings", values.get("embeddings")),
        learner=_entry("learner", "head" if values.get("embeddings") else None, _LEARNER),
    ) + _tasks(tasks)


def _bands(values: dict[str, Any]) -> str:
    """Return the bands of the network and how FITS images are scaled, if they are given."""
    return "".join(f"{name} = {json.dumps(values[name])}\n" for name in ("bands", "stretch") if values.get(name))


def _tasks(tasks: dict[str, Any]) -> str:
    """Return the tables of the tasks."""
    text = ""
    for name, said in tasks.items():
        entries = said if isinstance(said, dict) else dict(zip(("labels", "images"), said, strict=True))
        key = name if _BARE.fullmatch(name) else _quoted(name)
        text += f"\n[tasks.{key}]\n" + "".join(_optional(entry, value) for entry, value in entries.items())
    return text


def _optional(key: str, value: Any) -> str:
    return _entry(key, value, "") if value else ""


def _entry(key: str, value: Any, otherwise: str) -> str:
    said = _quoted(value) if isinstance(value, str) else json.dumps(value)
    return (f"{key} = {said}" if value else otherwise) + "\n"


def _quoted(text: str) -> str:
    """Return a TOML string, with quotes and backslashes in paths escaped as in JSON."""
    return json.dumps(text, ensure_ascii=False)
