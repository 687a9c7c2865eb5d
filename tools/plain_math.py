"""Write display maths so that MathJax in Jupyter and in Colab renders it as the book does."""

import re

NUMBERED = re.compile(r"\\begin\{(align|alignat|eqnarray|equation|flalign|gather|multline)\*?\}")
ENVIRONMENT = re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL)
DISPLAY = re.compile(r"^\$\$\n(.*?)\n\$\$$", re.DOTALL | re.MULTILINE)


def display(body: str, number: str) -> str:
    r"""Write a display; ``number`` is "(3.2)" or empty.

    Sphinx puts lines that end in ``\\`` into a split environment, so this does too.
    """
    if NUMBERED.search(body):
        raise ValueError("write \\begin{aligned} inside $$ ... $$, which carries the label")
    if re.search(r"\n\s*\n", body):
        raise ValueError("a blank line inside display maths")
    if re.search(r"\\(label|tag)\b", body):
        raise ValueError("label display maths as in $$ ... $$ (eq-name)")
    if r"\\" in ENVIRONMENT.sub("", body):
        body = f"\\begin{{split}}\n{body}\n\\end{{split}}"
    tag = f"\n\\tag{{{number.strip('()')}}}" if number else ""
    return f"$$\n{body}{tag}\n$$"


def on_one_line(text: str) -> str:
    """Put each display on one line: in a quote Jupyter takes the marks > for maths."""
    return DISPLAY.sub(lambda match: f"$$ {joined(match[1])} $$", text)


def joined(body: str) -> str:
    """Join the lines of a formula; a TeX comment would swallow what follows it."""
    lines = [re.sub(r"(?<!\\)%.*", "", line).strip() for line in body.split("\n")]
    return " ".join(line for line in lines if line)
