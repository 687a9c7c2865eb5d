"""Pictures of every built page, in both themes and at phone width, for people to look at.

``python -m tools.screenshots [page ...]`` writes them to ``_build/screenshots/``; a page is named
as ``book/vae/elbo.html``. A tall page is cut into pieces.
"""

import io
import sys
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


def photograph(page: Page, name: str, look: str) -> list[Path]:
    """Save the pieces of one page under one look."""
    browser.open_page(page, (project.HTML / name).as_uri())
    pieces = cut(Image.open(io.BytesIO(page.screenshot(full_page=True))))
    stem = name.removesuffix(".html").replace("/", "-")
    paths = [TARGET / f"{stem}-{look}-{number}.png" for number in range(1, len(pieces) + 1)]
    for path, piece in zip(paths, pieces, strict=True):
        piece.save(path)
    return paths


def main(names: list[str]) -> int:
    """Photograph the named pages, or all."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with browser.launch() as chromium:
        for look, settings in browser.LOOKS.items():
            page = browser.new_context(chromium, settings).new_page()
            for name in names or browser.built_pages(project.HTML):
                for path in photograph(page, name, look):
                    print(path.relative_to(project.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
