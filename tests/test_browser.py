"""The built book in headless Chromium: from a server and from disk, in both themes, on a phone."""

import pytest
from page_checks import Allowed, Visitor, chromium_or_skip, link_problems

from tools import browser, project

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ALLOWED = (
    Allowed(
        "label-content-name-mismatch",
        ".search-button__button",
        "the theme names its search button 'Search' and writes the shortcut into it",
    ),
    Allowed(
        "label-content-name-mismatch",
        ".theme-switch-button",
        "the theme names its switch 'Color mode', the icon in it 'Light', 'Dark' or 'System'",
    ),
)
PAGES = [page.relative_to(project.ROOT).with_suffix(".html") for page in project.pages()]
PAGES = [page.as_posix() for page in PAGES]
SOURCES = ("server", "disk")
MODES = [f"{source}-{look}" for source in SOURCES for look in browser.LOOKS]


@pytest.fixture(scope="module")
def chromium():
    with chromium_or_skip() as started:
        yield started


@pytest.fixture(scope="module")
def visitors(chromium, built_book):
    with browser.serve(built_book) as address:
        bases = {"server": address, "disk": built_book.as_uri() + "/"}
        yield {
            f"{source}-{look}": Visitor(browser.new_context(chromium, settings), bases[source])
            for source in SOURCES
            for look, settings in browser.LOOKS.items()
        }


def visit(visitors, mode, page):
    """Axe reads the page as served: from disk it is the same page."""
    return visitors[mode].visit(page, axe=mode.startswith("server"), allowed=ALLOWED)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("page", PAGES)
def test_page(visitors, page, mode):
    problems = visit(visitors, mode, page)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("mode", MODES)
def test_generated_pages(visitors, built_book, mode):
    generated = set(browser.built_pages(built_book)) - set(PAGES)
    found = [
        f"{page}: {item}" for page in sorted(generated) for item in visit(visitors, mode, page)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("source", SOURCES)
def test_front_page_is_found(visitors, built_book, source):
    visitor = visitors[f"{source}-light"]
    visitor.page.goto(visitor.base + "index.html")
    visitor.page.wait_for_url("**/book/index.html")


@pytest.mark.parametrize("look", browser.LOOKS)
def test_theme_is_the_one_asked_for(visitors, look):
    page = visitors[f"disk-{look}"].page
    browser.open_page(page, visitors[f"disk-{look}"].base + PAGES[0])
    assert page.evaluate("document.documentElement.dataset.theme") == browser.LOOKS[look].theme


@pytest.mark.parametrize("entry", ALLOWED, ids=lambda entry: entry.selector)
def test_allowed_violation_still_occurs(visitors, entry):
    visitor = visitors["server-light"]
    visitor.visit(PAGES[0], allowed=ALLOWED)
    assert entry in visitor.used, f"{entry.rule} on {entry.selector} is gone: strike it off ALLOWED"


def test_links_lead_somewhere(built_book):
    problems = link_problems(built_book)
    assert not problems, "\n".join(problems)
