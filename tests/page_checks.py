"""What must hold for a page of the built book: in the browser, and in its HTML alone."""

import os
import re
from contextlib import contextmanager
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import pytest

from tools import browser

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

LOOK_AT = r"""() => {
    const found = [];
    const show = (element) => (element?.outerHTML ?? "").replace(/\s+/g, " ").slice(0, 120);
    const all = (selector) => [...document.querySelectorAll(selector)];

    const page = document.scrollingElement;
    if (page.scrollWidth > page.clientWidth) {
        const edge = (element) => element.getBoundingClientRect().right;
        const boxes = all("body *:not(mjx-container *)");
        const widest = boxes.findLast((box) => Math.abs(edge(box) - page.scrollWidth) < 1);
        found.push(`overflow: ${page.scrollWidth} px in ${page.clientWidth} px: ${show(widest)}`);
    }
    for (const box of all("article *:not(mjx-container *)")) {
        const hides = ["hidden", "clip"].includes(getComputedStyle(box).overflowX);
        if (hides && box.clientWidth > 1 && box.scrollWidth > box.clientWidth + 1)
            found.push(`cut off: ${box.scrollWidth} px in ${box.clientWidth} px: ${show(box)}`);
    }

    for (const maths of all(".math"))
        if (maths.querySelectorAll("mjx-container").length !== 1)
            found.push(`maths: not typeset: ${show(maths)}`);
    for (const error of all("mjx-merror"))
        found.push(`maths: ${error.dataset.mjxError ?? show(error)}`);
    const unread = /\\[([]|\$\$|\{(eq|doc|ref|numref|term|cite\S*)\}/;
    const skipped = "pre, code, script, style, mjx-container";
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const text = texts.currentNode;
        if (unread.test(text.data) && !text.parentElement.closest(skipped))
            found.push(`markup: left as typed: ${text.data.trim().slice(0, 120)}`);
    }

    for (const image of all("img")) {
        const alt = (image.getAttribute("alt") ?? "").trim();
        if (!alt || /\.(png|svg|jpe?g|gif|webp)$/i.test(alt))
            found.push(`image: no alternative text: ${show(image)}`);
        if (!image.naturalWidth) found.push(`image: empty: ${show(image)}`);
    }
    return found;
}"""

# Axe measures the contrast of every box: MathJax makes thousands, a listing one for each token.
# Maths becomes one word; of the tokens of one kind in a listing the first stays.
THIN_OUT = """() => {
    for (const maths of document.querySelectorAll("mjx-container")) {
        maths.typeset = [...maths.childNodes];
        maths.replaceChildren("maths");
    }
    for (const listing of document.querySelectorAll("pre")) {
        const seen = new Set();
        for (const token of listing.querySelectorAll("span[class]:not(.math)"))
            if (seen.has(token.className)) token.replaceWith(...token.childNodes);
            else seen.add(token.className);
        listing.normalize();
    }
}"""

PUT_BACK = """() => {
    for (const maths of document.querySelectorAll("mjx-container"))
        maths.replaceChildren(...maths.typeset);
}"""

# Without `preload`, which asks for the stylesheets again under wrong addresses.
RUN_AXE = """async ([allowed, contrast]) => {
    const rules = {
        "label-content-name-mismatch": {enabled: true},
        "color-contrast": {enabled: contrast},
    };
    const report = await axe.run({resultTypes: ["violations"], preload: false, rules});
    const nodes = report.violations.flatMap(({id, nodes}) => nodes.map((node) => ({id, ...node})));
    return nodes.map(({id, target, html, failureSummary}) => ({
        text: `axe: ${id}: ${html.slice(0, 160)} ${failureSummary}`.replace(/\\s+/g, " "),
        entry: allowed.findIndex(
            ([rule, selector]) =>
                rule === id && document.querySelector(target.join(" "))?.matches(selector)),
    }));
}"""


class Allowed(NamedTuple):
    """An axe violation that is the theme's own."""

    rule: str
    selector: str
    reason: str


@contextmanager
def chromium_or_skip():
    """Start Chromium; where there is none, fail the tests of CI and skip those of a reader."""
    if browser.find_chromium() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(browser.MISSING)
    with browser.launch() as started:
        yield started


class Visitor:
    """Opens pages below one address and notes what goes wrong; other hosts are out of reach."""

    def __init__(self, chromium, base):
        self.base = base
        self.shown = None
        self.problems = []
        self.used = set()
        self.page = browser.new_page(chromium)
        elsewhere = re.compile(f"^(?!{re.escape(base)}|data:|blob:)")
        self.page.context.route(elsewhere, self.refuse)
        self.page.on("websocket", lambda socket: self.note(f"request elsewhere: {socket.url}"))
        self.page.on("console", self.hear)
        self.page.on("pageerror", lambda error: self.note(f"script error: {error}"))
        self.page.on("requestfailed", lambda request: self.note(f"request failed: {request.url}"))
        self.page.on("response", self.judge)

    def note(self, problem):
        self.problems.append(problem)

    def refuse(self, route):
        self.note(f"request elsewhere: {route.request.url}")
        route.abort()

    def hear(self, message):
        if message.type == "error":
            self.note(f"console: {message.text}")

    def judge(self, response):
        if response.status >= 400:
            self.note(f"request failed: {response.status} {response.url}")

    def open(self, name):
        """Load a page below the address."""
        self.shown, self.problems = None, []
        browser.open_page(self.page, self.base + name)
        self.shown = name

    def check(self, look, *, axe=True, allowed=()):
        """Return the problems of the open page since the last check, and those under a look."""
        browser.change_look(self.page, browser.LOOKS[look])
        contrast = look != "phone"  # a phone shows the colours of the light look
        found = self.page.evaluate(LOOK_AT) + (self.run_axe(allowed, contrast) if axe else [])
        noted, self.problems = self.problems, []
        return noted + found

    def run_axe(self, allowed, contrast):
        """Return the violations that are not allowed; gather in ``used`` the entries that are."""
        self.page.evaluate(THIN_OUT)
        self.page.evaluate(AXE)
        entries = [[entry.rule, entry.selector] for entry in allowed]
        found = self.page.evaluate(RUN_AXE, [entries, contrast])
        self.page.evaluate(PUT_BACK)
        self.used |= {allowed[item["entry"]] for item in found if item["entry"] >= 0}
        return [item["text"] for item in found if item["entry"] < 0]


class Links(HTMLParser):
    """What one HTML file points at, loads and can be pointed at."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.targets, self.loaded = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.anchors |= {attributes[key] for key in ("id", "name") if attributes.get(key)}
        if tag == "a" and "href" in attributes:
            self.targets.append(attributes["href"])
        elif tag != "a":
            self.loaded += [attributes[key] for key in ("src", "href") if attributes.get(key)]


def link_problems(html: Path):
    """Links and anchors that lead nowhere, and files that a page would load from elsewhere."""
    pages = {path: Links(path.read_text(encoding="utf-8")) for path in html.rglob("*.html")}
    found = []
    for page, links in pages.items():
        name = page.relative_to(html).as_posix()
        found += [f"{name}: {target}" for target in links.targets if not leads(page, target, pages)]
        found += [f"{name}: loads {target}" for target in links.loaded if urlsplit(target).netloc]
    return sorted(found)


def leads(page, target, pages):
    """Whether a link leads to a file, and to an anchor in it; other hosts are taken on trust."""
    url = urlsplit(target)
    if url.scheme or url.netloc:
        return True
    path = (page.parent / unquote(url.path)).resolve() if url.path else page
    if not url.fragment or path not in pages:
        return path.is_file()
    return unquote(url.fragment) in pages[path].anchors
