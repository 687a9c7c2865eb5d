"""The book is whole: pages, table of contents, package and equations fit together."""

import ast
import re
from importlib import import_module

import pytest

from grading.table import TABLE
from tools import ledger, project

PACKAGE = sorted(path for path in (project.ROOT / "dgm_teach").glob("[!_]*.py"))
API = project.ROOT / "book" / "api.md"


def text(path):
    return path.read_text(encoding="utf-8")


def hidden(path):
    return any(part.startswith(".") for part in path.relative_to(project.ROOT).parts)


def public_names(path):
    """Functions and classes that a module defines for its users."""
    kinds = ast.FunctionDef | ast.ClassDef
    found = [node.name for node in ast.parse(text(path)).body if isinstance(node, kinds)]
    return [name for name in found if not name.startswith("_")]


def test_every_page_is_in_the_table_of_contents_once():
    pages = project.pages()
    written = set((project.ROOT / "book").rglob("*.md")) - {TABLE}  # a page includes it
    assert sorted(pages) == sorted(path for path in written if not hidden(path))
    assert pages[0] == project.ROOT / "book" / "index.md"


def test_the_api_page_documents_every_module():
    documented = re.findall(r"automodule:: dgm_teach\.([\w.]+)", text(API))
    checks = sorted((project.ROOT / "dgm_teach" / "checks").glob("hw*.py"))
    assert documented[len(PACKAGE) :] == [f"checks.{path.stem}" for path in checks]
    assert sorted(documented[: len(PACKAGE)]) == [path.stem for path in PACKAGE]


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_every_module_and_public_name_has_a_docstring(path):
    module = import_module(f"dgm_teach.{path.stem}")
    members = [getattr(module, name) for name in public_names(path)]
    assert [member for member in [module, *members] if not member.__doc__] == []


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_every_equation_that_the_package_cites_exists(path):
    known = {label for page in project.pages() for label in ledger.labels_in(text(page))}
    cited = set(re.findall(r"``((?:eq|def)-[\w-]+)``", text(path)))
    assert cited - known == set()


def test_no_label_is_given_twice():
    labels = [label for page in project.pages() for label in ledger.labels_in(text(page))]
    assert sorted(labels) == sorted(set(labels))


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_every_public_name_is_used(path):
    """By a chapter, by another module, or beside its definition."""
    readers = {page for page in project.pages() if page != API} | set(PACKAGE) - {path}
    elsewhere = "\n".join(map(text, sorted(readers)))
    unused = {name for name in public_names(path) if not mentions(name, elsewhere)}
    assert {name for name in unused if mentions(name, text(path)) < 2} == set()


def mentions(name, source):
    return len(re.findall(rf"\b{name}\b", source))
