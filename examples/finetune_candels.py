"""A whole tree of questions from another survey: CANDELS, from the 45 example images of its classification interface.

    python finetune_candels.py [FOLDER]

FOLDER holds candels-QUESTION_a-ANSWER_N.jpg, questions and answers numbered as in the interface; by default that of a
checkout's shared data. This shows that the path works. It cannot show how well: most questions have a handful of images,
picked to be clear.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import pandas as pd

import zooactive as za
from zooactive.training.finetuning.config import FinetuneConfig

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "candels_examples"
QUESTIONS = {
    0: "smooth-or-featured", 1: "how-rounded", 2: "clumpy-appearance", 9: "disk-edge-on", 10: "edge-on-bulge",
    11: "bar", 12: "has-spiral-arms", 13: "spiral-winding", 15: "bulge-size",
}  # fmt: skip
"""Left out: 4 and 8, clump questions that the tree leaves out too, and 16, merging, which is asked after smooth and after
features: a file's name does not say after which."""


def votes_of_examples(folder: Path) -> tuple[pd.DataFrame, int]:
    """One vote for the answer that an image is an example of and for each that leads there; and how many are left out."""
    tree = za.load_tree("candels")
    rows, left = [], 0
    for path in sorted(folder.rglob("candels-*.jpg")):
        number, answer = map(int, re.findall(r"candels-(\d+)_a-(\d+)_", path.name)[0])
        if number not in QUESTIONS:
            left += 1
            continue
        votes = dict.fromkeys(tree.columns, 0)
        question = tree.question(QUESTIONS[number])
        column = question.columns[answer]
        while True:
            votes[column] = 1
            before = tree.question_of(column).asked_after
            if not before:
                break
            column = before[0]
        rows.append({"id": path.stem, "file_loc": str(path), **votes})
    return pd.DataFrame(rows), left


def main(examples: Path, folder: Path) -> None:
    """Learn all questions at once, and say on how little every number rests."""
    table, left = votes_of_examples(examples)
    if table.empty:
        raise SystemExit(f"there are no candels-*.jpg in {examples}: give the folder with the example images")
    table.to_csv(folder / "candels.csv", index=False)
    config = FinetuneConfig(policy="head", folds=5, balance=0.0)
    tuned = za.finetune(None, folder / "candels.csv", task="candels", config=config)
    print(tuned.questions().round(2).to_string(index=False))
    print(
        f"{len(table)} images, {left} left out. The intervals say it: so few galaxies tell nothing of how well the "
        "questions were learnt, only that a tree of votes goes all the way."
    )
    tuned.save(folder / "candels")
    print(f"the model is in {folder / 'candels'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED, Path(tempfile.mkdtemp(prefix="zooactive-")))
