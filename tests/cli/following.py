"""Every "Next:" line of every command, run as it is printed: `nox -s following`; the cheap ones by test_following.py.

A run begins with commands that a user types, each in a folder, and goes on with what each prints, until nothing new comes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

NEXT, THEN = "Next: ", "Then: "


@dataclass
class Followed:
    """The lines that were run, and those that failed with what they said."""

    typed: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def next_line(said: str) -> str | None:
    """Return the command that is next by the last lines of a command, or of the last of several in one line."""
    found = [line.removeprefix(NEXT) for line in said.splitlines() if line.startswith(NEXT)]
    return found[-1] if found else None


def follow(
    commands: Iterable[str], folder: Path, run: Callable[[str, Path], tuple[int, str]], told: Callable[[str], None] = print
) -> Followed:
    """Run commands in a folder, and after each what it says is next, and so on, each line once."""
    out, seen = Followed(), set()
    for command in commands:
        code, said = run(command, folder)
        out.typed.append(command)
        assert code == 0, f"$ {command}\n{said}"
        where = folder
        while (line := next_line(said)) is not None and (line, where) not in seen:
            seen.add((line, where))
            out.lines.append(line)
            code, said = run(line, where)
            told(f"{'ok' if code == 0 else 'FAILED'}  {where.name}$ {line}")
            if code:
                out.failed[line] = said
                break
            if line.startswith("cd "):
                where = where / line.split(" && ")[0].removeprefix("cd ").strip("'\"")
    return out


def run_in_a_shell(line: str, folder: Path) -> tuple[int, str]:
    """Run a line as a shell does, with the `zooactive` of this Python first on the path."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


# The session ----------------------------------------------------------------------------------------------------------

SMALL = "--backbone small_cnn --image-size 32 --epochs 1"
HEAD = "--policy head"


def scenarios(survey: Path) -> dict[str, list[str]]:
    """Return what is typed, by the folder that it is typed in; everything else comes from the lines."""
    tree, votes, images = survey / "tree.toml", survey / "survey.csv", survey / "images"
    odd, folder = survey / "odd.csv", survey / "images"
    rings, features = survey / "some-rings.csv", survey / "features.parquet"
    of_survey = f"--tree {tree} --catalogue {votes} --images {images}"
    of_odd = "--id 'gal name' --image 'cut out'"
    return {
        "survey in a workspace": [
            f"zooactive init . {of_survey} {SMALL} --n 6 --rehearsal 40 --rings {survey / 'some-rings.csv'}",
            "zooactive show g003",
            "zooactive top smooth-or-featured_smooth --n 5",
            "zooactive similar g003 --n 5",
            "zooactive acquire",
            f"zooactive finetune --task rings --model runs/first {HEAD} --images {images}",
            "zooactive top --task rings --n 5",
            "zooactive acquire --task rings",
            "zooactive catalogue",
            "zooactive allocate --clicks 500",
            "zooactive export",
            f"zooactive predict --catalogue {folder} --out elsewhere",
            "zooactive top --predictions elsewhere --n 4",
            "zooactive similar g003 --predictions elsewhere --n 4",
            "zooactive calibrate",
            "zooactive loop ask --n 4",
            "zooactive loop status",
        ],
        "survey in a workspace elsewhere": [
            f"zooactive init 'a workspace' {of_survey} {SMALL} --n 6 --rehearsal 40",
            "zooactive top -w 'a workspace' --n 5",
            "zooactive show -w 'a workspace' g003",
            "zooactive loop rehearse -w 'a workspace' --seeds 1 --start 20 --rounds 1 --n 4 --strategy random",
        ],
        "survey without a workspace": [
            f"zooactive prepare {of_survey} --image-size 32",
            f"zooactive train {of_survey} {SMALL} --run-dir runs/second",
            f"zooactive calibrate {of_survey}",
            "zooactive top --predictions predictions --n 5",
            "zooactive similar g003 --predictions predictions --n 5",
            f"zooactive show {images / 'g003.jpg'} --model runs/first",
            f"zooactive show g003 --model runs/first --catalogue {votes} --images {images}",
            f"zooactive predict --catalogue {folder} --model runs/first --out elsewhere",
            f"zooactive finetune {odd} --column 'a ring' {of_odd} --model runs/first {HEAD}",
            "zooactive top --task 'a ring' --n 4",
            f"zooactive catalogue --predictions predictions --votes {votes}",
        ],
        "labels alone": [
            f"zooactive init . --labels {odd} --column 'a ring' {of_odd} --pool {folder} --n 4",
            "zooactive top --n 4",
            "zooactive show g003",
            "zooactive similar g003 --n 4",
            "zooactive allocate --clicks 20",
            "zooactive catalogue",
            "zooactive export",
        ],
        "labels alone elsewhere, without a pool": [
            f"zooactive init here --labels {odd} --column 'a ring' {of_odd} --n 4",
            "zooactive top -w here --n 4",
        ],
        "embeddings without a workspace": [
            f"zooactive embed --model bundled --catalogue {votes} --images {images} --out own",
            f"zooactive finetune {rings} --column ring --embeddings own",
            "zooactive top --task ring --n 4",
            "zooactive acquire --task ring --n 4",
            "zooactive allocate --task ring --clicks 20",
            "zooactive show g003 --model tasks/ring",
            "zooactive similar g003 --embeddings own --n 4",
            f"zooactive top --task ring --n 4 --catalogue {images}",
        ],
        "embeddings of labels alone": [
            f"zooactive init . --labels {rings} --column ring --embeddings {features} --n 4",
            "zooactive top --n 4",
            "zooactive similar g003 --n 4",
            "zooactive allocate --clicks 20",
        ],
        "embeddings of a survey": [
            f"zooactive init . {of_survey} --n 4 --rehearsal 40 --embeddings {features}",
            f"zooactive finetune {votes} --task {survey / 'votes.toml'}",
            "zooactive top smooth-or-featured_smooth --task votes --n 4",
            "zooactive evaluate --model tasks/votes",
        ],
        "a simulated sky": [
            "zooactive trees",
            "zooactive trees gz2",
            "zooactive simulate sky sky --n 40 --size 32 --labelled 30",
            "zooactive acquire -w sky --n 4",
            "zooactive export -w sky",
            "zooactive simulate crowd sky/subjects/manifest.csv --truth sky/truth.csv --wording sky/wording.toml --votes 5",
        ],
    }


