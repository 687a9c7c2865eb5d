"""One file names every direct dependency, and the environment holds what it says."""

import ast
import re
import sys
from importlib.metadata import distributions, packages_distributions

import pytest

import dgm_teach
from tools import pins, project

OWN = {path.parent.name for path in project.ROOT.glob("*/__init__.py")}
CELL = re.compile(
    r"^```\{code-cell\}[^\n]*\n(?:---\n.*?---\n|(?::[^\n]*\n)*)(.*?)^```", re.M | re.S
)
PYTHON_FOLDERS = ["dgm_teach", "tools", "tests", "benchmarks", "grading"]


def test_the_citation_names_the_version_of_the_package():
    citation = (project.ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {dgm_teach.__version__}\n" in citation


def python_sources():
    for folder in PYTHON_FOLDERS:
        for path in sorted((project.ROOT / folder).rglob("*.py")):
            yield path.name, path.read_text(encoding="utf-8")
    for page in project.notebooks():
        cells = CELL.findall(page.read_text(encoding="utf-8"))
        yield page.name, "\n".join(re.sub(r"^[%!].*", "", cell, flags=re.M) for cell in cells)


def imported(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module.split(".")[0]


def test_every_imported_package_is_a_direct_requirement():
    named = {key for name in pins.NAMED for key in pins.pins(project.ROOT / name)}
    tests_own = {path.stem for path in (project.ROOT / "tests").rglob("*.py")}
    known = OWN | tests_own | set(sys.stdlib_module_names)
    packages = packages_distributions()
    missing = {
        f"{module} in {name}"
        for name, source in python_sources()
        for module in set(imported(source)) - known
        if named.isdisjoint(pins.key(found) for found in packages.get(module, []))
    }
    assert missing == set()


@pytest.mark.parametrize("name", ["requirements.txt", "constraints.txt", *pins.NAMED[1:]])
def test_the_environment_holds_the_pinned_versions(name):
    installed = {pins.key(found.name): found.version for found in distributions()}
    wanted = {
        key: re.split(r"==|;", line)[1].strip()
        for key, line in pins.pins(project.ROOT / name).items()
        if key in installed or (name == "requirements.txt" and not line.endswith('"win32"'))
    }
    assert {key: installed.get(key, "").split("+")[0] for key in wanted} == wanted
