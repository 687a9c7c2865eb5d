"""The ledger closes: every claim of the book has one check, on its own page."""

import json
import re

import nbformat.v4 as nbf
import pytest

from dgm_teach.ledger import MIME_TYPE
from tools import ledger, project
from tools.ledger import LedgerError, Page

SOURCE = """# Title

$$ a = b $$ (eq-one)

$$
c = d
$$ (def-two)

$$
e = f
$$ (eq-three)

```{math}
:label: eq-four
g = h
```
"""
LABELS = ["eq-one", "eq-three", "eq-four"]


def record(label, **changes):
    known = {
        "label": label,
        "method": "closed form",
        "left": "1",
        "right": "1",
        "difference": 1e-16,
        "tolerance": 1e-10,
        "refuted": [{"name": "KL halved", "difference": "0.25"}],
        "num_samples": None,
        "num_se": None,
    }
    return known | changes


def page(labels, recorded):
    return Page("book/made", "Made", labels, [record(label) for label in recorded])


def test_labels_are_the_claims_in_order():
    assert ledger.claims_in(SOURCE) == LABELS
    assert ledger.labels_in(SOURCE) == ["eq-one", "def-two", "eq-three", "eq-four"]


def test_records_are_read_from_outputs_in_order():
    outputs = [
        [
            nbf.new_output("stream", text="x"),
            nbf.new_output("display_data", {MIME_TYPE: {"label": "a"}}),
        ],
        [nbf.new_output("display_data", {MIME_TYPE: {"label": "b"}, "text/plain": "b"})],
    ]
    cells = [nbf.new_markdown_cell("x"), *(nbf.new_code_cell(outputs=out) for out in outputs)]
    notebook = nbf.new_notebook(cells=cells)
    assert [found["label"] for found in ledger.records_in(notebook)] == ["a", "b"]


def test_a_closed_page_has_no_problems():
    assert ledger.problems(page(LABELS, reversed(LABELS))) == []


@pytest.mark.parametrize(
    ("labels", "recorded", "problem"),
    [
        (["eq-one"], [], "book/made: eq-one has no check"),
        ([], ["eq-one"], "book/made: a check names eq-one, which labels no equation here"),
        (["eq-one"], ["eq-one"] * 2, "book/made: eq-one is checked 2 times, once is accepted"),
    ],
)
def test_what_does_not_match_is_named_and_nothing_is_written(tmp_path, labels, recorded, problem):
    made = page(labels, recorded)
    assert ledger.problems(made) == [problem]
    with pytest.raises(LedgerError, match=problem):
        ledger.write([page(LABELS, LABELS), made], tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_was_not_executed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "ROOT", tmp_path)
    monkeypatch.setattr(project, "BUILD", tmp_path / "_build")
    path = tmp_path / "page.md"
    path.write_text(
        "---\njupytext:\n  text_representation:\n    format_name: myst\n---\n"
        "```{code-cell}\nnever_run\n```\n"
    )
    with pytest.raises(LedgerError, match="page: not executed"):
        ledger.read_page(path)


def test_the_tables_are_in_the_order_of_the_book(tmp_path):
    pages = [page(LABELS, reversed(LABELS)), Page("book/plain", "Plain", [], [])]
    ledger.write(pages, tmp_path)
    text = (tmp_path / "ledger.md").read_text()
    places = [text.index(f"{{eq}}`{label}`") for label in LABELS]
    assert places == sorted(places)
    assert text.startswith("## Made\n\nChecked in {doc}`/book/made`.")
    assert text.count("## ") == 1
    kept = json.loads((tmp_path / "ledger.json").read_text())
    assert [(entry["page"], entry["label"]) for entry in kept] == [
        ("book/made", label) for label in LABELS
    ]


def test_a_row_says_all_and_quotes_no_markup():
    refuted = [{"name": "log|S| with a*b", "difference": "x_1*x_2"}]
    row = ledger.row(record("eq-a", method="Monte Carlo", num_samples=10000, refuted=refuted))
    assert row == (
        r"| {eq}`eq-a` eq-a | Monte Carlo, n = 10,000 | 1e-16 | 1e-10 "
        r"| log\|S\| with a\*b (off by x\_1\*x\_2) |"
    )


def test_the_ledger_of_the_book_closes(built_book):
    pages = [ledger.read_page(path) for path in project.pages()]
    assert [problem for page in pages for problem in ledger.problems(page)] == []


def test_the_ledger_page_lists_every_claim_that_the_book_shows(built_book):
    """The labels that Sphinx found are those that the ledger's own reading found."""
    shown = [
        label
        for path in project.pages()
        for label in re.findall(r'id="equation-(eq-[\w-]+)"', html_of(path, built_book))
    ]
    page = (built_book / "book" / "equations.html").read_text(encoding="utf-8")
    assert [label for label in shown if f"#equation-{label}" not in page] == []


def html_of(path, built_book):
    relative = path.relative_to(project.ROOT).with_suffix(".html")
    return (built_book / relative).read_text(encoding="utf-8")
