"""The catalogs folder is found beside a checkout and inside an installed package."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import zooactive
from zooactive.foundation.catalogs import catalogs_folder
from zooactive.training.finetuning.tasks import list_tasks, load_task
from zooactive.tree import list_trees, load_tree

CHECKOUT = Path(zooactive.__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of this checkout, unpacked: what an installation would hold."""
    if not (CHECKOUT / "pyproject.toml").exists():
        pytest.skip("the package is installed; there is no checkout to build from")
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds the wheel, is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (built,) = folder.glob("zooactive-*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder / "installed")
    return folder / "installed"


def test_a_checkout_finds_the_folder_beside_the_package():
    assert catalogs_folder().name == "catalogs"
    assert {"gz2", "decals_dr5", "rings"} <= set(list_trees())


def test_every_tree_of_the_catalogue_is_sound():
    for name in list_trees():
        tree = load_tree(name)
        assert tree.name == name
        assert tree.citation, f"{name} names no paper to cite"


def test_every_task_has_a_tree():
    for name in list_tasks():
        assert load_task(name).load_tree().questions


def test_every_sample_has_its_licence_beside_it():
    samples = catalogs_folder() / "samples"
    about = (samples / "README.md").read_text(encoding="utf-8")
    for path in samples.iterdir():
        assert path.name == "README.md" or path.name in about, f"README.md says nothing of {path.name}"


@pytest.mark.parametrize(
    "pattern",
    ["trees/*.toml", "tasks/*.toml", "recipes/*.toml", "rules/*.toml", "surveys/*.toml", "samples/*", "encoder/*"],
)
def test_the_wheel_holds_every_file_of_the_catalogs(wheel, pattern):
    ours = {path.name: path.read_bytes() for path in (CHECKOUT / "catalogs").glob(pattern)}
    theirs = {path.name: path.read_bytes() for path in (wheel / "zooactive" / "catalogs").glob(pattern)}
    assert ours
    assert theirs == ours


@pytest.mark.parametrize("name", ["py.typed", "report/page.html.j2", "cli/__init__.py", "models/backbones/resnet26.py"])
def test_the_wheel_holds_what_is_needed_besides(wheel, name):
    assert (wheel / "zooactive" / name).is_file()


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    found = {path.name for path in wheel.iterdir()}
    assert found == {"zooactive", f"zooactive-{zooactive.__version__}.dist-info"}
    assert not list(wheel.rglob("*.pyc"))


def test_an_installed_package_finds_its_own_folder(wheel, tmp_path):
    code = (
        "from zooactive.foundation.catalogs import catalogs_folder; from zooactive.tree import list_trees; "
        "print(catalogs_folder()); print(*list_trees())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert Path(told[0]) == wheel / "zooactive" / "catalogs"
    assert told[1].split() == list(list_trees())
