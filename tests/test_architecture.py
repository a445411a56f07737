"""Arrows run down: a door imports only from doors below it, nothing is tied in a circle, heavy packages load when used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

import zooactive

PACKAGE = Path(zooactive.__file__).parent
DOORS = (
    "foundation",
    "tree",
    "posterior",
    "catalogue",
    "acquisition",
    "labels",
    "models",
    "evaluation",
    "prediction",
    "training",
    "loop",
    "report",
    "workspace",
    "cli",
)
"""From the ground up: each imports from itself and from those before it."""

AT_THE_TOP = {"__init__.py", "__main__.py", "py.typed"}
NO_NETWORKS = {*DOORS[: DOORS.index("models")], "evaluation"}
TENSORFLOW = {"tensorflow", "tensorflow_probability", "tf_keras"}
NETWORKS = TENSORFLOW | {"keras", "jax"}
TENSORFLOWS_FILES = (
    "models/backbones/fast_layers.py",
    "training/batches.py",
    "training/devices.py",
    "training/losses.py",
)
ONLY_WHEN_USED = TENSORFLOW | {"matplotlib"}


# What a package imports ----------------------------------------------------------------------------------------------


def modules_of(package: Path) -> dict[str, Path]:
    """Dotted name below the package -> file, of every module; a folder's `__init__` has the name of the folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports(nodes: Iterable[ast.AST]) -> Iterator[tuple[int, str]]:
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
    """What a module imports: with itself, in a function later, or for type checkers only."""
    return list(imports(ast.walk(ast.parse(path.read_text(encoding="utf-8")))))


def arrows_of(package: Path) -> dict[str, dict[str, int]]:
    """Module -> the modules of the package that it imports, with a line that says so; the front door is left out."""
    modules = modules_of(package)
    arrows: dict[str, dict[str, int]] = {}
    for module, path in modules.items():
        if module in ("", "__main__"):
            continue
        met = arrows.setdefault(module, {})
        for line, name in everywhere(path):
            first, *rest = name.split(".")
            if first != "zooactive":
                continue
            assert rest, f"zooactive/{path.relative_to(package)}, line {line}: import what is needed, not the whole house"
            if rest == ["__version__"]:
                continue
            target = ".".join(rest)
            while target and target not in modules:  # a name inside a module
                target = target.rpartition(".")[0]
            assert target, f"zooactive/{path.relative_to(package)}, line {line}: there is no '{name}' behind any door"
            if target != module:
                met[target] = line
    return arrows


def arrows_between_folders(arrows: Mapping[str, Mapping[str, int]], package: Path) -> dict[str, dict[str, int]]:
    """The same between folders; a face, whose work is to name what lies in its folder and below, stands for itself."""
    folders = {name for name, path in modules_of(package).items() if path.name == "__init__.py"}
    place = {name: f"{name} (face)" if name in folders else name.rpartition(".")[0] for name in modules_of(package)}
    between: dict[str, dict[str, int]] = {}
    for module, targets in arrows.items():
        for target, line in targets.items():
            if place[module] != place[target]:
                between.setdefault(place[module], {})[place[target]] = line
    return between