def write_odd_labels(survey: Path) -> None:
    """Write some of the labels of rings.csv, and the same with columns that nothing looks for by itself."""
    import pandas as pd

    rings = pd.read_csv(survey / "rings.csv", dtype=str)
    names = {"gal name": rings["id"], "cut out": "images/" + rings["id"] + ".jpg", "a ring": rings["ring"]}
    some = len(rings) * 3 // 4
    pd.DataFrame(names)[:some].to_csv(survey / "odd.csv", index=False)
    rings[:some].to_csv(survey / "some-rings.csv", index=False)


def write_features(survey: Path) -> None:
    """Write what some other program's encoder might have given, and a task of the survey's own questions."""
    import numpy as np
    import pandas as pd

    ids = pd.read_csv(survey / "rings.csv", dtype=str)["id"]
    features = np.random.default_rng(0).normal(size=(len(ids), 8)).astype(np.float32)
    pd.DataFrame({"id": ids, "features": list(features)}).to_parquet(survey / "features.parquet", index=False)
    (survey / "votes.toml").write_text(f'name = "votes"\ntree = "{survey / "tree.toml"}"\n')


def main() -> int:
    """Run everything, or the scenarios whose names hold the words given; return how many lines failed."""
    from small_survey import write_survey

    home, began = Path(tempfile.mkdtemp(prefix="zooactive-following-")), time.monotonic()
    survey = write_survey(home / "survey", 64)
    write_odd_labels(survey)
    write_features(survey)
    lines: list[str] = []
    failed: dict[str, str] = {}
    for name, typed in scenarios(survey).items():
        if not all(word in name for word in sys.argv[1:]):
            continue
        print(f"\n{name}")
        folder = home / name.replace(" ", "-")
        folder.mkdir()
        found = follow(typed, folder, run_in_a_shell)
        lines += found.lines
        failed |= found.failed
    for line, said in failed.items():
        print(f"\n$ {line}\n{said}")
    print(f"\n{len(lines)} lines, {len(lines) - len(failed)} green, {(time.monotonic() - began) / 60:.1f} minutes")
    shutil.rmtree(home)
    return len(failed)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(min(main(), 1))
