"""Run every fenced block of the pages, page by page, each in a fresh folder: ``python docs/run_blocks.py [PAGE.md ...]``.

`python` and `console` blocks are run in order, with one namespace and one folder a page. In that folder lies a small survey
of the bundled galaxies (`furnish`). A `text` block right after one that was run is what it prints: words and whole numbers
are compared, the digits after a point are the processor's own. `toml` is parsed and, where it is a file of zooactive's,
read by the reader of its kind; a first line `# NAME.toml` puts it into the page's folder under that name. HTML comments
say the rest:

    <!-- not run: REASON -->        before a block that cannot run here
    <!-- not compared: REASON -->   before an output that differs from run to run

A block inside a comment is run and not shown: it sets the stage.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

PYTHON, SHELL, OUTPUT = ("python",), ("console", "bash", "sh"), ("text",)
KNOWN = {*PYTHON, *SHELL, *OUTPUT, "toml", "{eval-rst}", "{toctree}", "{include}"}
_BLOCK = re.compile(
    r"^(?:<!-- (?P<remark>not run|not compared): (?P<reason>[^\n]+) -->\n)?```(?P<language>\S+)[^\n]*\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_WORKSPACE = {"survey", "model", "training", "pool", "acquire", "allocate", "loop", "zooniverse", "tasks"}


class BlockError(Exception):
    """A block that failed, or printed something else than its page says."""


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, what it is, and why it is not run or not compared, if it is not."""

    page: Path
    line: int
    language: str
    text: str
    remark: str | None
    reason: str | None
    follows: bool
    """Whether nothing but blank lines stands between it and the block before."""

    @property
    def place(self) -> str:
        """Page and line, as an editor takes them."""
        return f"{self.page.relative_to(REPOSITORY) if self.page.is_relative_to(REPOSITORY) else self.page}:{self.line}"


