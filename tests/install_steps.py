"""The install steps of the container files, taken from the files themselves and run without a container.

    python tests/install_steps.py FOLDER [VARIANT ...]

In FOLDER each variant gets what its file copies, and an empty virtual environment in place of the base image. Its `pip`
lines are run there as they stand, with the copied folder in place of `/src`. Then its `zooactive` is asked for its
help, its trees, and a prediction by the bundled encoder. The variants are `cpu` and `cuda` (Dockerfile), `zooactive`
and `zooactive-cuda` (Apptainer); without names, those for processors.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
INSTALL = REPOSITORY / "docs" / "install"

PREDICT = """
import zooactive as za
from zooactive.foundation.catalogs import catalogs_folder
galaxies = za.read_catalogue(catalogs_folder() / "samples" / "rings.parquet").head(2)
print(za.predict(za.load_model("bundled"), galaxies, draws=4))
"""


@dataclass(frozen=True)
class Steps:
    """What a container file does to install zooactive."""

    image: str
    copies: tuple[tuple[str, str], ...]
    """(path in the repository, path in the image), in order."""
    pip: tuple[str, ...]
    """The lines that call pip, in order."""
    environment: dict[str, str]


def of_dockerfile(text: str, stage: str) -> Steps:
    """Return the steps of one stage of a Dockerfile, those of the stages that it begins with first."""
    lines = re.sub(r"\s*\\\n\s*", " ", re.sub(r"(?m)^\s*#.*\n", "", text)).splitlines()
    stages: dict[str, list[tuple[str, str]]] = {}
    bases: dict[str, str] = {}
    name = ""
    for word, _, rest in (line.strip().partition(" ") for line in lines if line.strip()):
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            bases[name], stages[name] = base, list(stages.get(base, []))
        else:
            stages[name].append((word, rest))
    image = bases[stage]
    while image in bases:
        image = bases[image]
    copies = [shlex.split(rest) for word, rest in stages[stage] if word == "COPY"]
    return Steps(
        image,
        tuple(
            (source, target + Path(source).name if target.endswith("/") else target)
            for *sources, target in copies
            for source in sources
        ),
        tuple(rest for word, rest in stages[stage] if word == "RUN" and rest.startswith("pip ")),
        dict(pair.split("=", 1) for word, rest in stages[stage] if word == "ENV" for pair in shlex.split(rest)),
    )


def of_apptainer(text: str) -> Steps:
    """Return the steps of an Apptainer definition."""
    head, *parts = re.split(r"(?m)^%(?=\w)", text)
    sections = {part.partition("\n")[0].strip(): part.partition("\n")[2] for part in parts}
    image = re.search(r"(?m)^From: (\S+)$", head)
    assert image is not None, "the definition names no image after 'From:'"
    lines = {name: [line.strip() for line in body.splitlines() if line.strip()] for name, body in sections.items()}
    exports = [line.removeprefix("export ") for line in lines["environment"] if line.startswith("export ")]
    return Steps(
        image[1],
        tuple((source, target) for source, target in map(shlex.split, lines["files"])),
        tuple(line for line in lines["post"] if line.startswith("pip ")),
        dict(line.split("=", 1) for line in exports),
    )


def read_steps() -> dict[str, Steps]:
    """Return the steps of every variant."""
    dockerfile = (INSTALL / "Dockerfile").read_text(encoding="utf-8")
    return {
        **{stage: of_dockerfile(dockerfile, stage) for stage in ("cpu", "cuda")},
        **{path.stem: of_apptainer(path.read_text(encoding="utf-8")) for path in sorted(INSTALL.glob("*.def"))},
    }


def copy_files(steps: Steps, root: Path) -> None:
    """Copy into a folder what a container file copies into the image."""
    for source, target in steps.copies:
        here, there = REPOSITORY / source, root / target.lstrip("/")
        there.parent.mkdir(parents=True, exist_ok=True)
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, there)


def run(name: str, steps: Steps, folder: Path) -> None:
    """Run a variant's steps in a fresh folder, and try what they installed."""
    root = folder / name
    shutil.rmtree(root, ignore_errors=True)
    copy_files(steps, root)
    venv.create(root / "venv", with_pip=True)
    kept = {word: value for word, value in os.environ.items() if not word.startswith(("PYTHON", "VIRTUAL_ENV"))}
    # pip's own cache is used, so that a second variant need not fetch everything again.
    said = {word: value for word, value in steps.environment.items() if word != "PIP_NO_CACHE_DIR"}
    environment = kept | said | {"PATH": f"{root / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    work = root / "work"
    work.mkdir()
    began = time.monotonic()
    for line in steps.pip:
        print(f"{name}: {line}", flush=True)
        subprocess.run(["bash", "-euc", line.replace("/src", str(root / "src"))], cwd=work, env=environment, check=True)
    shutil.rmtree(root / "src")  # an image without it has to work too
    for command in (["zooactive", "--help"], ["zooactive", "trees"], ["pip", "check"], ["python", "-c", PREDICT]):
        print(f"{name}: {shlex.join(command)[:80]}", flush=True)
        subprocess.run(command, cwd=work, env=environment, check=True, stdout=subprocess.DEVNULL)
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    shutil.rmtree(root)


if __name__ == "__main__":
    known = read_steps()
    for variant in sys.argv[2:] or [name for name in known if "cuda" not in name]:
        run(variant, known[variant], Path(sys.argv[1]).resolve())
