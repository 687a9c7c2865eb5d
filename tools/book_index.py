"""Number what the book numbers, and find what each label names, as Sphinx does it.

Equations, figures, tables, listings, exercises and theorems are each counted per chapter; the
pages outside the numbered parts share one count of each.
"""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import yaml

from tools.citations import Citations
from tools.myst_blocks import Block, SourceError
from tools.pages import Page, toc_pages

FORMATS = {
    "code-block": "Listing %s",
    "exercise": "Exercise %s",
    "figure": "Fig. %s",
    "table": "Table %s",
}
CAPTIONED = {"code", "code-block", "literalinclude", "sourcecode"}


class Label(NamedTuple):
    """What a label names."""

    page: Page
    text: str  # what ref prints: a title or a caption; empty for an equation
    words: str  # "Fig. 3.1"; for an equation "(3.1)"
    number: str  # "3.1"


def numbered_kind(block: Block) -> str | None:
    """Name the counter that a block advances, if it is numbered."""
    if block.kind == "math" or block.name == "math":
        return "equation" if block.label else None
    if block.kind != "directive" or "nonumber" in block.options:
        return None
    if block.name in CAPTIONED:
        return "code-block" if "caption" in block.options else None
    if block.name == "figure":
        return "figure" if block.body else None
    if block.name in ("table", "list-table"):
        return "table" if block.argument else None
    if block.name == "exercise" or (block.name.startswith("prf:") and block.name != "prf:proof"):
        return block.name
    return None


class Book:
    """The pages of a book with their titles, numbers and labels."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
        self.pages = {page.docname: page for page in toc_pages(root)}
        self.titles: dict[str, str] = {}
        self.labels: dict[str, Label] = {}
        self.words: dict[tuple[str, int], str] = {}
        self._counts: Counter[tuple[str, int | None]] = Counter()
        settings = self.config.get("sphinx", {}).get("config", {})
        self._formats = {**FORMATS, **settings.get("numfig_format", {})}
        for page in self.pages.values():
            self._read(page)

    @cached_property
    def citations(self) -> Citations:
        """The bibliography."""
        return Citations(self.root / "book" / "references.bib")

    @property
    def notebooks(self) -> list[Page]:
        """Pages whose cells run."""
        return [page for page in self.pages.values() if page.is_notebook]

    def _read(self, page: Page) -> None:
        target = ""
        for block, line in page.blocks():
            if block.kind == "heading":
                self.titles.setdefault(page.docname, block.body)
                self._add(target, Label(page, block.body, "", ""), line)
            elif block.kind in ("directive", "math"):
                self._note(page, block, line)
                self._add(target, Label(page, block.argument, "", ""), line)
            target = block.name if block.kind == "target" else ""
        if page.docname not in self.titles:
            raise SourceError(f"{page.path}:1: the page has no title")

    def _note(self, page: Page, block: Block, line: int) -> None:
        kind = numbered_kind(block)
        number = self._count(page, kind) if kind else ""
        words = self._words(block, kind, number, f"{page.path}:{line + 1}")
        self.words[page.docname, line] = words
        captions = {"figure": block.body, "table": block.argument, "list-table": block.argument}
        text = "" if kind == "equation" else captions.get(block.name, words)
        name = block.label or block.options.get("name", "")
        self._add(name, Label(page, text, words, number), line)

    def _count(self, page: Page, kind: str) -> str:
        self._counts[kind, page.chapter] += 1
        count = self._counts[kind, page.chapter]
        return f"{count}" if page.chapter is None else f"{page.chapter}.{count}"

    def _words(self, block: Block, kind: str | None, number: str, where: str) -> str:
        if kind == "equation":
            return f"({number})"
        if kind in self._formats:  # not a theorem: that has no format
            return self._formats[kind] % number
        if block.name == "solution":
            if block.argument not in self.labels:
                raise SourceError(f"{where}: no exercise {block.argument} above this solution")
            return f"Solution to {self.labels[block.argument].words}"
        if block.name == "exercise" or block.name.startswith("prf:"):
            return f"{block.name.removeprefix('prf:').title()} {number}".strip()
        return ""

    def _add(self, name: str, label: Label, line: int) -> None:
        if not name:
            return
        if name in self.labels:
            other = self.labels[name].page.path
            raise SourceError(f"{label.page.path}:{line + 1}: label {name} is also in {other}")
        self.labels[name] = label
