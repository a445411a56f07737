"""Everything that is checked before a change is kept: `nox` runs tests, lint and types; `nox -l` lists the rest."""

from __future__ import annotations

import re
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types"]

PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> tuple[str, ...]:
    """The packages of one of pyproject's dependency groups."""
    return nox.project.dependency_groups(PROJECT, name)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests and the docstrings' examples; arguments go to pytest instead."""
    session.install("-e", ".", *group("test"))
    # Two processes, a file's tests in one of them; with a thread each they do not wait for each other's.
    everything = ("-n", "2", "--dist", "loadfile", "--doctest-modules", "zooactive", "tests")
    session.run("pytest", *(session.posargs or everything), env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})


@nox.session
def oldest(session: nox.Session) -> None:
    """The tests with the oldest releases that pyproject allows of what it names; what these bring along is new."""
    stated = (*PROJECT["project"]["dependencies"], *group("test"))
    session.install("-e", ".", *(re.sub(r">=([\w.]+).*", r"==\1", requirement) for requirement in stated))
    # Old packages call what their newer neighbours will drop one day.
    session.run("pytest", "-W", "ignore::DeprecationWarning", *(session.posargs or ("tests",)))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Every reader against damaged and odd files: 2000 a test, or the number given."""
    session.install("-e", ".", *group("test"))
    number = session.posargs[0] if session.posargs else "2000"
    session.run("pytest", "-n", "2", "tests/fuzz", "--hypothesis-seed=0", env={"ZOOACTIVE_FUZZ": number})


@nox.session
def drills(session: nox.Session) -> None:
    """Every command that writes, killed, met by another of its kind and on a full disk, half an hour; or those given."""
    session.install("-e", ".", *group("test"))
    session.run("python", "tests/drills/drill_kills.py", *session.posargs)
    if not session.posargs:
        session.run("python", "tests/drills/drill_cutouts.py")
        session.run("python", "tests/drills/drill_sigterm.py")


@nox.session
def following(session: nox.Session) -> None:
    """Every "Next:" line of every command, in and outside a workspace, run as it is printed; or the scenarios given."""
    session.install("-e", ".", *group("test"))
    session.run("python", "tests/cli/following.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Rules and format."""
    session.install(*group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the package; the networks' packages have none, so they are not installed."""
    untyped = ("tensorflow", "keras", "numba", "scikit-learn")
    typed = [requirement for requirement in PROJECT["project"]["dependencies"] if not requirement.startswith(untyped)]
    session.install(*typed, *group("types"))
    session.run("mypy")


@nox.session
def timm(session: nox.Session) -> None:
    """The proof that published weights give here the features that they give in PyTorch, on a CPU."""
    wheels = "https://download.pytorch.org/whl/cpu"  # without it pip takes gigabytes of CUDA along
    session.install("-e", ".[weights]", "torch", "torchvision", "timm", "--extra-index-url", wheels, *group("test"))
    session.run("pytest", *(session.posargs or ("tests/published",)))


@nox.session
def ray(session: nox.Session) -> None:
    """What a Ray cluster's workers predict, beside what one process does, also when one of them is killed."""
    session.install("-e", ".[ray]", *group("test"))
    session.run("pytest", *(session.posargs or ("tests/engines",)))


@nox.session
def export(session: nox.Session) -> None:
    """What converted models give by ONNX Runtime and LiteRT, beside Keras."""
    session.install("-e", ".[export]", "onnxruntime", "ai-edge-litert", *group("test"))
    session.run("pytest", *(session.posargs or ("tests/converted",)))


@nox.session
def docs(session: nox.Session) -> None:
    """The pages in docs/_build/html: no warning, no dead link inside, every block run (or those of the pages given)."""
    session.install("-e", ".[ray]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")
    session.run("python", "docs/check_links.py", "docs/_build/html")
    session.run("python", "docs/run_blocks.py", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Every example, from its first line to its last."""
    session.install("-e", ".")
    for script in sorted(Path("examples").resolve().glob("*.py")):
        session.run("python", str(script))


@nox.session
def bench(session: nox.Session) -> None:
    """Every benchmark, or those given as arguments."""
    session.install("-e", ".", *group("test"))
    for script in session.posargs or sorted(map(str, Path("tests/benchmarks").glob("bench_*.py"))):
        session.run("python", script)


@nox.session
def demo(session: nox.Session) -> None:
    """The demonstration, from raw images to the report, in a folder of its own."""
    session.install("-e", ".")
    session.chdir(session.create_tmp())
    session.run("zooactive", "demo", *session.posargs)