@dataclass
class Tally:
    """What was done with the blocks, and what was not."""

    counts: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def leave(self, block: Block) -> None:
        """Note a block that is left alone, with the reason that the page gives."""
        self.counts[f"{block.remark}"] += 1
        self.left.append(f"{block.place}: {block.remark}: {block.reason}")


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order, those inside comments too."""
    text, found, end = page.read_text(encoding="utf-8"), [], 0
    for match in _BLOCK.finditer(text):
        parts = match.groupdict()
        if parts["language"] not in KNOWN:
            raise BlockError(f"{page.name}: a block of '{parts['language']}'; known are {', '.join(sorted(KNOWN))}")
        line = text.count("\n", 0, match.start("language")) + 1
        follows = bool(found) and not text[end : match.start()].strip()
        found.append(Block(page, line, parts["language"], parts["text"], parts["remark"], parts["reason"], follows))
        end = match.end()
    return found


def run_page(page: Path, folder: Path, tally: Tally, *, epochs: int | None = None) -> None:
    """Run the blocks of a page in a folder.

    Parameters
    ----------
    page, folder : Path
    tally : Tally
        Is added to.
    epochs : int, optional
        Takes the place of every `epochs=` of the Python, where it matters only that the page runs; nothing is compared then.

    Raises
    ------
    BlockError
        At the first block that fails or prints something else.
    """
    namespace: dict[str, Any] = {"__name__": "page"}
    here, printed = folder, None
    for block in blocks_of(page):
        if block.remark == "not run":
            tally.leave(block)
            printed = None
        elif block.language in PYTHON:
            code = block.text if epochs is None else re.sub(r"epochs=\d+", f"epochs={epochs}", block.text)
            printed = _run_python(block, code, namespace, here)
            tally.counts["run"] += 1
        elif block.language in SHELL:
            printed, here = _run_shell(block, here, folder)
            tally.counts["run"] += 1
        elif block.language == "toml":
            read_toml(block, here)
            tally.counts["parsed"] += 1
        elif block.language in OUTPUT and block.follows and printed is not None and epochs is None:
            if block.remark == "not compared":
                tally.leave(block)
            else:
                _compare(block, printed)
                tally.counts["compared"] += 1


def commands_of(block: Block) -> list[str]:
    """Return what a reader would type: the lines after `$`, with those that they go on in."""
    if block.language != "console":
        return block.text.splitlines()
    lines = block.text.replace("\\\n", "").splitlines()
    shown = [line for line in lines if line.strip() and not line.startswith("$ ")]
    if shown:
        raise BlockError(f"{block.place}: '{shown[0]}' does not begin with '$ '; what a command prints is a text block")
    return [line.removeprefix("$ ") for line in lines if line.strip()]


def _run_python(block: Block, code: str, namespace: dict[str, Any], here: Path) -> str:
    lines = "\n" * block.line + code  # so that a traceback names the page's own line
    out = io.StringIO()
    try:
        with contextlib.chdir(here), contextlib.redirect_stdout(out):
            exec(compile(lines, str(block.page), "exec"), namespace)
    except Exception as error:
        raise BlockError(f"{block.place}: {traceback.format_exc(limit=-3)}") from error
    return out.getvalue()


def _run_shell(block: Block, here: Path, folder: Path) -> tuple[str, Path]:
    """Run commands with this Python's programs first in the path; return what they print and where they end."""
    left = folder / ".here"
    script = "\n".join(["set -euo pipefail", *commands_of(block), f"pwd > '{left}'"])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=here, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BlockError(f"{block.place}: exit code {done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
    return done.stdout, Path(left.read_text().strip())


def read_toml(block: Block, here: Path) -> None:
    """Read a block as the file that it is an example of, or else as TOML; under its name it stays in the page's folder."""
    from zooactive.catalogue import load_rule
    from zooactive.foundation import ZooactiveError
    from zooactive.labels import load_wording
    from zooactive.training.finetuning.tasks import load_task
    from zooactive.training.recipes import load_recipe
    from zooactive.tree import load_tree
    from zooactive.workspace.file import load_settings

    name = re.match(r"# (\S+\.toml)\n", block.text)
    file = here / name[1] if name else here / ".blocks" / "zooactive.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(block.text, encoding="utf-8")
    try:
        entries = tomllib.loads(block.text)
        if "question" in entries:
            load_tree(file)
        elif "workflow" in entries:
            load_wording(file)
        elif "classes" in entries:
            load_rule(file)
        elif "tree" in entries:
            load_task(file)
        elif "name" in entries:
            load_recipe(file)
        elif entries.keys() <= _WORKSPACE | {"recipe"}:
            load_settings(file)
    except (tomllib.TOMLDecodeError, ZooactiveError) as error:
        raise BlockError(f"{block.place}: {error}") from error


def _compare(block: Block, printed: str) -> None:
    if _plain(block.text) != _plain(printed):
        raise BlockError(f"{block.place}: the page says\n{block.text}\nand what was printed is\n{printed}")


def _plain(text: str) -> list[list[str]]:
    """Words of each line, with 0 for every number that has a point."""
    return [re.sub(r"-?\d+\.\d+", "0", line).split() for line in text.strip().splitlines()]


def furnish(folder: Path, *, labelled: int = 140, pool: int = 600, labels: int = 120) -> None:
    """Lay out what the pages suppose a reader has.

    `galaxies.csv` has galaxies with Galaxy Zoo 2's votes, and others without: the sample's other galaxies, each again and
    again. Coordinates and magnitudes are made up; images are in `cutouts`. `pool.csv` has those without votes alone,
    `truth.csv` the probabilities by which a simulated crowd would answer, `wording.toml` its workflow. `rings.csv` and
    `mine.csv` (a made-up column `merger`) hold labels, with images in `ring-cutouts`; `zoobot.parquet` has made-up
    features of the same galaxies. `examples` are this package's.
    """
    import numpy as np
    import pandas as pd

    from zooactive.labels.simulate.forms import wording_toml
    from zooactive.tree import load_tree

    tree = load_tree("gz2")
    votes = list(tree.columns)
    sample = pd.read_parquet(REPOSITORY / "catalogs" / "samples" / "gz2_votes.parquet").drop(columns="gz2_class")
    again = labelled + np.arange(pool) % (len(sample) - labelled)
    survey = sample.iloc[np.concatenate([np.arange(labelled), again])].reset_index(drop=True)
    survey["id"] = [*survey["id"][:labelled], *(f"{galaxy}-{row}" for row, galaxy in enumerate(survey["id"][labelled:]))]
    rings = pd.read_parquet(REPOSITORY / "catalogs" / "samples" / "rings.parquet").groupby("ring").head(labels // 2).copy()
    for table, cutouts in ((survey, "cutouts"), (rings, "ring-cutouts")):
        (folder / cutouts).mkdir()
        for galaxy, image in zip(table["id"], table.pop("image"), strict=True):
            (folder / cutouts / f"{galaxy}.jpg").write_bytes(image["bytes"] if isinstance(image, dict) else image)
        table.insert(1, "file_loc", [f"{cutouts}/{galaxy}.jpg" for galaxy in table["id"]])
    counts = survey[votes].to_numpy(dtype=float) + 0.1
    truth = pd.DataFrame(tree.fractions(counts), columns=votes)
    truth.insert(0, "id", survey["id"])
    truth.to_csv(folder / "truth.csv", index=False)
    (folder / "wording.toml").write_text(wording_toml(tree, "gz2", 1), encoding="utf-8")

    survey[votes] = survey[votes].astype("Int64")  # whole numbers, and blank where nobody was asked
    survey.iloc[labelled:, survey.columns.get_indexer(votes)] = pd.NA
    row = np.arange(len(survey))
    survey = survey.assign(ra=(150 + row / 50).round(4), dec=2.5, mag_r=(14 + row / 150).round(2))
    survey.to_csv(folder / "galaxies.csv", index=False)
    survey.iloc[labelled:].drop(columns=votes).to_csv(folder / "pool.csv", index=False)
    rings[["id", "file_loc", "ring"]].to_csv(folder / "rings.csv", index=False)
    rings[["id", "file_loc"]].assign(merger=np.arange(len(rings)) % 3 == 0).to_csv(folder / "mine.csv", index=False)
    features = list(np.random.default_rng(0).normal(size=(len(rings), 16)).astype(np.float32))
    pd.DataFrame({"id": rings["id"], "features": features}).to_parquet(folder / "zoobot.parquet", index=False)
    (folder / "examples").symlink_to(REPOSITORY / "examples")


@contextlib.contextmanager
def stage() -> Iterator[Path]:
    """Yield a fresh furnished folder, which goes away afterwards."""
    with tempfile.TemporaryDirectory(prefix="zooactive-page-") as name:
        folder = Path(name).resolve()
        furnish(folder)
        yield folder


def run_alone(page: Path) -> Tally:
    """Run a page in a fresh folder, and say how long it took."""
    tally, began = Tally(), time.monotonic()
    try:
        with stage() as folder:
            run_page(page, folder, tally)
    except BlockError as error:
        tally.failures.append(str(error))
    took, work = time.monotonic() - began, sum(os.times()[:4])
    print(f"{page.name}: {took:.0f} s, {work:.0f} s of a processor core", file=sys.stderr, flush=True)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run pages, each in a process of its own, say what was done, and return 1 where one failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, help="Markdown files (default: README.md and all of docs/)")
    parser.add_argument("--jobs", type=int, default=2, help="Pages at a time (default: 2).")
    options = parser.parse_args(arguments)
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="1", MPLBACKEND="Agg", COLUMNS="120")
    total = Tally()
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for tally in pool.map(run_alone, [page.resolve() for page in options.pages] or PAGES):
            total.counts.update(tally.counts)
            total.left += tally.left
            total.failures += tally.failures
    print("\n".join([*total.left, *(f"FAILED {failure}" for failure in total.failures)]))
    counts = total.counts
    print(
        f"{counts['run']} blocks run, {counts['compared']} outputs compared, {counts['parsed']} blocks of TOML read;",
        end=" ",
    )
    print(f"{counts['not run']} not run, {counts['not compared']} not compared; {len(total.failures)} pages failed")
    return bool(total.failures)


if __name__ == "__main__":
    sys.exit(main())
