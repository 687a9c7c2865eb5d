"""Pictures of every built page, in both themes and at phone width, for people to look at.

``python -m tools.screenshots [page ...]`` writes them to ``_build/screenshots/``; a page is named
as ``book/vae/elbo.html``. A tall page is cut into pieces.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tools import browser, project

TARGET = project.BUILD / "screenshots"
TALLEST = 2000


def cut(picture: Image.Image) -> list[Image.Image]:
    """Cut a picture into pieces of at most ``TALLEST`` pixels."""
    width, height = picture.size
    tops = range(0, height, TALLEST)
    return [picture.crop((0, top, width, min(top + TALLEST, height))) for top in tops]


def photograph(page: Page, name: str, look: str) -> Iterator[Path]:
    """Save the pieces of the open page under one look."""
    browser.change_look(page, browser.LOOKS[look])
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
    stem = name.removesuffix(".html").replace("/", "-")
    for number, piece in enumerate(cut(picture), start=1):
        path = TARGET / f"{stem}-{look}-{number}.png"
        piece.save(path)
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
