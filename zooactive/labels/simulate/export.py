"""The Zooniverse's classification export of a subject set, with the answers of a simulated crowd."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from zooactive.foundation.errors import CatalogueError
from zooactive.foundation.hashing import hash_ids
from zooactive.foundation.spelling import from_spreadsheet
from zooactive.foundation.writing import aside
from zooactive.labels.classifications import NOT_LOGGED_IN
from zooactive.labels.simulate.crowd import Answers, Crowd
from zooactive.labels.simulate.forms import HEADER, Said, answers_given, export_row
from zooactive.labels.wording import Wording, WorkflowWording
from zooactive.tree import DecisionTree

_MOST = 1 << 12  # volunteers per galaxy: the last 12 bits of a classification's id count them
_PAUSE = 3  # seconds between two classifications


@dataclass(frozen=True, eq=False)
class _Job:
    """What the crowd is shown, and the wording of its answers."""

    workflow: WorkflowWording
    said: Said
    ids: list[str]
    rows: list[dict[str, str]]
    seed: int
    salt: bytes


def write_export(
    path: str | Path,
    manifest: pd.DataFrame,
    truth: pd.DataFrame,
    wording: Wording,
    *,
    crowd: Crowd | None = None,
    votes: int = 40,
    seed: int = 0,
) -> pd.DataFrame:
    """Let a crowd classify the subjects of a manifest, and write the classifications as the Zooniverse exports them.

    Each classification's id is a hash of galaxy, seed and volunteer. Another round therefore gives other ids, and the same
    round gives the same ids again. As on the Zooniverse, volunteers who are not logged in have a different name in each
    file, which follows from the file's name and content. Rows are written as they are made; the file may be larger than
    memory.

    Parameters
    ----------
    path : path
        The CSV to write.
    manifest : DataFrame
        A table of text, as `zooactive.labels.subjects.write_subjects` writes it. Each row is a subject, and becomes its
        metadata.
    truth : DataFrame
        ``id`` and the true probability of each answer, under the names of the tree's columns.
    wording : Wording
        The wording, whose first workflow is used. A question without a wording is not asked, nor are the questions after it.
    crowd : Crowd, optional
        The default is `Crowd()`.
    votes : int
        The number of volunteers per galaxy.
    seed : int
        Decides who sees which galaxy and what they answer.

    Returns
    -------
    DataFrame
        The votes given: ``id``, one column per answer of the tree, and ``volunteers``, in the manifest's order.

    Raises
    ------
    CatalogueError
        When the manifest lacks a galaxy id or has one twice, when the truth lacks a galaxy or a column, or when its values
        are not probabilities.
    """
    crowd, tree = crowd or Crowd(), wording.tree
    if not 1 <= votes <= _MOST:
        raise CatalogueError(f"{votes} volunteers on each galaxy were asked for; give 1 to {_MOST}")
    workflow = next(iter(wording.workflows.values()))
    rows = [
        {str(key): str(value) for key, value in row.items() if value != ""} for row in manifest.fillna("").to_dict("records")
    ]
    ids = _galaxies(rows, workflow)
    rho = _probabilities(truth, ids, tree)
    salt = blake2b("\n".join([Path(path).name, str(seed), str(votes), *ids]).encode(errors="surrogatepass")).digest()
    job = _Job(workflow, _said(workflow, tree), ids, rows, seed, salt)
    asked = np.array([column in job.said for column in range(len(tree.columns))])
    given, start = list[NDArray[np.int64]](), 0
    with aside(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        out = csv.DictWriter(stream, HEADER)
        out.writeheader()
        for part in crowd.classify(rho, tree, ids=ids, volunteers=votes, seed=seed):
            out.writerows(_classifications(part, job, start))
            given.append(part.counts(tree) * asked)
            start += len(part.who)
    counts = pd.DataFrame(np.concatenate(given), columns=list(tree.columns))
    counts.insert(0, "id", ids)
    return counts.assign(volunteers=votes)


def _classifications(part: Answers, job: _Job, start: int) -> Iterator[dict[str, object]]:
    """Yield rows of some galaxies: the first volunteer of each, then the second, as they arrive on the Zooniverse."""
    galaxies, volunteers = part.who.shape
    keys = hash_ids(job.ids[start : start + galaxies], purpose="crowd", seed=job.seed)
    numbers = (keys >> np.uint64(14)).astype(np.int64) * _MOST  # 50 bits of the hash and 12 that count
    subjects = (keys >> np.uint64(36)).astype(np.int64).tolist()
    version = "1.1" if job.workflow.versions is None else "{}.{}".format(*job.workflow.versions[0])
    seconds = start * volunteers * _PAUSE
    for turn in range(volunteers):
        chosen, who = part.chosen[:, turn].tolist(), part.who[:, turn].tolist()
        for galaxy in range(galaxies):
            columns = [column for column in chosen[galaxy] if column in job.said]
            seconds += _PAUSE
            yield export_row(
                int(numbers[galaxy]) + turn,
                _name(who[galaxy], job.salt),
                answers_given(columns, job.said),
                subjects[galaxy],
                job.rows[start + galaxy],
                workflow=job.workflow.id,
                version=version,
                seconds=seconds,
            )


def _name(volunteer: int, salt: bytes) -> str:
    """Return a volunteer's name; one in five has only a hash, which differs in each export."""
    if volunteer % 5 != 4:
        return f"volunteer-{volunteer}"
    return NOT_LOGGED_IN + blake2b(str(volunteer).encode(), key=salt, digest_size=10).hexdigest()


