"""Read the pages of the book: their place in the table of contents, and their cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from jupytext.myst import myst_to_notebook
from sphinx_external_toc.api import SiteMap
from sphinx_external_toc.parsing import parse_toc_yaml

from tools import project
from tools.myst_blocks import Block, SourceError, walk


class Cell(NamedTuple):
    """A cell of a page; ``line`` is its first line in the file, from 0."""

    kind: str
    source: str
    metadata: dict[str, Any]
    line: int


@dataclass(frozen=True)
class Page:
    """A page of the book; ``chapter`` is None outside the numbered parts."""

    docname: str
    path: Path
    chapter: int | None = None

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def cells(self) -> list[Cell]:
        """Cells in order, as jupytext splits the page."""
        notebook = myst_to_notebook(self.text, add_source_map=True)
        lines = self.text.split("\n")
        cells = []
        for cell, line in zip(notebook.cells, notebook.metadata["source_map"], strict=True):
            while cell.source and line < len(lines) and not lines[line].strip():
                line += 1
            cells.append(Cell(cell.cell_type, cell.source, dict(cell.metadata), line))
        return cells

    @property
    def is_notebook(self) -> bool:
        """Whether the cells run. A header and code cells go together: one alone is refused."""
        header = project.is_notebook(self.path)
        code = any(cell.kind == "code" for cell in self.cells)
        if header and not code:
            raise SourceError(f"{self.path}:1: a jupytext header but no code cell")
        if code and not header:
            raise SourceError(f"{self.path}:1: code cells but no jupytext header")
        return header

    @property
    def notebook(self) -> Path:
        """Where the generated notebook stands."""
        return self.path.with_suffix(".ipynb")

    def blocks(self) -> Iterator[tuple[Block, int]]:
        """Every block of the page in order, with its line; a code cell's figure is one too."""
        for cell in self.cells:
            if cell.kind == "markdown":
                yield from walk(cell.source, cell.line, str(self.path))
            elif "figure" in cell.metadata.get("mystnb", {}):
                yield figure_of(cell), cell.line


def figure_of(cell: Cell) -> Block:
    """Describe the figure that a code cell makes as if it were a figure directive."""
    options = dict(cell.metadata["mystnb"]["figure"])
    caption = str(options.pop("caption", "")).strip()
    return Block("directive", 0, 1, name="figure", body=caption, options=options)


def toc_pages(root: Path) -> list[Page]:
    """List the pages in reading order with their chapter numbers."""
    toc = parse_toc_yaml(root / "_toc.yml")
    chapters = count(1)

    def below(docname: str, chapter: int | None) -> Iterator[Page]:
        yield Page(docname, root / f"{docname}.md", chapter)
        for tree in toc[docname].subtrees:
            for child in tree.files():
                number = next(chapters) if tree.numbered and chapter is None else chapter
                yield from below(child, number)

    return list(below(site_root(toc), None))


def site_root(toc: SiteMap) -> str:
    """Name of the front page."""
    return toc.root.docname
