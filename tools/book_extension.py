"""Sphinx extension of the book: what ``_config.yml`` cannot say."""

import re
import shutil
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform

from tools import execute, ledger, project


def use_keyed_cache(app: Sphinx, config: Config) -> None:
    """Read executed notebooks from the folder where ``tools.execute`` left them."""
    config.nb_execution_cache_path = str(execute.cache_path())


def skip_tuple_fields(
    app: Sphinx, what: str, name: str, member: object, skip: bool, options: object
) -> bool | None:
    """Leave out "Alias for field number 0": a NamedTuple's docstring explains its fields."""
    return True if type(member).__name__ == "_tuplegetter" else None


@cache
def labels() -> set[str]:
    """Labels of all equations of the book."""
    sources = (page.read_text(encoding="utf-8") for page in project.pages())
    return {label for source in sources for label in ledger.labels_in(source)}


def link_equations(
    app: Sphinx, what: str, name: str, member: object, options: object, lines: list[str]
) -> None:
    """Make a link of each equation's label in a docstring."""
    for index, line in enumerate(lines):
        lines[index] = re.sub(
            r"``([\w-]+)``", lambda m: f":eq:`{m[1]}`" if m[1] in labels() else m[0], line
        )


class KeepPunctuation(SphinxPostTransform):
    """Keep a comma or a full stop on the line of the formula before it: browsers do not."""

    default_priority = 900

    def run(self, **_: object) -> None:
        """Join each formula in a line with the punctuation behind it."""
        for formula in list(self.document.findall(nodes.math)):
            parent = formula.parent
            place = next(i for i, child in enumerate(parent) if child is formula)
            text = parent[place + 1] if place + 1 < len(parent) else None
            if isinstance(text, nodes.Text) and (found := re.match(r"[.,;:!?)’”]+", text)):
                joined = nodes.inline("", "", formula, nodes.Text(found[0]), classes=["nobreak"])
                parent[place : place + 2] = [joined, nodes.Text(text[found.end() :])]


def offer_readable_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Put the converted notebook behind the download button, not the raw MyST text."""
    if exception or app.builder.format != "html":
        return
    for page in project.notebooks():
        notebook = page.with_suffix(".ipynb").relative_to(project.ROOT)
        target = Path(app.outdir, "_sources", notebook)
        if (project.ROOT / notebook).exists() and target.exists():
            shutil.copyfile(project.ROOT / notebook, target)


def write_entry_page(app: Sphinx, exception: Exception | None) -> None:
    """Lead from ``index.html`` to the front page, also a reader whom nothing redirects."""
    if exception or app.builder.format != "html":
        return
    front = f"{app.config.root_doc}.html"
    Path(app.outdir, "index.html").write_text(
        f"""<!DOCTYPE html>
<html lang="{app.config.language}">
<head>
<meta charset="utf-8">
<title>{project.title()}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="0; url={front}">
</head>
<body><main><h1><a href="{front}">{project.title()}</a></h1></main></body>
</html>
""",
        encoding="utf-8",
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the functions above to the build."""
    app.connect("config-inited", use_keyed_cache)
    app.add_post_transform(KeepPunctuation)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.connect("autodoc-process-docstring", link_equations)
    app.connect("build-finished", offer_readable_notebooks)
    app.connect("build-finished", write_entry_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
