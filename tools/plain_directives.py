"""Translate MyST directives into plain Markdown, each by a short function."""

from __future__ import annotations

import html
from collections.abc import Callable
from textwrap import indent
from types import SimpleNamespace
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from sphinx.directives.code import LiteralIncludeReader

from tools.myst_blocks import ADMONITIONS, PLAIN, TITLED, Block
from tools.plain_math import display, on_one_line

if TYPE_CHECKING:
    from tools.plain_markdown import Translator


def quote(text: str) -> str:
    """Make a blockquote."""
    lines = indent(on_one_line(text), "> ", lambda _: True).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def fold(title: str, body: str) -> str:
    """Fold text away; the blank lines let the Markdown inside render."""
    summary = f"<summary>{html.escape(title, quote=False)}</summary>"
    return f"<details>\n{summary}\n\n{body}\n\n</details>"


def fence(language: str, code: str) -> str:
    """Make a code block."""
    mark = "````" if "```" in code else "```"
    return f"{mark}{language}\n{code.rstrip()}\n{mark}"


def captioned(words: str, caption: str, body: str) -> str:
    """Put a bold number and a caption above a table or a listing."""
    return f"**{words}** {caption}\n\n{body}" if caption else body


def titled(page: Translator, block: Block, line: int) -> str:
    """Name of a numbered block with its own title: Exercise 3.1 (A title)."""
    title = page.inline.translate(block.argument)
    return f"{page.words(line)} ({title})" if title else page.words(line)


def admonition(page: Translator, block: Block, line: int) -> str:
    title, body = page.inline.translate(block.argument), page.body(block, line)
    if block.name in ADMONITIONS:
        body = f"{title}\n\n{body}".strip()
        title = ADMONITIONS[block.name]
    if block.name == "dropdown" or "dropdown" in block.options.get("class", ""):
        return fold(title, body)
    return quote(f"**{title}**\n\n{body}" if title else body)


def exercise(page: Translator, block: Block, line: int) -> str:
    return f"**{titled(page, block, line)}**\n\n{page.body(block, line)}"


def solution(page: Translator, block: Block, line: int) -> str:
    return fold(page.words(line), page.body(block, line))


def proof(page: Translator, block: Block, line: int) -> str:
    if block.name == "prf:proof":
        return f"**Proof.**\n\n{page.body(block, line)}\n\n∎"
    return quote(f"**{titled(page, block, line)}**\n\n{page.body(block, line)}")


def literalinclude(page: Translator, block: Block, line: int) -> str:
    path = page.page.path.parent / page.inline.file(block.argument)
    settings = SimpleNamespace(source_encoding="utf-8")
    code, _ = LiteralIncludeReader(str(path), block.options, settings).read()  # type: ignore[arg-type]
    if "dedent" in block.options:
        raise ValueError("literalinclude: :dedent: is not translated")
    caption = page.inline.translate(block.options.get("caption", ""))
    language = block.options.get("language", "python")
    return captioned(page.words(line), caption, fence(language, code))


def code(page: Translator, block: Block, line: int) -> str:
    caption = page.inline.translate(block.options.get("caption", ""))
    return captioned(page.words(line), caption, fence(block.argument, block.body))


def figure(page: Translator, block: Block, line: int) -> str:
    alt = block.options.get("alt", "")
    if not alt:
        raise ValueError(f"{{{block.name}}} {block.argument} needs an :alt: text")
    image = f"![{alt}]({page.inline.file(block.argument)})"
    if block.name == "image" or not block.body:
        return image
    return f"{image}\n\n**{page.words(line)}** {page.body(block, line)}"


def math(page: Translator, block: Block, line: int) -> str:
    return display(f"{block.argument}\n{block.body}".strip(), page.words(line))


def table(page: Translator, block: Block, line: int) -> str:
    caption = page.inline.translate(block.argument)
    return captioned(page.words(line), caption, page.body(block, line))


def list_table(page: Translator, block: Block, line: int) -> str:
    if block.options.get("header-rows", "0") != "1":
        raise ValueError("list-table needs :header-rows: 1; other tables do not exist in Jupyter")
    rows = [[cell(page, item) for item in row.children[0].children] for row in list_rows(block)]
    rows.insert(1, ["---"] * len(rows[0]))
    text = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return captioned(page.words(line), page.inline.translate(block.argument), text)


def list_rows(block: Block) -> list[SyntaxTreeNode]:
    """Items of the outer list, each a row."""
    tree = SyntaxTreeNode(MarkdownIt("commonmark").parse(block.body))
    return tree.children[0].children


def cell(page: Translator, item: SyntaxTreeNode) -> str:
    """Text of one cell on one line."""
    inlines = (node for node in item.walk() if node.type == "inline")
    text = " ".join(page.inline.translate(node.content) for node in inlines)
    if "|" in text:
        raise ValueError("a | in a table ends the cell in Jupyter; write \\mid or \\vert")
    return " ".join(text.split())


def contents(page: Translator, block: Block, line: int) -> str:
    others = (other for other in page.book.pages.values() if other is not page.page)
    return "\n".join(f"- {page.inline.page_link(other)}" for other in others)


def inside(page: Translator, block: Block, line: int) -> str:
    return page.body(block, line)


def rubric(page: Translator, block: Block, line: int) -> str:
    return f"**{page.inline.translate(block.argument)}**"


DIRECTIVES: dict[str, Callable[[Translator, Block, int], str]] = {
    **dict.fromkeys([*ADMONITIONS, *TITLED], admonition),
    **dict.fromkeys(PLAIN, inside),
    **dict.fromkeys(["code", "code-block", "sourcecode"], code),
    **dict.fromkeys(["figure", "image"], figure),
    "exercise": exercise,
    "list-table": list_table,
    "literalinclude": literalinclude,
    "math": math,
    "prf": proof,
    "rubric": rubric,
    "solution": solution,
    "table": table,
    "tableofcontents": contents,
}
