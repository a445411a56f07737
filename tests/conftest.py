"""What several test modules share: a tree with every feature, and images that differ from each other."""

from __future__ import annotations

import functools
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer.testing
from astropy.io.votable import tree as votable_tree
from numpy.typing import NDArray
from pictures import picture
from PIL import Image

from zooactive.catalogue import Catalogue, patience
from zooactive.catalogue.images import encode_png
from zooactive.tree import DecisionTree, Question

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # nobody: tests have a hub of their own, `hub_stand_in`, or none
os.environ["HF_HUB_DISABLE_TELEMETRY"] = os.environ["HF_HUB_DISABLE_XET"] = "1"
os.environ.pop("COLUMNS", None)  # the width that pytest-xdist tells its processes; tests say it where it matters


collect_ignore = ["benchmarks"]  # they have no tests, and some read their arguments when they are imported

SHORT_FIT = 40
"""Steps up to which a fit takes less time as it is than it takes to trace."""


LONGEST = ("test_label.py", "test_circle.py", "test_anywhere.py", "test_following.py", "test_bands_path.py", "test_traps.py")
"""Files of most of a minute each: begun last, one of them would keep a process busy long after the other has ended."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; each file's tests stay together and in their order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_configure() -> None:
    """Look for unreachable objects less often, which took a twentieth of the tests' time: TensorFlow makes so many.

    Typer's runner would make all commands anew each time that one is typed, which took a fifth of the time of tests/cli.
    """
    gc.set_threshold(50_000, 20, 50)
    typer.testing._get_command = functools.cache(typer.testing._get_command)


def pytest_collection_finish() -> None:
    """Look only among what tests make, not among what is imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _votables_by_python() -> None:
    """Let the tests' own VOTables be written by Python: astropy's writer in C damages memory (astropy's issue 20419)."""
    votable_tree._has_c_tabledata_writer = False


@pytest.fixture(autouse=True)
def _eager(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let short fits run as plain Python; tests marked `graph` trace them as users do, and predictions are always traced."""
    if "keras" not in sys.modules or request.node.get_closest_marker("graph") is not None:
        return
    import keras

    fit = keras.Model.fit

    def short_fit(self: Any, *given: Any, epochs: int = 1, steps_per_epoch: int | None = None, **options: Any) -> Any:
        if (steps_per_epoch or 1) * (epochs - options.get("initial_epoch", 0)) <= SHORT_FIT:
            self.run_eagerly = True
        return fit(self, *given, epochs=epochs, steps_per_epoch=steps_per_epoch, **options)

    if keras.backend.backend() == "tensorflow":
        monkeypatch.setattr(keras.Model, "fit", short_fit)


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait for images that are away."""
    monkeypatch.setattr(patience, "PAUSES", (0.0,) * len(patience.PAUSES))
    monkeypatch.setattr(patience, "_patience", patience.Patience())


@pytest.fixture
def pythons_own_answer() -> Iterator[None]:
    """Let Ctrl-C raise: tests that a shell runs in the background would hand down that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out of reports what takes longest, the drawing; the page of cli/test_whole_path.py is drawn."""
    for module in ("findings", "metrics"):
        monkeypatch.setattr(f"zooactive.report.{module}.png", lambda figure: encode_png(picture(0)))


@pytest.fixture(scope="session")
def tree() -> DecisionTree:
    """Four questions: a root with three answers, a child, a grandchild, and one asked after two answers."""
    return DecisionTree(
        "small",
        [
            Question("smooth-or-featured", ["smooth", "featured", "artifact"]),
            Question("edge-on", ["yes", "no"], ["smooth-or-featured_featured"]),
            Question("bar", ["strong", "weak", "no"], ["edge-on_no"]),
            Question("merging", ["yes", "no"], ["smooth-or-featured_smooth", "smooth-or-featured_featured"]),
        ],
    )


@pytest.fixture(scope="session")
def draw_votes(tree: DecisionTree):
    """Return a function (galaxies, volunteers, seed) -> vote counts that a crowd could have given."""

    def draw(galaxies: int, volunteers: int = 40, seed: int = 0) -> NDArray[np.float64]:
        rng = np.random.default_rng(seed)
        votes = np.zeros((galaxies, len(tree.columns)))
        for row in votes:
            for q in tree.order:
                n = volunteers if tree.parents[q] < 0 else int(row[tree.leads_to[q]].sum())
                where = tree.slices[q]
                row[where] = rng.multinomial(n, rng.dirichlet(np.ones(where.stop - where.start)))
        return votes

    return draw


@functools.cache
def _jpeg(number: int, size: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(number, size)).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _write_jpegs(ids: list[str], folder: Path, size: int = 48) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, galaxy_id in enumerate(ids):
        (folder / f"{galaxy_id}.jpg").write_bytes(_jpeg(i, size))
    return folder


@pytest.fixture
def write_pictures(tmp_path: Path):
    """Return a function (ids, folder) that writes one JPEG an id and returns the folder."""

    def write(ids: list[str], folder: Path | None = None, size: int = 48) -> Path:
        return _write_jpegs(ids, folder or tmp_path / "images", size)

    return write


@pytest.fixture
def shared_data() -> Path:
    """The real galaxies that stand beside a checkout; skipped where they are absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real galaxies (../shared/data) are not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def galaxies_in(tree: DecisionTree, draw_votes):
    """Return a function (number, folder) -> Catalogue of small pictures with votes of 40 volunteers and a magnitude each."""

    def make(number: int, folder: Path, seed: int = 0) -> Catalogue:
        ids = [f"g{i:03d}" for i in range(number)]
        _write_jpegs(ids, folder)
        table = pd.DataFrame({"mag_r": np.linspace(14, 17, number)})
        images = tuple(folder / f"{galaxy_id}.jpg" for galaxy_id in ids)
        return Catalogue(np.array(ids, dtype=object), images, draw_votes(number, seed=seed), tree, table, "galaxies.csv")

    return make


@pytest.fixture
def galaxies(galaxies_in, tmp_path: Path):
    """Return a function (number) -> Catalogue, as `galaxies_in`, in a folder of this test."""
    return lambda number, seed=0: galaxies_in(number, tmp_path / "images", seed)
