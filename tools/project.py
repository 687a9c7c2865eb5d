"""Facts about the project, each read from the one file that states it.

The address, the branch and the title stand in ``_config.yml``; the pages of the book, in their
order, in ``_toc.yml``.
"""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from sphinx_external_toc.parsing import parse_toc_yaml

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
HTML = BUILD / "html"


@cache
def config() -> dict[str, Any]:
    """Read ``_config.yml``."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


def title() -> str:
    """Title of the book."""
    return config()["title"]


def address() -> str:
    """Address of the repository, without a slash at its end."""
    return config()["repository"]["url"].rstrip("/")


def branch() -> str:
    """Branch that launch and edit buttons open."""
    return config()["repository"]["branch"]


def name() -> str:
    """Owner and name of the repository, as in ``owner/name``."""
    return "/".join(address().split("/")[-2:])


def pages() -> list[Path]:
    """Source files of the book in reading order, the front page first."""
    toc = parse_toc_yaml(ROOT / "_toc.yml")
    return [ROOT / f"{docname}.md" for docname in toc if not docname.startswith("_")]


def is_notebook(page: Path) -> bool:
    """Whether the page has a jupytext header, so that its cells run."""
    text = page.read_text(encoding="utf-8")
    return text.startswith("---\n") and "format_name: myst" in text.split("\n---", 1)[0]


def notebooks() -> list[Path]:
    """Those pages of the book whose cells run."""
    return [page for page in pages() if is_notebook(page)]
