"""Turn a page's MyST Markdown into Markdown that plain Jupyter and Colab render."""

import re
from textwrap import indent

from tools.book_index import Book
from tools.myst_blocks import Block, SourceError, parse
from tools.pages import Page
from tools.plain_directives import DIRECTIVES
from tools.plain_inline import TOKEN, Inline
from tools.plain_math import display, on_one_line


class Translator:
    """Translates the Markdown of one page."""

    def __init__(self, book: Book, page: Page) -> None:
        self.book = book
        self.page = page
        self.inline = Inline(book, page)

    def markdown(self, text: str, line: int) -> str:
        """Translate a text whose first line is ``line`` (from 0) of the page."""
        lines = text.split("\n")
        written: list[str] = []
        done = 0
        for block in parse(text, line, str(self.page.path)):
            if block.start < done:  # the cells of a table row share a line
                continue
            written += map(self._between, lines[done : block.start])
            written += self._block(block, lines[block.start : block.end], line + block.start)
            done = block.end
        written += map(self._between, lines[done:])
        return re.sub(r"\n{3,}", "\n\n", "\n".join(written)).strip("\n")

    def _between(self, line: str) -> str:
        """Drop a line of attributes such as {.wide}; keep any other line outside blocks."""
        return "" if re.fullmatch(r"\s*\{[^`{}]*\}\s*", line) else line

    def _block(self, block: Block, lines: list[str], line: int) -> list[str]:
        if block.kind == "verbatim":
            return lines
        try:
            if block.kind in ("heading", "text"):
                return [self._text("\n".join(lines), line)]
            written = self._special(block, line)
        except SourceError:
            raise
        except ValueError as error:
            raise SourceError(f"{self.page.path}:{line + 1}: {error}") from error
        return add_prefix(written, block.prefix)

    def _text(self, text: str, line: int) -> str:
        def translate(match: re.Match[str]) -> str:
            try:
                return self.inline.token(match)
            except ValueError as error:
                here = line + text.count("\n", 0, match.start()) + 1
                raise SourceError(f"{self.page.path}:{here}: {error}") from error

        return TOKEN.sub(translate, text)

    def _special(self, block: Block, line: int) -> str:
        if block.kind == "math":
            return display(block.body, self.words(line))
        if block.kind != "directive":
            return ""
        name = "prf" if block.name.startswith("prf:") else block.name
        if name not in DIRECTIVES:
            raise ValueError(f"unknown directive {{{block.name}}}")
        return DIRECTIVES[name](self, block, line)

    def words(self, line: int) -> str:
        """Number and name that the book gives the block at a line."""
        return self.book.words.get((self.page.docname, line), "")

    def body(self, block: Block, line: int) -> str:
        """Translate the Markdown inside a directive that begins at ``line``."""
        return self.markdown(block.body, line + block.body_start - block.start)


def add_prefix(text: str, prefix: str) -> list[str]:
    """Indent a block as it was indented, or quote it as it was quoted."""
    if ">" in prefix:
        return indent(on_one_line(text), prefix, lambda _: True).split("\n")
    return indent(text, prefix).split("\n")
