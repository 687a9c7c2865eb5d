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


@pytest.fixture(scope="module")
def visitors(built_book):
    with chromium_or_skip() as chromium, browser.serve(built_book) as address:
        bases = {"server": address, "disk": built_book.as_uri() + "/"}
        yield {source: Visitor(chromium, base) for source, base in bases.items()}


def visit(visitors, source, page, look):
    """Axe reads the page as served: from disk it is the same page."""
    visitor = visitors[source]
    if visitor.shown != page:
        visitor.open(page)
    return visitor.check(look, axe=source == "server", allowed=ALLOWED)


# First: these two cases are the longest.
@pytest.mark.parametrize(("source", "looks"), [("server", [*browser.LOOKS]), ("disk", ["phone"])])
def test_generated_pages(visitors, built_book, source, looks):
    found = [
        f"{page}, {look}: {problem}"
        for page in browser.built_pages(built_book)
        if page not in PAGES
        for look in looks
        for problem in visit(visitors, source, page, look)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("look", browser.LOOKS)
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.xdist_group(p)) for p in PAGES])
def test_page(visitors, page, source, look):
    problems = visit(visitors, source, page, look)
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("source", SOURCES)
def test_book_opens_at_its_front_page(visitors, source):
    page = visitors[source].page
    page.goto(visitors[source].base + "index.html")
    page.wait_for_url(f"**/{PAGES[0]}")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("source", SOURCES)
def test_chosen_theme_stays(visitors, source, theme):
    visitor = visitors[source]
    with visitor.page.context.browser.new_page() as page:
        page.goto(visitor.base + PAGES[0])
        page.evaluate("theme => Object.assign(localStorage, {mode: theme, theme})", theme)
        page.goto(visitor.base + PAGES[1])
        assert page.evaluate("document.documentElement.dataset.theme") == theme


@pytest.mark.parametrize("entry", ALLOWED, ids=lambda entry: entry.selector)
def test_allowed_violation_still_occurs(visitors, entry):
    visit(visitors, "server", PAGES[0], "light")
    gone = f"{entry.rule} on {entry.selector} is gone: strike it off ALLOWED"
    assert entry in visitors["server"].used, gone


def test_links_lead_somewhere(built_book):
    problems = link_problems(built_book)
    assert not problems, "\n".join(problems)
