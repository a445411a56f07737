"""Containers, the conda recipe and the project's address say what pyproject.toml says, and copy what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from install_steps import INSTALL, REPOSITORY, Steps, copy_files, of_apptainer, of_dockerfile, read_steps

STEPS = read_steps()
PROCESSORS, GPUS = ("cpu", "zooactive"), ("cuda", "zooactive-cuda")
PYPROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
RECIPE: dict[str, Any] = yaml.safe_load((INSTALL / "recipe.yaml").read_text(encoding="utf-8"))
ADDRESS: dict[str, Any] = tomllib.loads((INSTALL / "address.toml").read_text(encoding="utf-8"))

CONDA_NAMES = {
    "tensorflow-probability[tf]": ["tensorflow-probability", "tf-keras"],  # PyPI's extra brings tf-keras
    "matplotlib": ["matplotlib-base"],  # conda-forge's name of it without a window system
}


def test_both_kinds_of_containers_have_a_variant_for_processors_and_one_for_gpus():
    assert set(STEPS) == {*PROCESSORS, *GPUS}


def test_a_stage_has_the_steps_of_the_stages_before_it():
    base = "FROM some:1 AS base\n# COPY no /no\nCOPY a b /src/\nRUN pip install x \\\n    y\n"
    text = base + "FROM base AS more\nENV A=1 \\\n    B=2\nRUN pip install z\n"
    assert of_dockerfile(text, "more") == Steps(
        "some:1", (("a", "/src/a"), ("b", "/src/b")), ("pip install x y", "pip install z"), {"A": "1", "B": "2"}
    )
    assert of_dockerfile(text, "base").pip == ("pip install x y",)


def test_the_sections_of_a_definition_are_told_apart():
    text = (
        "From: some:1\n\n%files\n    a /src/a\n\n%post\n    export A=0\n    pip install x\n\n%environment\n    export B=2\n"
    )
    assert of_apptainer(text) == Steps("some:1", (("a", "/src/a"),), ("pip install x",), {"B": "2"})


@pytest.mark.parametrize(("docker", "apptainer"), [("cpu", "zooactive"), ("cuda", "zooactive-cuda")])
def test_docker_and_apptainer_install_the_same(docker: str, apptainer: str):
    assert STEPS[docker].image == STEPS[apptainer].image
    assert STEPS[docker].pip == STEPS[apptainer].pip
    copied = {source for source, _ in STEPS[docker].copies}
    assert copied == {source for source, _ in STEPS[apptainer].copies}


@pytest.mark.parametrize(("processors", "gpus"), list(zip(PROCESSORS, GPUS, strict=True)))
def test_the_variant_for_gpus_adds_the_cuda_libraries_of_the_same_tensorflow(processors: str, gpus: str):
    (tensorflow,) = (entry for entry in PROJECT["dependencies"] if re.match(r"tensorflow\b[^-]", entry))
    added = f'pip install "{tensorflow.replace("tensorflow", "tensorflow[and-cuda]")}"'
    assert STEPS[gpus].pip == (*STEPS[processors].pip, added)


@pytest.mark.parametrize("name", STEPS)
def test_a_container_has_an_allowed_python_and_extras_that_exist(name: str):
    steps = STEPS[name]
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", steps.image)
    least = re.fullmatch(r">=(\d+)\.(\d+)", PROJECT["requires-python"])
    assert version is not None
    assert least is not None
    assert tuple(map(int, version.groups())) >= tuple(map(int, least.groups()))
    extras = re.search(r'"/src\[([\w,]+)\]"', steps.pip[0])
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_page_about_installing_has_a_line_for_each_extra():
    lines = re.findall(r"(?m)^\| (`[^|]+) \|", (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8"))
    named = [name for line in lines for name in re.findall(r"`(\w+)`", line)]
    assert sorted(named) == sorted(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", STEPS)
def test_what_a_container_copies_is_all_that_a_build_needs(name: str, tmp_path: Path):
    copy_files(STEPS[name], tmp_path)
    needed = [
        "pyproject.toml",
        PROJECT["readme"],
        *PROJECT["license-files"],
        "zooactive/__init__.py",
        "catalogs/trees/gz2.toml",
    ]
    assert [path for path in needed if not (tmp_path / "src" / path).is_file()] == []


def test_the_containers_run_the_command_that_is_installed():
    (command,) = PROJECT["scripts"]
    assert f'ENTRYPOINT ["{command}"]' in (INSTALL / "Dockerfile").read_text(encoding="utf-8")
    for path in INSTALL.glob("*.def"):
        assert f'exec {command} "$@"' in path.read_text(encoding="utf-8")


def test_the_recipe_has_the_names_versions_and_licence_of_the_project():
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["context"]["version"] == PROJECT["version"]
    assert RECIPE["source"]["path"] == f"../../dist/{PROJECT['name']}-${{{{ version }}}}.tar.gz"
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert [RECIPE["about"]["license_file"]] == PROJECT["license-files"]
    scripts = [f"{name} = {target}" for name, target in PROJECT["scripts"].items()]
    assert RECIPE["build"]["python"]["entry_points"] == scripts


def test_the_recipe_builds_with_what_the_project_is_built_with():
    python = f"python {PROJECT['requires-python']}"
    backend = [re.sub(r"(?=>=)", " ", entry) for entry in PYPROJECT["build-system"]["requires"]]
    assert sorted(RECIPE["requirements"]["host"]) == sorted([python, "pip", *backend])


def test_the_recipe_needs_what_the_project_needs_within_the_same_bounds():
    wanted = [f"python {PROJECT['requires-python']}"]
    for entry in PROJECT["dependencies"]:
        parts = re.fullmatch(r"([\w\[\]-]+)(.*)", entry)
        assert parts is not None
        first, *others = CONDA_NAMES.get(parts[1], [parts[1]])
        wanted += [f"{first} {parts[2]}", *others]
    assert RECIPE["requirements"]["run"] == wanted


# The address --------------------------------------------------------------------------------------------------------


def written_files() -> dict[str, str]:
    """Text files of the checkout that could hold an address, by path, without what the tests and builds make."""
    names = [path for pattern in ("*.md", "*.toml", "*.cff", "noxfile.py") for path in REPOSITORY.glob(pattern)]
    for folder in (".ci", ".github", "catalogs", "docs", "examples", "zooactive"):
        names += [path for path in (REPOSITORY / folder).rglob("*") if "_build" not in path.parts]
    endings = {".md", ".txt", ".toml", ".cff", ".py", ".yml", ".yaml", ".def", ".j2", ""}
    found = [path for path in names if path.is_file() and path.suffix in endings and "__pycache__" not in path.parts]
    return {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in found}


def test_the_address_stands_in_one_place_until_it_is_known_and_then_in_every_file_that_waits_for_it():
    place = "docs/install/address.toml"
    files = written_files()
    holding = {name for name, text in files.items() if ADDRESS["repository"] in text}
    waiting = {name for name, text in files.items() if place in text and name != place}
    if ADDRESS["repository"].startswith("https://repository.invalid/"):
        assert holding == {place}
        assert waiting == set(ADDRESS["uses"])
    else:
        assert holding == {place, *ADDRESS["uses"]}
        assert waiting == set()


def test_no_other_address_of_the_project_is_made_up():
    own = re.compile(r"(?:https?://|git@)[^\s\"'<>)]*zooactive[^\s\"'<>)]*|\bzooactive\.(?:readthedocs|github)\.io\b")
    found = {match for text in written_files().values() for match in own.findall(text)}
    assert found == {ADDRESS["repository"]}
