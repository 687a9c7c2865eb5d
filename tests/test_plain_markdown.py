"""What each piece of MyST Markdown becomes in a plain notebook."""

import re
import shutil
from pathlib import Path

import pytest

from tools.book_index import Book
from tools.myst_blocks import SourceError
from tools.notebooks import convert

MINI = Path(__file__).parent / "mini_book"
TOC = """\
format: jb-book
root: book/index
parts:
  - caption: Front
    chapters: [{file: book/plain}]
  - caption: Numbered
    numbered: true
    chapters: [{file: book/one}, {file: book/two}]
"""
HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  name: python3
  display_name: Python 3
---

"""
PLAIN = "(plain-top)=\n# Plain\n\n$$ p $$ (def-p)\n"
TWO = """# Two

$$ q $$ (eq-q)

```{figure} dot.png
:name: fig-two
:alt: dot

A dot.
```

```{exercise} Other
:label: ex-two

Do.
```

```{code-cell} ipython3
2
```
"""


def notebook_text(root: Path, text: str) -> str:
    """Translate ``text`` as the body of chapter 1 of a book of four pages."""
    book = root / "book"
    book.mkdir()
    shutil.copy(MINI / "book" / "references.bib", book)
    shutil.copy(MINI / "book" / "part" / "dot.png", book)
    shutil.copy(MINI / "code" / "shown.py", book)
    (root / "_config.yml").write_text("title: A Book\n")
    (root / "_toc.yml").write_text(TOC)
    (book / "index.md").write_text("# Front\n")
    (book / "plain.md").write_text(PLAIN)
    (book / "one.md").write_text(f"{HEADER}# One\n\n{text}\n\n```{{code-cell}}\n1\n```\n")
    (book / "two.md").write_text(HEADER + TWO)
    index = Book(root)
    notebook = convert(index, index.pages["book/one"])
    return notebook.cells[2].source.removeprefix("# One").strip("\n")


CASES = {
    "text is kept": ("*A* `b {eq}` \\$ $c_{d}$\n\n- e", "*A* `b {eq}` \\$ $c_{d}$\n\n- e"),
    "plain code is kept": ("```python\n{eq}`x` $$\n```", "```python\n{eq}`x` $$\n```"),
    "html is kept": ("<div>\n{eq}`x`\n</div>", "<div>\n{eq}`x`\n</div>"),
    "display": ("$$ a = b $$", "$$\na = b\n$$"),
    "labelled display": ("$$\na = b\n$$ (eq-a)", "$$\na = b\n\\tag{1.1}\n$$"),
    "aligned display": (
        "$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned}\n$$ (eq-a)",
        "$$\n\\begin{aligned}\na &= b \\\\\n&= c\n\\end{aligned}\n\\tag{1.1}\n$$",
    ),
    "bare line breaks are split as Sphinx does": (
        "$$\na \\\\\nb\n$$",
        "$$\n\\begin{split}\na \\\\\nb\n\\end{split}\n$$",
    ),
    "math directive": ("```{math}\n:label: eq-a\na\n```", "$$\na\n\\tag{1.1}\n$$"),
    "display in a list": ("- a\n\n  $$ b $$ (eq-b)", "- a\n\n  $$\n  b\n  \\tag{1.1}\n  $$"),
    "display in a quote": ("> a\n>\n> $$\n> b\n> $$ (eq-b)", "> a\n>\n> $$ b \\tag{1.1} $$"),
    "eq on the page": ("$$ a $$ (eq-a)\n\nBy {eq}`eq-a`.", "$$\na\n\\tag{1.1}\n$$\n\nBy (1.1)."),
    "eq elsewhere": (
        "{eq}`eq-q`, {eq}`def-p`",
        "(2.1) in [Two](two.ipynb), (1) in [Plain](plain.md)",
    ),
    "ref to a box": (
        "(box)=\n:::{admonition} Rules\nText.\n:::\n\n{ref}`the rules <box>`",
        "> **Rules**\n>\n> Text.\n\nthe rules",
    ),
    "ref on the page": ("(sec)=\n## A *b*\n\n{ref}`sec` {ref}`c <sec>`", "## A *b*\n\nA *b* c"),
    "ref elsewhere": ("{ref}`plain-top` {ref}`a <plain-top>`", "[Plain](plain.md) [a](plain.md)"),
    "ref to exercise": ("{ref}`ex-two`", "[Exercise 2.1](two.ipynb)"),
    "ref to figure": ("{ref}`fig-two`", "[A dot.](two.ipynb)"),
    "numref": ("{numref}`fig-two`", "[Fig. 2.1](two.ipynb)"),
    "numref with text": ("{numref}`see %s <fig-two>`", "[see 2.1](two.ipynb)"),
    "doc": ("{doc}`two` {doc}`a </book/plain>`", "[Two](two.ipynb) [a](plain.md)"),
    "link to a page": ("[a $b$](two.md) [](plain.md)", "[a $b$](two.ipynb) [Plain](plain.md)"),
    "link to a label": ("[a](#plain-top) [](#ex-two)", "[a](plain.md) [Exercise 2.1](two.ipynb)"),
    "link to a site": ("[a](https://b.org/c_(d)#e)", "[a](https://b.org/c_(d)#e)"),
    "link to a file": ("[a](shown.py)", "[a](shown.py)"),
    "image": ("![a](dot.png){width=20px}", "![a](dot.png)"),
    "attributes": ("{.wide}\n[a]{.b}", "a"),
    "comment": ("a\n\n% b\n\nc", "a\n\nc"),
    "footnote": (
        "a[^b]\n\n[^b]: {cite:t}`kingma2014`",
        "a<sup>[b]</sup>\n\n<sup>[b]</sup> Kingma and Welling (2014)",
    ),
    "citation in the text": ("{cite:t}`kingma2014`", "Kingma and Welling (2014)"),
    "citation in brackets": ("{cite:p}`vandenoord2016`", "(van den Oord and Müller, 2016)"),
    "citations": (
        "{cite:p}`{see}kingma2014, goodfellow2014{section 2}`",
        "(see Kingma and Welling, 2014; Goodfellow et al., 2014, section 2)",
    ),
    "term": ("{term}`a` {term}`bs <b>`", "a bs"),
    "math role": ("{math}`a_b`", "$a_b$"),
    "python role": ("{py:func}`~a.b` {py:class}`a.B`", "`b()` `a.B`"),
    "role over two lines": ("{term}`a\nb`", "a b"),
    "note": ("```{note}\na\n\nb\n```", "> **Note**\n>\n> a\n>\n> b"),
    "colon fence": (":::{tip} a\nb\n:::", "> **Tip**\n>\n> a\n>\n> b"),
    "admonition with maths": (
        "```{admonition} A $t$\n$$\na % c\n= b\n$$ (eq-a)\n```",
        "> **A $t$**\n>\n> $$ a = b \\tag{1.1} $$",
    ),
    "nested directives": (
        "````{note}\n```{warning}\n{eq}`eq-q`\n```\n````",
        "> **Note**\n>\n> > **Warning**\n> >\n> > (2.1) in [Two](two.ipynb)",
    ),
    "dropdown": (
        "```{dropdown} a < b\nc\n```",
        "<details>\n<summary>a &lt; b</summary>\n\nc\n\n</details>",
    ),
    "folded note": (
        "```{note}\n:class: dropdown\nc\n```",
        "<details>\n<summary>Note</summary>\n\nc\n\n</details>",
    ),
    "exercise and solution": (
        "```{exercise} A\n:label: ex-a\n\nb\n```\n\n"
        "````{solution} ex-a\n:class: dropdown\n\n$$ c $$\n\n```python\nd\n```\n````",
        "**Exercise 1.1 (A)**\n\nb\n\n<details>\n<summary>Solution to Exercise 1.1</summary>\n\n"
        "$$\nc\n$$\n\n```python\nd\n```\n\n</details>",
    ),
    "theorem and proof": (
        "```{prf:theorem} A\n:label: t\nb\n```\n\n```{prf:proof}\nBy {prf:ref}`t`.\n```",
        "> **Theorem 1.1 (A)**\n>\n> b\n\n**Proof.**\n\nBy Theorem 1.1.\n\n∎",
    ),
    "source of an object": (
        "```{literalinclude} shown.py\n:pyobject: double\n```",
        "```python\ndef double(x: float) -> float:\n"
        '    """Return twice x."""\n    return 2 * x\n```',
    ),
    "lines of a source": (
        "```{literalinclude} shown.py\n:lines: 1\n:caption: A\n```",
        '**Listing 1.1** A\n\n```python\n"""A module that a page shows."""\n```',
    ),
    "code block": ("```{code-block} console\n$ a\n```", "```console\n$ a\n```"),
    "figure": (
        "```{figure} dot.png\n:alt: a b\n:name: f\n\nC $d$.\n```\n\n{numref}`f`",
        "![a b](dot.png)\n\n**Fig. 1.1** C $d$.\n\nFig. 1.1",
    ),
    "table": (
        "```{table} A\n:name: t\n\n| b |\n|---|\n| {eq}`eq-q` |\n```",
        "**Table 1.1** A\n\n| b |\n|---|\n| (2.1) in [Two](two.ipynb) |",
    ),
    "list table": (
        "```{list-table}\n:header-rows: 1\n\n* - a\n  - b\n* - $c$\n  - {term}`d`\n```",
        "| a | b |\n| --- | --- |\n| $c$ | d |",
    ),
}


@pytest.mark.parametrize(("source", "expected"), CASES.values(), ids=CASES.keys())
def test_translation(source, expected, tmp_path):
    assert notebook_text(tmp_path, source) == expected


ERRORS = {
    "unknown directive": ("a\n\n```{nonsense}\n```", r"one\.md:15: unknown directive {nonsense}"),
    "in a directive": ("```{note}\na\n\n{b}`c`\n```", r"one\.md:16: unknown role {b}"),
    "unknown role": ("{nonsense}`a`", r"one\.md:13: unknown role {nonsense}"),
    "role on a later line": ("a\n{nonsense}`a`", r"one\.md:14: unknown role"),
    "code cell in a directive": (":::{note}\n```{code-cell}\n1\n```\n:::", "holds no code cell"),
    "align environment": ("\\begin{align}\na\n\\end{align}", r"one\.md:13: .*aligned"),
    "align in a display": ("$$\n\\begin{align}a\\end{align}\n$$", "aligned"),
    "label in TeX": ("$$ a \\label{b} $$", "label display maths as in"),
    "blank line in a display": ("$$\na\n\nb\n$$", "blank line inside display"),
    "display in a paragraph": ("a\n$$ b $$ (eq-b)", r"one\.md:14: display maths needs a blank"),
    "display beside a bullet": ("- $$ b $$", "line of its own"),
    "unknown label": ("{eq}`eq-none`", "no label eq-none"),
    "eq of a section": ("{eq}`plain-top`", "plain-top is no equation"),
    "ref of an equation": ("{ref}`eq-q`", "eq-q is an equation"),
    "numref of a section": ("{numref}`plain-top`", "plain-top has no number"),
    "label used twice": ("$$ a $$ (eq-q)", "label eq-q is also in"),
    "solution before its exercise": ("```{solution} ex-two\n```", "no exercise ex-two above"),
    "unknown page": ("{doc}`nowhere`", "nowhere is no page"),
    "missing file": ("[a](nowhere.md)", "no file nowhere.md"),
    "image without words": ("```{image} dot.png\n```", ":alt:"),
    "unknown citation": ("{cite:t}`nobody2000`", "nobody2000 is not in references.bib"),
    "unknown way to cite": ("{cite:year}`kingma2014`", "cite with"),
    "substitution": ("a {{ b }}", "substitutions do not render"),
    "definition list": ("a\n: b", "definition lists do not render"),
    "nameless fence": (":::note\na\n:::", "needs a name"),
    "bar in a table cell": (
        "```{list-table}\n:header-rows: 1\n* - a\n* - $p(x|z)$\n```",
        "ends the cell",
    ),
}


@pytest.mark.parametrize(("source", "message"), ERRORS.values(), ids=ERRORS.keys())
def test_untranslatable_text_is_refused_by_file_and_line(source, message, tmp_path):
    with pytest.raises(SourceError, match=message) as caught:
        notebook_text(tmp_path, source)
    assert re.match(r"\S*(one|two)\.md:\d+: ", str(caught.value))
