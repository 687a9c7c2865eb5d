"""Pictures of every built page, in both themes and at phone width, for people to look at.

``python -m tools.screenshots [page ...]`` writes them to ``_build/screenshots/``; a page is named
as ``book/vae/elbo.html``. A tall page is cut into pieces.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from tools import browser, project

TARGET = project.BUILD / "screenshots"
TALLEST = 2000


def photograph(page: Page, name: str, look: str) -> Iterator[Path]:
    """Save the open page under one look, window by window: whole, a long one takes minutes."""
    browser.change_look(page, browser.LOOKS[look])
    page.set_viewport_size({"width": page.evaluate("innerWidth"), "height": TALLEST})
    stem = name.removesuffix(".html").replace("/", "-")
    height = page.evaluate("document.documentElement.scrollHeight")
    for number, top in enumerate(range(0, height, TALLEST), start=1):
        path = TARGET / f"{stem}-{look}-{number}.png"
        page.evaluate("top => scrollTo({top, behavior: 'instant'})", top)
        page.screenshot(path=path)
        yield path


def main(names: list[str]) -> int:
    """Photograph the named pages, or all."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with browser.launch() as chromium:
        page = browser.new_page(chromium)
        for name in names or browser.built_pages(project.HTML):
            browser.open_page(page, (project.HTML / name).as_uri())
            for look in browser.LOOKS:
                for path in photograph(page, name, look):
                    print(path.relative_to(project.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
