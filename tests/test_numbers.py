"""The numbers in the notebooks are the numbers in the rendered book."""

import re
import shutil
import subprocess
import sysconfig
from html import unescape
from pathlib import Path

import pytest

from tools import project
from tools.book_index import Book

MINI = Path(__file__).parent / "mini_book"


@pytest.fixture(scope="session")
def mini_html(tmp_path_factory):
    """The small book as Sphinx renders it."""
    root = tmp_path_factory.mktemp("built") / "mini"
    shutil.copytree(MINI, root)
    command = str(Path(sysconfig.get_path("scripts"), "jupyter-book"))
    build = [command, "build", "-W", str(root)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return root / "_build" / "html"


def rendered_equations(html):
    """Label and number of each equation of a rendered page."""
    pattern = r'id="equation-([\w-]+)".*?<span class="eqno">(\([\d.]+\))'
    return re.findall(pattern, html, re.S)


def rendered_captions(html):
    """Fig. 1.1, Theorem 1.1 ... in the order of a rendered page."""
    found = re.findall(r'<span class="caption-number">([^<]*)</span>', html)
    return [unescape(words).strip() for words in found]


def numbered(book, page):
    """What the index numbers on a page, in order: labels with numbers, and captions."""
    labels = [
        (name, label.words)
        for name, label in book.labels.items()
        if label.page is page and label.words.startswith("(")
    ]
    words = [words for (docname, _), words in book.words.items() if docname == page.docname]
    return labels, [w for w in words if re.fullmatch(r"[A-Z][\w.]* [\d.]+", w)]


def check_numbers(book, html_folder):
    """Compare all numbers of a book with those of its rendered pages; return how many."""
    count = 0
    for page in book.pages.values():
        html = (html_folder / f"{page.docname}.html").read_text(encoding="utf-8")
        labels, captions = numbered(book, page)
        assert rendered_equations(html) == labels
        assert rendered_captions(html) == captions
        count += len(labels) + len(captions)
    return count


def test_numbers_of_the_small_book_are_those_that_sphinx_gives(mini_html):
    assert check_numbers(Book(MINI), mini_html) == 10 + 10


def test_numbers_are_those_of_the_built_book(built_book):
    assert check_numbers(Book(project.ROOT), built_book) > 0