def circle_in(arrows: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return some circle of arrows, first and last the same, or nothing."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for target in arrows.get(module, {}):
            if found := walk(target, [*path, module]):
                return found
        done.add(module)
        return []

    for module in arrows:
        if found := walk(module, []):
            return found
    return []


def back_arrows(arrows: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Describe each import of a door from one above it."""
    floor = {door: number for number, door in enumerate(DOORS)}
    return [
        f"'{module}', line {line}, imports '{target}' from a door above its own"
        for module, targets in arrows.items()
        for target, line in targets.items()
        if floor[target.partition(".")[0]] > floor[module.partition(".")[0]]
    ]


MODULES = modules_of(PACKAGE)


@pytest.fixture(scope="module")
def drawn() -> dict[str, dict[str, int]]:
    """All arrows of the package: seconds of work, which one of the tests' processes does."""
    return arrows_of(PACKAGE)


# The house -----------------------------------------------------------------------------------------------------------


def test_the_top_holds_nothing_but_the_doors():
    there = {path.name for path in PACKAGE.iterdir() if path.name not in ("__pycache__", "catalogs")}
    assert there == {*DOORS, *AT_THE_TOP}


def test_every_door_has_its_sign():
    unsigned = [
        module
        for module, path in MODULES.items()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not unsigned, f"{', '.join(unsigned)}: say in the docstring of `__init__` what lives there"


def test_a_door_imports_only_from_doors_below_it(drawn):
    assert back_arrows(drawn) == []


def test_no_circle_ties_modules(drawn):
    assert circle_in(drawn) == []


def test_no_circle_ties_folders(drawn):
    assert circle_in(arrows_between_folders(drawn, PACKAGE)) == []


def test_no_module_takes_a_private_name_of_another():
    taken = [
        f"{path.relative_to(PACKAGE)}, line {node.lineno}: {alias.name}"
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("zooactive")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert taken == []


def test_networks_stay_behind_their_doors_and_tensorflow_in_its_files():
    strays = []
    for module, path in MODULES.items():
        named = {name.split(".")[0]: line for line, name in everywhere(path)}
        here = path.relative_to(PACKAGE).as_posix()
        unwanted = NETWORKS if module.partition(".")[0] in NO_NETWORKS else TENSORFLOW
        if here not in TENSORFLOWS_FILES:
            strays += [f"{here}, line {named[name]}: {name}" for name in sorted(unwanted & set(named))]
    assert strays == []


def test_heavy_packages_are_imported_where_they_are_used():
    early = []
    for path in MODULES.values():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {name.split(".")[0]: line for line, name in imports(run_at_import(tree))}
        early += [f"{path.relative_to(PACKAGE)}, line {named[name]}: {name}" for name in ONLY_WHEN_USED & set(named)]
    assert early == [], "imported with the module; import it in the function that uses it"


# The rules themselves: what is planted is found -------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path):
    """Return a function that writes {file: text} as a package and returns its arrows and its folder."""

    def build(files: dict[str, str]) -> tuple[dict[str, dict[str, int]], Path]:
        package = tmp_path / "zooactive"
        for name, text in files.items():
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_text(text)
        for folder in {path.parent for path in package.rglob("*.py")} | {package}:
            (folder / "__init__.py").touch()
        return arrows_of(package), package

    return build


def test_a_planted_back_arrow_is_found(house):
    arrows, _ = house(
        {"tree/files.py": "def f():\n    from zooactive.posterior.files import g\n", "posterior/files.py": "g = 1\n"}
    )
    assert back_arrows(arrows) == ["'tree.files', line 2, imports 'posterior.files' from a door above its own"]


@pytest.mark.parametrize(
    "back",
    [
        "from zooactive.tree.a import f\n",
        "def g():\n    from zooactive.tree import a\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from zooactive.tree.a import f\n",
        "from importlib import import_module\ndef g():\n    return import_module('zooactive.tree.a')\n",
    ],
    ids=["at once", "lazy", "type-only", "by name"],
)
def test_a_planted_circle_is_found(house, back):
    arrows, _ = house({"tree/a.py": "from zooactive.tree.b import g\nf = 1\n", "tree/b.py": back})
    assert circle_in(arrows) == ["tree.a", "tree.b", "tree.a"]


def test_a_planted_circle_of_folders_is_found(house):
    arrows, package = house(
        {
            "models/a.py": "from zooactive.models.head.b import g\n",
            "models/head/b.py": "g = 1\n",
            "models/head/c.py": "from zooactive.models.d import h\n",
            "models/d.py": "h = 1\n",
        }
    )
    assert circle_in(arrows) == []
    assert circle_in(arrows_between_folders(arrows, package)) == ["models", "models.head", "models"]


# What importing loads ------------------------------------------------------------------------------------------------


NETWORKS_AND_PLOTS = {"tensorflow", "tensorflow_probability", "keras", "matplotlib", "jax"}
LIGHT = {
    "zooactive": NETWORKS_AND_PLOTS | {"pandas", "numba"},
    "zooactive.cli": NETWORKS_AND_PLOTS | {"pandas", "numba"},
    # What every command with a workspace loads before it does anything.
    "zooactive.workspace": NETWORKS_AND_PLOTS | {"scipy", "sklearn", "numba", "astropy"},
    **{f"zooactive.{door}": NETWORKS_AND_PLOTS for door in DOORS if door not in ("workspace", "cli")},
}
"""Module -> packages that importing it must not load, in an order in which none may load what a later one must not."""

IMPORT_EACH = """
import importlib, json, sys
for module in sys.argv[1:]:
    before = set(sys.modules)
    importlib.import_module(module)
    print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""


@pytest.fixture(scope="module")
def loads() -> dict[str, set[str]]:
    """Module -> packages that importing it loads after those before it, in one interpreter."""
    done = subprocess.run([sys.executable, "-c", IMPORT_EACH, *LIGHT], capture_output=True, text=True, check=True)
    return {module: set(json.loads(line)) for module, line in zip(LIGHT, done.stdout.splitlines(), strict=True)}


@pytest.mark.parametrize("module", LIGHT)
def test_importing_is_light(module, loads):
    heavy = sorted(LIGHT[module] & loads[module])
    assert heavy == [], f"import {module} loads {', '.join(heavy)}"


def test_each_light_import_is_looked_at(loads):
    assert "zooactive" in loads["zooactive"]
    assert any("pandas" in loaded for loaded in loads.values())


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
