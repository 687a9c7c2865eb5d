"""Find the blocks of MyST Markdown that plain Markdown does not have.

The text is parsed by the parser that Sphinx uses; what comes back names each block with its
lines, so that the rest of the text can be kept as the author wrote it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from textwrap import dedent

import yaml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from myst_parser.parsers.options import options_to_items

EXTENSIONS = {
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "substitution",
}
PARSER = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)

ADMONITIONS = {
    "attention": "Attention",
    "caution": "Caution",
    "danger": "Danger",
    "error": "Error",
    "hint": "Hint",
    "important": "Important",
    "note": "Note",
    "seealso": "See also",
    "tip": "Tip",
    "warning": "Warning",
}
TITLED = {"admonition", "card", "dropdown", "grid-item-card", "sidebar", "tab-item", "topic"}
PLAIN = {"container", "div", "grid", "grid-item", "margin", "tab-set"}
# Directives whose body is Markdown; every prf: directive is one too.
CONTAINERS = {*ADMONITIONS, *TITLED, *PLAIN, "exercise", "solution", "table"}
REFUSED = {
    "amsmath": "write $$ ... $$ with \\begin{aligned} inside instead of \\begin{align}",
    "dl_open": "definition lists do not render in Jupyter; write a list or a table",
    "substitution_block": "substitutions do not render in Jupyter; write the text out",
}


class SourceError(ValueError):
    """A page holds something that a notebook cannot show."""


@dataclass(frozen=True)
class Block:
    """Lines ``start`` to ``end`` (from 0, the end excluded) of a text, and what they are."""

    kind: str  # heading, text, verbatim, directive, math, target, comment
    start: int
    end: int
    prefix: str = ""
    name: str = ""
    argument: str = ""
    body: str = ""
    body_start: int = 0
    options: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Label of a display, or of a directive."""
        return self.name if self.kind == "math" else self.options.get("label", "")

    @property
    def contains_markdown(self) -> bool:
        """Whether the body is Markdown with blocks of its own."""
        return self.kind == "directive" and (
            self.name in CONTAINERS or self.name.startswith("prf:")
        )


def split_options(content: str) -> tuple[dict[str, str], str, int]:
    """Split a directive's content into options, body, and the lines before the body."""
    lines = content.split("\n")
    count = 0
    options: dict[str, object] = {}
    if lines[0].strip() == "---":
        count = next((i for i, line in enumerate(lines[1:], 2) if line.strip() == "---"), 0)
        options = yaml.safe_load("\n".join(lines[1 : max(count - 1, 1)])) or {}
    else:
        while count < len(lines) and re.match(":(?!::)", lines[count]):
            count += 1
        options.update(options_to_items("\n".join(line[1:] for line in lines[:count]))[0])
    while count < len(lines) and not lines[count].strip():
        count += 1
    words = {key: "" if value is None else str(value) for key, value in options.items()}
    return words, "\n".join(lines[count:]).rstrip(), count


def directive(token: Token, start: int, end: int, prefix: str) -> Block:
    """Make a block of a fence: a directive, or code that stays as it is."""
    match = re.fullmatch(r"\{([\w:.+-]+)\}\s*(.*)", token.info.strip())
    if not match:
        if token.type == "colon_fence":
            raise SourceError("a ::: fence needs a name, as in :::{note}, and holds no code cell")
        return Block("verbatim", start, end, prefix, token.info.strip(), body=token.content)
    options, body, skipped = split_options(token.content)
    name, argument = match.groups()
    return Block(
        "directive", start, end, prefix, name, argument, body, start + 1 + skipped, options
    )


def special(token: Token, start: int, end: int, prefix: str) -> Block | None:
    """Make a block of a token, unless the token is of no interest."""
    match token.type:
        case "fence" | "colon_fence":
            return directive(token, start, end, prefix)
        case "math_block" | "math_block_label":
            return Block("math", start, end, prefix, token.info, body=dedent(token.content).strip())
        case "myst_target":
            return Block("target", start, end, prefix, token.content)
        case "myst_line_comment":
            return Block("comment", start, end, prefix)
    return None


def to_block(previous: Token, token: Token, lines: list[str]) -> Block | None:
    """Make a block of a token, given the token before it."""
    if token.type in REFUSED:
        raise SourceError(REFUSED[token.type])
    if not token.map:
        return None
    start, end = token.map
    if token.type == "inline":
        kind = "heading" if previous.type == "heading_open" else "text"
        return Block(kind, start, end, name=previous.tag, body=token.content)
    if token.type in ("code_block", "html_block"):
        return Block("verbatim", start, end)
    margin = re.match(r"[ >]*", lines[start])
    prefix = margin.group() if margin else ""
    block = special(token, start, end, prefix)
    if block and block.kind != "verbatim" and re.match(r"[-*+]|\d+[.)]", lines[start].lstrip()):
        raise SourceError("start a directive or a display on a line of its own in a list")
    return block


def parse(text: str, line: int = 0, source: str = "text") -> list[Block]:
    """Return the blocks of a text in order; errors count lines from ``line``, the text's first."""
    lines = text.split("\n")
    found: dict[int, Block] = {}
    reached = 0
    try:
        for previous, token in pairwise([Token("start", "", 0), *PARSER.parse(text)]):
            reached = token.map[0] if token.map else reached
            block = to_block(previous, token, lines)
            if block:
                found.setdefault(block.start, block)
    except ValueError as error:  # a bad option block is one too
        raise SourceError(f"{source}:{line + reached + 1}: {error}") from error
    return [found[start] for start in sorted(found)]


def walk(text: str, line: int = 0, source: str = "text") -> Iterator[tuple[Block, int]]:
    """Go through all blocks, nested ones too, each with the number of its line from 0."""
    for block in parse(text, line, source):
        yield block, line + block.start
        if block.contains_markdown:
            yield from walk(block.body, line + block.body_start, source)
