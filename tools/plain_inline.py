"""Turn MyST roles, links and inline maths into what plain Markdown knows."""

import os
import re
from collections.abc import Callable
from pathlib import Path

from tools.book_index import Book, Label
from tools.pages import Page

TOKEN = re.compile(
    r"""
    \\.
  | \{(?P<role>[a-z][\w:.+-]*)\}(?P<ticks>`+)(?P<content>.+?)(?P=ticks)(?!`)
  | (?P<mark>`+).+?(?<!`)(?P=mark)(?!`)
  | (?P<double>\$\$)
  | \$(?:\\.|[^$\\])+\$
  | (?P<substitution>\{\{)
  | (?P<bang>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]
    \((?P<target>[^\s()]*)(?P<title>\s+"[^"]*")?\)(?P<attributes>\{[^{}]*\})?
  | \[(?P<span>[^\[\]]+)\]\{[^{}]+\}
  | \[\^(?P<note>[^\[\]]+)\](?P<colon>:?)
  | <(?P<auto>(?:project|path|inv|myst):[^>]*)>
    """,
    re.VERBOSE | re.DOTALL,
)
EXTERNAL = re.compile(r"https?:|mailto:")
EXPLICIT = re.compile(r"(?P<text>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)


class Inline:
    """Translate the inline text of one page."""

    def __init__(self, book: Book, page: Page) -> None:
        self.book = book
        self.page = page

    def translate(self, text: str) -> str:
        """Translate a run of text; what is unknown raises ValueError."""
        return TOKEN.sub(self.token, text)

    def token(self, match: re.Match[str]) -> str:
        """Translate one match of TOKEN."""
        if match["double"]:
            raise ValueError("display maths needs a blank line before its first $$")
        if match["substitution"]:
            raise ValueError("substitutions do not render in Jupyter; write the text out")
        if match["auto"]:
            raise ValueError(f"<{match['auto']}> is not translated; write [text](page.md)")
        if match["role"]:
            return self._role(match["role"], " ".join(match["content"].split()))
        if match["note"]:  # Jupyter knows no footnotes
            return f"<sup>[{match['note']}]</sup>"
        if match["span"]:
            return self.translate(match["span"])
        if match["target"] is not None:
            return self._link(match)
        return match.group()

    def _role(self, role: str, content: str) -> str:
        if role.startswith("cite"):
            return self.book.citations.text(role, content)
        if role.startswith("py:") or role in ("class", "func", "meth", "mod", "attr"):
            call = "()" if role.endswith(("func", "meth")) else ""
            return f"`{code_name(content)}{call}`"
        if role not in ROLES:
            raise ValueError(f"unknown role {{{role}}}")
        return ROLES[role](self, content)

    def eq(self, name: str) -> str:
        """Number of an equation, with its page where that is another."""
        label = self._label(name)
        if label.text or not label.number:
            raise ValueError(f"{name} is no equation; use {{ref}}")
        if label.page is self.page:
            return label.words
        return f"{label.words} in {self.page_link(label.page)}"

    def ref(self, content: str) -> str:
        """Title of what a label names, linked where it is on another page."""
        text, name = explicit(content)
        label = self._label(name)
        if not (text or label.text):
            raise ValueError(f"{name} is an equation; use {{eq}}")
        return self._to_label(label, text or self.translate(label.text))

    def numref(self, content: str) -> str:
        """Number of what a label names: Fig. 3.1."""
        text, name = explicit(content)
        label = self._label(name)
        if not label.number:
            raise ValueError(f"{name} has no number; use {{ref}}")
        text = text.replace("%s", label.number).replace("{number}", label.number)
        return self._to_label(label, text or label.words)

    def doc(self, content: str) -> str:
        """Title of a page, linked."""
        text, name = explicit(content)
        page = self._page(f"{name}.md")
        if page is None:
            raise ValueError(f"{name} is no page of the table of contents")
        return self.page_link(page, text)

    def _label(self, name: str) -> Label:
        if name not in self.book.labels:
            raise ValueError(f"no label {name} in the book")
        return self.book.labels[name]

    def _path(self, path: str) -> Path:
        """Where a path written on the page leads; one with a slash starts at the root."""
        base = self.book.root if path.startswith("/") else self.page.path.parent
        return Path(os.path.normpath(base / path.lstrip("/")))

    def _page(self, path: str) -> Page | None:
        wanted = self._path(path)
        pages = self.book.pages.values()
        return next((page for page in pages if Path(os.path.normpath(page.path)) == wanted), None)

    def page_link(self, page: Page, text: str = "") -> str:
        """Link to a page's notebook, or to its source where it has none."""
        path = page.notebook if page.is_notebook else page.path
        title = text or self.book.titles[page.docname]
        return f"[{title}]({os.path.relpath(path, self.page.path.parent)})"

    def _to_label(self, label: Label, text: str) -> str:
        return text if label.page is self.page else self.page_link(label.page, text)

    def _link(self, match: re.Match[str]) -> str:
        text, target = self.translate(match["text"]), match["target"]
        path, _, name = target.partition("#")
        if EXTERNAL.match(target):
            return match.group().removesuffix(match["attributes"] or "")
        if name and not path:
            return self._to_label(self._label(name), text) if text else self.ref(name)
        page = self._page(path)
        if page:
            return self.page_link(page, text)
        return f"{match['bang']}[{text}]({self.file(path)}{match['title'] or ''})"

    def file(self, path: str) -> str:
        """Path of a file that exists, relative to the page."""
        found = self._path(path)
        if not found.is_file():
            raise ValueError(f"no file {path or 'named in the link'}")
        return os.path.relpath(found, self.page.path.parent)


def explicit(content: str) -> tuple[str, str]:
    """Split "text <target>" into its two parts; the text is empty where there is none."""
    match = EXPLICIT.fullmatch(content)
    return (match["text"], match["target"]) if match else ("", content)


def code_name(content: str) -> str:
    """Name of a Python object as Sphinx shows it: a tilde leaves the last part only."""
    text, name = explicit(content)
    if name.startswith("~"):
        name = name.rpartition(".")[2]
    return text or name.lstrip("!")


ROLES: dict[str, Callable[[Inline, str], str]] = {
    "abbr": lambda inline, content: content,
    "code": lambda inline, content: f"`{content}`",
    "doc": Inline.doc,
    "eq": Inline.eq,
    "kbd": lambda inline, content: f"`{content}`",
    "math": lambda inline, content: f"${content}$",
    "numref": Inline.numref,
    "prf:ref": Inline.ref,
    "ref": Inline.ref,
    "sub": lambda inline, content: f"<sub>{content}</sub>",
    "sup": lambda inline, content: f"<sup>{content}</sup>",
    "term": lambda inline, content: explicit(content)[0] or content,
}
