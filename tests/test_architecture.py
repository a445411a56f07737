"""Arrows run down: a module imports from its own floor or from lower ones, and heavy packages only when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import zooactive

PACKAGE = Path(zooactive.__file__).parent
FLOORS = (
    (
        "addresses",
        "compiled",
        "errors",
        "fits_files",
        "hashing",
        "plain_values",
        "incomplete_beta",
        "likelihood",
        "mixtures",
        "tree",
        "tree_files",
        "posterior",
        "posterior_files",
        "settings",
        "writing",
    ),
    (
        "augmentation",
        "catalogue",
        "class_rules",
        "cutouts",
        "finetune_config",
        "folds",
        "image_statistics",
        "images",
        "labels",
        "shards",
        "simulate",
        "stored_images",
        "surveys",
        "tables",
        "tasks",
        "training_config",
        "votes",
    ),
    (
        "acquisition",
        "calibration",
        "classification",
        "concentration_factors",
        "evaluation",
        "fraction_merits",
        "recalibration",
        "resampling",
        "task_merits",
    ),
    (
        "augment",
        "dataset",
        "finetuned_model",
        "finetuning",
        "losses",
        "models",
        "optimisation",
        "prediction",
        "recipes",
        "stages",
        "training",
    ),
    ("loop", "workspace", "workspace_merits", "workspace_template", "plots", "report", "cli", "__main__"),
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TENSORFLOW = {"tensorflow", "tensorflow_probability", "tf_keras"}
TENSORFLOWS_ROOMS = ("dataset.py", "losses.py", "models/fast_layers.py")
NETWORKS = TENSORFLOW | {"keras", "jax"}
ONLY_WHEN_USED = TENSORFLOW | {"matplotlib"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The file or folder of the package that a module belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


ROOMS = [path for path in MODULES if room_of(path) != "__init__"]
"""Without the front door, which names every room."""


def imports(nodes: list[ast.AST]) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything that is imported; from PACKAGE import NAME gives PACKAGE.NAME."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write imports in full, from zooactive..."
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith("import_module"):
            name = node.args[0]
            if isinstance(name, ast.Constant):
                yield node.lineno, str(name.value)


def run_at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Nodes that run when the module is imported: not the bodies of functions, and not what is for type checkers only."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def everywhere(path: Path) -> list[tuple[int, str]]:
    return list(imports(list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))))


def test_every_file_has_a_floor():
    rooms = {room_of(path) for path in ROOMS}
    homeless = sorted(rooms - set(FLOOR))
    assert not homeless, (
        f"no floor is known for {', '.join(f'zooactive/{room}' for room in homeless)}; "
        "decide what it may import and add it to FLOORS in tests/test_architecture.py"
    )


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_from_its_own_floor_or_lower_ones(path):
    room = room_of(path)
    for line, name in everywhere(path):
        first, *rest = name.split(".")
        if first != "zooactive":
            continue
        where = f"zooactive/{path.relative_to(PACKAGE)}, line {line}"
        assert rest, f"{where}: import the room that is needed, not the whole house"
        if rest[0].startswith("__"):
            continue
        assert rest[0] in FLOOR, f"{where}: '{name}' is no room of the package; import it from the room where it lives"
        assert FLOOR[rest[0]] <= FLOOR[room], (
            f"{where}: '{room}' stands on floor {FLOOR[room]} and may not import '{rest[0]}' from floor {FLOOR[rest[0]]}"
        )


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_networks_stay_on_the_third_floor_and_tensorflow_in_its_three_rooms(path):
    room = room_of(path)
    named = {name.split(".")[0]: line for line, name in everywhere(path)}
    below = sorted(NETWORKS & set(named)) if FLOOR.get(room, 3) < 3 else []
    assert not below, f"line {named[below[0]]}: {below[0]} is imported on floor {FLOOR[room]}; only floor 3 and above may"
    strays = sorted(TENSORFLOW & set(named)) if path.relative_to(PACKAGE).as_posix() not in TENSORFLOWS_ROOMS else []
    rooms = ", ".join(TENSORFLOWS_ROOMS)
    assert not strays, f"line {named[strays[0]]}: {strays[0]} is imported; only {rooms} name TensorFlow"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_heavy_packages_are_imported_where_they_are_used(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    early = {name.split(".")[0]: line for line, name in imports(list(run_at_import(tree)))}
    found = sorted(ONLY_WHEN_USED & set(early))
    assert not found, (
        f"line {early[found[0]]}: {found[0]} is imported with the module; import it in the function that uses it"
    )


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("zooactive", {"tensorflow", "tensorflow_probability", "keras", "matplotlib", "pandas", "numba", "jax"}),
        ("zooactive.cli", {"tensorflow", "tensorflow_probability", "keras", "matplotlib", "pandas", "numba", "jax"}),
        ("zooactive.acquisition", {"tensorflow", "tensorflow_probability", "keras", "matplotlib", "jax"}),
        ("zooactive.plots", {"tensorflow", "tensorflow_probability", "keras", "matplotlib", "jax"}),
        ("zooactive.report", {"tensorflow", "tensorflow_probability", "keras", "matplotlib", "jax"}),
    ],
)
def test_importing_is_light(module, unwanted):
    code = f"import sys, {module}; print(*sorted({unwanted!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [], f"import {module} loads {done.stdout.strip()}"


def test_help_answers_without_a_network():
    code = (
        "import sys\n"
        "from zooactive.cli import main\n"
        "sys.argv = ['zooactive', '--help']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sorted({'tensorflow', 'keras', 'matplotlib', 'numba', 'pandas'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "acquire" in done.stdout
    assert done.stderr.split() == [], f"zooactive --help loads {done.stderr.strip()}"
