"""Do from Python what `zooactive acquire`, `finetune`, `top` and `report` do in a workspace.

    python workspace.py [FOLDER]

FOLDER holds zooactive.toml, a trained model and predictions; without it `zooactive demo` makes one first, in two minutes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import zooactive as za


def main(folder: Path) -> None:
    """Choose galaxies, learn a task, list its surest galaxies, and write the page."""
    workspace = za.load_workspace(folder)
    selection = workspace.acquire(n=24, votes=20, score="mutual_information")
    print(selection[["id", "score", "question", "clicks"]].head(5).to_string(index=False))
    rings = workspace.finetune(task="rings", policy="head")
    print(f"rings: accuracy {rings.evaluate()['accuracy']:.2f} on galaxies held out")
    surest = workspace.top("ring_yes", task="rings", n=12)
    print(f"{len(surest)} galaxies: {surest.attrs['file']}, drawn in {surest.attrs['picture']}")
    print(f"the page: {workspace.report()}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        made = Path(tempfile.mkdtemp(prefix="zooactive-")) / "demo"
        subprocess.run([sys.executable, "-m", "zooactive", "demo", str(made)], check=True)
        main(made)
