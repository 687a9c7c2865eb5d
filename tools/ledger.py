"""The ledger: every labelled equation of the book and the check that its page made of it.

``python -m tools.ledger`` reads the executed notebooks from the cache and writes
``_build/ledger.json`` and ``_build/ledger.md``, which ``book/equations.md`` includes. A label
without a check, a check without a label, and a label checked twice are errors.
"""

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from dgm_teach.ledger import MIME_TYPE
from tools import execute, project

MARKUP = re.compile(r"([\\`*_{}\[\]<>|$#~^])")
LABEL = re.compile(r"(?:\$\$\s*\(|^:label:\s*)((?:eq|def)-[\w-]+)", re.MULTILINE)

Record = dict[str, Any]


class LedgerError(Exception):
    """The labels of the book and its checks do not match."""


@dataclass
class Page:
    """The labels of a page's claims, as its source has them, and the checks that its cells left."""

    docname: str
    title: str
    labels: list[str]
    records: list[Record]


def labels_in(source: str) -> list[str]:
    """Labels of the equations in a page's source, in order."""
    return LABEL.findall(source)


def claims_in(source: str) -> list[str]:
    """Labels that need a check: those of claims, not of definitions."""
    return [label for label in labels_in(source) if label.startswith("eq-")]


def records_in(notebook: NotebookNode) -> list[Record]:
    """Checks recorded in the outputs of an executed notebook, in order."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return [out["data"][MIME_TYPE] for out in outputs if MIME_TYPE in out.get("data", {})]


def problems(page: Page) -> list[str]:
    """Say what does not match on a page; empty if every label has exactly one check."""
    recorded = Counter(record["label"] for record in page.records)
    found = [
        f"{page.docname}: {label} has no check" for label in page.labels if not recorded[label]
    ]
    for label, count in recorded.items():
        if label not in page.labels:
            found.append(f"{page.docname}: a check names {label}, which labels no equation here")
        if count > 1:
            found.append(f"{page.docname}: {label} is checked {count} times, once is accepted")
    return found


def in_order(page: Page) -> list[Record]:
    """Records of a page in the order of its equations."""
    return sorted(page.records, key=lambda record: page.labels.index(record["label"]))


def read_page(path: Path) -> Page:
    """Read a page and, if it is a notebook, its executed cells from the cache."""
    docname = path.relative_to(project.ROOT).with_suffix("").as_posix()
    source, records = path.read_text(encoding="utf-8"), []
    if project.is_notebook(path):
        try:
            _, executed = execute.open_cache().merge_match_into_notebook(execute.read(path))
        except KeyError:
            raise LedgerError(f"{docname}: not executed; run python -m tools.execute") from None
        records = records_in(executed)
    title = re.search(r"^# (.+)", source, re.MULTILINE)
    return Page(docname, title[1] if title else docname, claims_in(source), records)


def plain(text: str) -> str:
    """Escape what Markdown would read as markup."""
    return MARKUP.sub(r"\\\1", text)


def row(record: Record) -> str:
    """One line of the table."""
    size = f", n = {record['num_samples']:,}" if record["num_samples"] else ""
    refuted = [f"{wrong['name']} (off by {wrong['difference']})" for wrong in record["refuted"]]
    cells = [
        f"{{eq}}`{record['label']}` {record['label']}",
        plain(record["method"] + size),
        f"{record['difference']:.2g}",
        f"{record['tolerance']:.2g}",
        plain("; ".join(refuted)),
    ]
    return "| " + " | ".join(cells) + " |"


def markdown(pages: list[Page]) -> str:
    """Write the tables, one section for each page that has equations."""
    head = "| Equation | Method | Difference | Allowed | Refuted, and by how much |\n"
    head += "|---|---|---|---|---|\n"
    sections = [
        f"## {page.title}\n\nChecked in {{doc}}`/{page.docname}`.\n\n{head}"
        + "\n".join(map(row, in_order(page)))
        for page in pages
        if page.records
    ]
    return "\n\n".join(sections) + "\n"


def write(pages: list[Page], folder: Path) -> None:
    """Write the ledger, unless labels and checks differ."""
    found = [problem for page in pages for problem in problems(page)]
    if found:
        raise LedgerError("\n".join(found))
    records = [{"page": page.docname, **record} for page in pages for record in in_order(page)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ledger.json").write_text(json.dumps(records, indent=1), encoding="utf-8")
    (folder / "ledger.md").write_text(markdown(pages), encoding="utf-8")


def main() -> int:
    """Write the ledger of the book."""
    try:
        write([read_page(path) for path in project.pages()], project.BUILD)
    except LedgerError as error:
        print(f"The ledger does not close:\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