def _said(workflow: WorkflowWording, tree: DecisionTree) -> dict[int, tuple[str, str]]:
    """Return the first wording of each answer, for the questions whose parents also have a wording."""
    words: dict[int, tuple[str, str]] = {}
    for (task, text), column in workflow.answers.items():
        words.setdefault(column, (task, text))
    asked = set[int]()
    for question in tree.order:
        if question in workflow.tasks.values() and (tree.parents[question] < 0 or tree.parents[question] in asked):
            asked.add(question)
    if not asked:
        raise CatalogueError(f"the wording of workflow {workflow.id} lacks the tree's first question; add its wording")
    return {column: text for column, text in words.items() if int(tree.question_index[column]) in asked}


def _galaxies(rows: list[dict[str, str]], workflow: WorkflowWording) -> list[str]:
    """Return the id of each subject's galaxy, from the metadata entries that the wording names."""
    ids = [from_spreadsheet(next((row[name] for name in workflow.galaxy if name in row), "")) for row in rows]
    if not ids or "" in ids:
        where = f"row {ids.index('') + 1} of the manifest has" if ids else "the manifest has no rows, and so"
        raise CatalogueError(f"{where} no galaxy id; the wording looks for it in {', '.join(workflow.galaxy)}")
    if len(set(ids)) < len(ids):
        double = next(galaxy for galaxy in ids if ids.count(galaxy) > 1)
        raise CatalogueError(f"the galaxy '{double}' is twice in the manifest; keep one row")
    return ids


def _probabilities(truth: pd.DataFrame, ids: list[str], tree: DecisionTree) -> NDArray[np.float64]:
    """Return the true probabilities of these galaxies, shape (G, answer)."""
    missing = [name for name in ("id", *tree.columns) if name not in truth]
    if missing:
        raise CatalogueError(
            f"the truth has no column '{missing[0]}'; tree '{tree.name}' needs id and {len(tree.columns)} more"
        )
    row_of = {str(galaxy): row for row, galaxy in enumerate(truth["id"])}
    strangers = [galaxy for galaxy in ids if galaxy not in row_of]
    if strangers:
        raise CatalogueError(
            f"the truth lacks {len(strangers)} galaxies of the manifest, such as '{strangers[0]}'; give that sky's truth"
        )
    known = truth[list(tree.columns)].to_numpy(dtype=np.float64)[[row_of[galaxy] for galaxy in ids]]
    wrong = ~((known >= 0).all(axis=1) & (np.abs(tree.question_sums(known) - 1) < 1e-6).all(axis=1))
    if wrong.any():
        raise CatalogueError(
            f"the truth of '{ids[int(np.argmax(wrong))]}' is not a probability: the answers of each question must sum to 1"
        )
    return known
