"""Generate the notebooks that Binder, Colab and the tests open from the MyST sources.

``python -m tools.notebooks`` writes an ``.ipynb`` without outputs beside every page of the table
of contents that has code; ``python -m tools.notebooks --check`` only names those that differ.
"""

import argparse
import hashlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from tools import project
from tools.book_index import Book
from tools.myst_blocks import SourceError
from tools.pages import Cell, Page, figure_of
from tools.plain_markdown import Translator

INSTALL = """\
# Install the book's package where it is missing, on Colab say. Colab has its own torch, which
# pip would replace: hence --no-deps, and by name the small packages that Colab may lack.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("dgm_teach") is None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "jaxtyping", "mlxtend", "pooch"], check=True)
    subprocess.run([*pip, "--no-deps", "git+{address}@{branch}"], check=True)"""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HIDDEN = {
    "hide-input": "source_hidden",
    "remove-input": "source_hidden",
    "hide-output": "outputs_hidden",
    "remove-output": "outputs_hidden",
}


def head(book: Book, page: Page) -> list[NotebookNode]:
    """Two cells that no page has: where the notebook comes from, and the installation."""
    name = page.path.relative_to(book.root).as_posix()
    chapter = f"Chapter {page.chapter} of" if page.chapter else "From"
    source = f"{project.address()}/blob/{project.branch()}/{name}"
    text = f"*{chapter} {book.config['title']}. Generated from [{name}]({source}): edit that file.*"
    install = INSTALL.format(address=project.address(), branch=project.branch())
    return [
        v4.new_markdown_cell(text, id="source"),
        v4.new_code_cell(install, id="install", metadata={"tags": ["install"]}),
    ]


def code_metadata(cell: Cell) -> dict[str, Any]:
    """Keep the tags of a cell, and fold in JupyterLab what the book folds."""
    tags = cell.metadata.get("tags", [])
    metadata: dict[str, Any] = {"tags": tags} if tags else {}
    hidden = {HIDDEN[tag]: True for tag in tags if tag in HIDDEN}
    return {**metadata, "jupyter": hidden} if hidden else metadata


def new_cells(translator: Translator, cell: Cell) -> list[tuple[str, str, dict[str, Any]]]:
    """Type, source and metadata of the cells that one cell of a page becomes."""
    if cell.kind == "markdown":
        text = translator.markdown(cell.source, cell.line)
        return [("markdown", text, {})] if text else []
    cells = [("code", cell.source, code_metadata(cell))]
    if "figure" in cell.metadata.get("mystnb", {}) and figure_of(cell).body:
        caption = translator.markdown(figure_of(cell).body, cell.line)
        cells.append(("markdown", f"**{translator.words(cell.line)}** {caption}", {}))
    return cells


def cell_id(kind: str, source: str, occurrence: int) -> str:
    """Name a cell by its source, so that cells put in elsewhere do not change it."""
    return hashlib.sha256(f"{kind}\n{occurrence}\n{source}".encode()).hexdigest()[:12]


def convert(book: Book, page: Page) -> NotebookNode:
    """Make the notebook of a page."""
    translator = Translator(book, page)
    make = {"markdown": v4.new_markdown_cell, "code": v4.new_code_cell}
    cells = head(book, page)
    seen: Counter[tuple[str, str]] = Counter()
    for cell in page.cells:
        for kind, source, metadata in new_cells(translator, cell):
            seen[kind, cell.source] += 1
            name = cell_id(kind, cell.source, seen[kind, cell.source])
            cells.append(make[kind](source, id=name, metadata=metadata))
    return v4.new_notebook(cells=cells, metadata=METADATA)


def generate(root: Path) -> dict[Path, str]:
    """Text of every notebook of the book that stands at ``root``."""
    book = Book(root)
    return {
        page.notebook: nbformat.writes(convert(book, page), version=4) + "\n"
        for page in book.notebooks
    }


def stale(root: Path, expected: dict[Path, str]) -> list[Path]:
    """Notebooks on disk that no page of the table of contents gives."""
    found = (root / "book").rglob("*.ipynb")
    return sorted(
        path for path in found if path not in expected and ".ipynb_checkpoints" not in path.parts
    )


def differing(expected: dict[Path, str]) -> list[Path]:
    """Notebooks whose text on disk, if any, is not what the source gives."""
    return [
        path
        for path, text in expected.items()
        if not path.exists() or path.read_bytes() != text.encode()
    ]


def main(arguments: Sequence[str] | None = None, root: Path = project.ROOT) -> int:
    """Write the notebooks, or with --check name those that differ; 1 means something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    check = parser.parse_args(arguments).check
    try:
        expected = generate(root)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1
    differ, without_source = differing(expected), stale(root, expected)
    for path in differ:
        print(f"{path.relative_to(root)}: {'differs from its source' if check else 'written'}")
        if not check:
            path.write_bytes(expected[path].encode())
    for path in without_source:
        print(f"{path.relative_to(root)}: no page of the table of contents gives it; delete it")
    return 1 if without_source or (check and differ) else 0


if __name__ == "__main__":
    sys.exit(main())
