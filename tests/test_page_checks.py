"""The browser checks find what they are for: every fault is planted in a small page."""

import importlib.util
import shutil
from pathlib import Path

import pytest
from page_checks import Allowed, Visitor, chromium_or_skip, link_problems

from tools import browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<script>document.documentElement.dataset.theme = localStorage.getItem("theme")</script>
{maths}</head><body><main><article><h1>A page</h1>{body}</article></main></body></html>"""
MATHS = '<script defer src="mathjax/tex-chtml.js"></script>'
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
WIDE = " + ".join(["x"] * 80)
GOOD = f"""<p>Maths <span class="math">\\(x^2\\)</span>, <a href="#below">a link</a>.</p>
<div class="math" style="overflow-x: auto">\\[{WIDE}\\]</div>
<details><summary>Solution</summary><p id="below">Folded.</p></details>
<p><code>\\(</code> and <code>$$</code> are how maths begins.</p>
<img src="{DOT}" alt="A dot">"""
FAULTS = {
    "overflow": ('<div style="width: 3000px">wide</div>', "overflow: 30"),
    "overflow-folded": (
        '<details><summary>s</summary><div style="width: 3000px">wide</div></details>',
        "overflow: 30",
    ),
    "cut-off": (f'<div class="math" style="overflow: hidden">\\[{WIDE}\\]</div>', "cut off: "),
    "no-alt": (f'<img src="{DOT}">', "image: no alternative text"),
    "alt-is-file-name": (f'<img src="{DOT}" alt="_images/a.png">', "image: no alternative text"),
    "empty-image": ('<img src="gone.png" alt="A dot">', "image: empty"),
    "file-missing": ('<script src="gone.js"></script>', "request failed: "),
    "image-elsewhere": (
        '<img src="http://example.org/a.png" alt="A dot">',
        "request elsewhere: http://example.org/a.png",
    ),
    "script-elsewhere": (
        '<script src="https://192.0.2.1/a.js"></script>',
        "request elsewhere: https://192.0.2.1/a.js",
    ),
    "socket-elsewhere": (
        "<script>new WebSocket('ws://192.0.2.1/')</script>",
        "request elsewhere: ws://192.0.2.1/",
    ),
    "console": ("<script>console.error('planted')</script>", "console: planted"),
    "exception": ("<script>throw Error('planted')</script>", "script error: planted"),
    "maths-error": ('<span class="math">\\(\\frac{1\\)</span>', "maths: "),
    "maths-not-typeset": ('<span class="math mathjax_ignore">\\(x\\)</span>', "maths: not typeset"),
    "markup-maths": ('<p class="mathjax_ignore">See \\(x\\).</p>', "markup: left as typed"),
    "markup-role": ("<p>See {eq}`eq-vae-gap`.</p>", "markup: left as typed"),
    "axe-name": ("<button></button>", "axe: button-name"),
    "axe-keyboard": (
        '<pre tabindex="-1" style="overflow: auto; width: 100px">a line wider than its box</pre>',
        "axe: scrollable-region-focusable",
    ),
    "axe-contrast": ('<p style="color: #999; background: #fff">grey</p>', "axe: color-contrast"),
}
DARK_ON_DARK = "<style>[data-theme=dark] p { color: #333; background: #222 }</style><p>text</p>"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
    shutil.copytree(package / "static" / "mathjax", folder / "mathjax")
    return folder


@pytest.fixture(scope="module")
def visitor(site):
    with chromium_or_skip() as chromium, browser.serve(site) as address:
        yield Visitor(chromium, address)


@pytest.fixture
def visit(site, visitor):
    def visit(body, look="light", **options):
        maths = MATHS if "\\(" in body or "\\[" in body else ""
        text = PAGE.replace("{maths}", maths).replace("{body}", body)
        (site / "page.html").write_text(text, encoding="utf-8")
        visitor.open("page.html")
        return visitor.check(look, **options)

    return visit


@pytest.mark.parametrize("look", browser.LOOKS)
def test_good_page_passes(visit, look):
    assert visit(GOOD, look) == []


@pytest.mark.parametrize(("body", "report"), FAULTS.values(), ids=FAULTS)
def test_fault_is_reported(visit, body, report):
    problems = visit(body, axe=report.startswith("axe"))
    assert any(problem.startswith(report) for problem in problems), problems


def test_faults_of_one_page_are_not_laid_on_the_next(visit):
    assert visit(FAULTS["console"][0])
    assert visit(GOOD) == []


def test_contrast_is_judged_in_the_theme_asked_for(visit):
    assert visit(DARK_ON_DARK, "light") == []
    assert visit(DARK_ON_DARK, "dark")[0].startswith("axe: color-contrast")


def test_overflow_is_judged_at_the_width_asked_for(visit):
    body = '<div style="width: 600px">wider than a phone</div>'
    assert visit(body, "light") == []
    assert visit(body, "phone") == [f"overflow: 608 px in 390 px: {body}"]


def test_allowed_violation_passes_and_is_remembered(visit, visitor):
    entry = Allowed("button-name", ".theirs", "planted")
    assert visit('<button class="theirs"></button>', allowed=(entry,)) == []
    assert visitor.used == {entry}


def test_allowed_elsewhere_is_not_allowed_here(visit):
    entry = Allowed("button-name", ".theirs", "planted")
    problems = visit('<button class="ours"></button>', allowed=(entry,))
    assert problems[0].startswith("axe: button-name")


def test_links_that_lead_nowhere_are_reported(tmp_path):
    links = '<a href="b.html#top">b</a><a href="b.html#gone">b</a><a href="c.html">c</a>'
    elsewhere = '<a href="https://example.org">a link may</a><img src="//example.org/a.png">'
    (tmp_path / "a.html").write_text(f'<a href="#here" id="here">a</a>{links}{elsewhere}')
    (tmp_path / "b.html").write_text('<h1 id="top">b</h1>')
    assert link_problems(tmp_path) == [
        "a.html: b.html#gone",
        "a.html: c.html",
        "a.html: loads //example.org/a.png",
    ]


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_missing_chromium_fails_only_in_ci(monkeypatch, ci, outcome):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(outcome, match="apt-get install chromium"), chromium_or_skip():
        pass
