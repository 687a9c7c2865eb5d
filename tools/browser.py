"""Headless Chromium for the pages of the built book."""

import contextlib
import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from playwright.sync_api import Browser, Page, TimeoutError, ViewportSize, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = (
    f"none of {', '.join(NAMES)} is on the PATH: install Chromium "
    "(Debian and Ubuntu: `sudo apt-get install chromium`), see CONTRIBUTING.md"
)
UNFOLD = """() => {
    document.querySelectorAll("details").forEach((block) => (block.open = true));
    document.querySelectorAll(".toggle-hidden .toggle-button").forEach((button) => button.click());
}"""
# The theme looks at what scrolls some 300 ms after a block opens or the width changes.
REACHABLE = """() => [...document.querySelectorAll("article [tabindex='-1']")].every(
    (box) => box.scrollWidth <= box.clientWidth && box.scrollHeight <= box.clientHeight)"""
HOLD_STILL = "*, ::before, ::after { animation: none !important; transition: none !important; }"


class Look(NamedTuple):
    """How a reader sees the book."""

    theme: str
    width: int


LOOKS = {"light": Look("light", 1280), "dark": Look("dark", 1280), "phone": Look("light", 390)}


def viewport(look: Look) -> ViewportSize:
    """Size of the window in CSS pixels."""
    return {"width": look.width, "height": 900}


def find_chromium() -> str | None:
    """Path of the system's Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def launch() -> Iterator[Browser]:
    """Start the system's Chromium, close it at the end."""
    path = find_chromium()
    if path is None:
        raise FileNotFoundError(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files without a line per request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on 127.0.0.1 from a thread; give its address, which ends with a slash."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def new_page(browser: Browser) -> Page:
    """Open an empty tab whose theme switch stands at light, against the system's preference."""
    window = viewport(LOOKS["light"])
    context = browser.new_context(color_scheme="dark", service_workers="block", viewport=window)
    context.add_init_script("localStorage.setItem('mode', 'light')")
    context.add_init_script("localStorage.setItem('theme', 'light')")
    return context.new_page()


def open_page(page: Page, address: str) -> None:
    """Load a page, wait until its maths is typeset, unfold what is folded."""
    page.goto(address, wait_until="load")
    page.evaluate("window.MathJax?.startup?.promise")
    page.add_style_tag(content=HOLD_STILL)
    page.evaluate(UNFOLD)


def change_look(page: Page, look: Look) -> None:
    """Give the open page another theme and width."""
    page.set_viewport_size(viewport(look))
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", look.theme)
    # if some box stays out of reach, axe names it
    with contextlib.suppress(TimeoutError):
        page.wait_for_function(REACHABLE, timeout=5_000)


def built_pages(html: Path) -> list[str]:
    """Pages of the built book, relative to its folder; those that only redirect left out."""
    pages = (path for path in html.rglob("*.html") if "_static" not in path.parts)
    return sorted(page.relative_to(html).as_posix() for page in pages if not redirects(page))


def redirects(page: Path) -> bool:
    """Whether a page only sends the reader on to another."""
    return 'http-equiv="refresh"' in page.read_text(encoding="utf-8").lower()
