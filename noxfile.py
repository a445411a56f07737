"""Everything that is checked before a change is kept: `nox` runs tests, lint and types; `nox -l` lists the rest."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "types"]

LARGEST = 20_000_000
"""Bytes of a wheel or an sdist."""
ANYWHERE = (
    "tests/tree",
    "tests/posterior",
    "tests/test_catalogs.py",
    "tests/test_shown_objects.py",
    "tests/models/test_bundled_encoder.py",
)
"""Tests of a minute that need no checkout: trees, posteriors, the files and the encoder that come along."""

PROJECT = nox.project.load_toml("pyproject.toml")


def group(name: str) -> tuple[str, ...]:
    """The packages of one of pyproject's dependency groups."""
    return nox.project.dependency_groups(PROJECT, name)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests and the docstrings' examples; arguments go to pytest instead."""
    session.install("-e", ".", *group("test"))
    # Two processes, a file's tests in one of them; with a thread each they do not wait for each other's. Bytecode is kept
    # also where the machine's settings say otherwise: tests start new interpreters, and each would compile every module.
    # Their order is that of tests/conftest.py, with the longest files first, so that both processes end together.
    everything = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder", "--doctest-modules", "zooactive", "tests")
    settings = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    session.run("pytest", *(session.posargs or everything), env=settings)


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
    """Types of the package and of scripts that no test runs; the networks' packages have none, so they are not installed."""
    untyped = ("tensorflow", "keras", "numba", "scikit-learn")
    typed = [requirement for requirement in PROJECT["project"]["dependencies"] if not requirement.startswith(untyped)]
    session.install("--no-compile", *typed, *group("types"))  # they are read, not run
    session.run("mypy")
    # Benchmarks and long trainings are run by hand, months apart: what they call is checked, not how they are written.
    scripts = sorted(map(str, [*Path("tests/benchmarks").glob("*.py"), *Path("examples/long").glob("*.py")]))
    loose = ("untyped-defs", "incomplete-defs", "untyped-calls", "any-generics")
    options = [f"--allow-{what}" for what in loose]
    options += ["--no-warn-return-any", "--no-warn-unused-ignores", "--no-strict-optional", "--ignore-missing-imports"]
    places = ("tests", "tests/benchmarks", "tests/labels", "tests/loop", "tests/published", "examples/long")
    session.run("mypy", *options, *scripts, env={"MYPYPATH": ":".join(places)})


@nox.session
def timm(session: nox.Session) -> None:
    """The proof that published weights give here the features that they give in PyTorch, on a CPU."""
    wheels = "https://download.pytorch.org/whl/cpu"  # without it pip takes gigabytes of CUDA along
    session.install("-e", ".[weights]", "torch", "torchvision", "timm", "--extra-index-url", wheels, *group("test"))
    session.run("pytest", *(session.posargs or ("tests/published",)))


@nox.session
def ray(session: nox.Session) -> None:
    """What workers of Ray and of Dask compute, compared with one process, also when one of Ray's workers is killed."""
    session.install("-e", ".[ray]", "dask", "distributed", *group("test"))
    session.run("pytest", *(session.posargs or ("tests/engines",)), env={"ZOOACTIVE_PLACES": "4"})


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
def notebooks(session: nox.Session) -> None:
    """Every notebook, from its first cell to its last, in a folder of its own; or those given by name."""
    session.install("-e", ".", *group("notebooks"))
    folder = Path(session.create_tmp()).resolve()
    for page in sorted(Path("examples/notebooks").resolve().glob("*.md")):
        if session.posargs and page.stem not in session.posargs:
            continue
        run = folder / page.stem
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        began = time.monotonic()
        written = ("--output", str(run / f"{page.stem}.ipynb"))
        # Nobody answers at this address: a notebook that asks the network fails.
        offline = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "TF_CPP_MIN_LOG_LEVEL": "3"}
        convert = ("jupytext", "--to", "ipynb", "--execute", "--run-path", str(run), *written, str(page))
        session.run(*convert, env=offline)
        drawn = (run / f"{page.stem}.ipynb").read_text(encoding="utf-8").count('"image/png"')
        if drawn != (asked := page.read_text(encoding="utf-8").count("za.plots.")):
            session.error(f"{page.name} asks for {asked} pictures, and {drawn} were drawn")
        session.log(f"{page.stem}: {time.monotonic() - began:.0f} s")


@nox.session
def wheel(session: nox.Session) -> None:
    """The sdist and the wheel, under 20 MB, installed in an empty environment and tested there; arguments go to pytest."""
    session.install("build")
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    folder.mkdir()
    session.run("python", "-m", "build", "--outdir", str(folder), ".")
    (sdist,), (built,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    for made in (sdist, built):
        session.log(f"{made.name}: {made.stat().st_size / 1e6:.1f} MB")
        if made.stat().st_size > LARGEST:
            session.error(f"{made.name} has {made.stat().st_size:,} bytes, more than {LARGEST:,}")

    session.run("python", "-m", "venv", str(folder / "empty"))
    python = str(folder / "empty" / "bin" / "python")

    def run(*command: str) -> None:
        session.run(python, *command, external=True)

    shutil.unpack_archive(sdist, folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    shutil.rmtree(source / "zooactive")  # so that the tests meet what is installed
    session.chdir(source)
    run("-m", "pip", "install", str(built))
    run("-m", "pip", "check")
    run("-m", "zooactive", "trees")
    run("-m", "pip", "install", *group("test"))
    run("-P", "-m", "pytest", *(session.posargs or ANYWHERE))
    run("-m", "pip", "install", "--force-reinstall", "--no-deps", str(sdist))
    run("-m", "zooactive", "trees")
    run("-P", "-m", "pytest", "tests/test_catalogs.py")


@nox.session
def containers(session: nox.Session) -> None:
    """The install steps of Dockerfile and Apptainer definitions, in empty environments; or those of the variants given."""
    session.run("python", "tests/install_steps.py", session.create_tmp(), *session.posargs)


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
