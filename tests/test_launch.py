"""Launch and edit buttons lead to files that exist in the repository."""

import re
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest

from tools import project

HREF = re.compile(r'href="(https://[^"]+)"')


def git_files():
    listing = ["git", "ls-files", "-z"]
    done = subprocess.run(listing, cwd=project.ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split("\0"))


@pytest.fixture(scope="module")
def links(built_book):
    """Links to other hosts, by page."""
    pages = [page for page in built_book.rglob("*.html") if "_static" not in page.parts]
    return {
        page.relative_to(built_book): HREF.findall(page.read_text(encoding="utf-8"))
        for page in pages
    }


def binder(link):
    """The file that a Binder link opens, None if it is none."""
    start = f"https://mybinder.org/v2/gh/{project.name()}/{project.branch()}"
    if not link.startswith("https://mybinder.org"):
        return None
    assert link.startswith(start + "?"), link
    return parse_qs(urlsplit(link).query)["urlpath"][0].removeprefix("lab/tree/")


def colab(link):
    """The file that a Colab link opens, None if it is none."""
    start = f"https://colab.research.google.com/github/{project.name()}/blob/{project.branch()}/"
    if not link.startswith("https://colab.research.google.com"):
        return None
    assert link.startswith(start), link
    return link.removeprefix(start)


def edit(link):
    """The file that an edit button opens, None if it is none."""
    start = f"{project.address()}/edit/{project.branch()}/"
    return link.removeprefix(start) if link.startswith(start) else None


@pytest.mark.parametrize("opened", [binder, colab, edit])
def test_every_address_names_a_committed_file(links, opened):
    named = {opened(link) for found in links.values() for link in found} - {None}
    assert named - git_files() == set()
    assert named


@pytest.mark.parametrize("opened", [binder, colab])
def test_every_notebook_opens_as_ipynb(links, opened):
    for page in project.notebooks():
        name = page.relative_to(project.ROOT)
        found = {opened(link) for link in links[name.with_suffix(".html")]} - {None}
        assert found == {name.with_suffix(".ipynb").as_posix()}


def test_the_address_stands_in_one_place():
    """Generated notebooks repeat it, because they leave the repository."""
    tracked = [project.ROOT / name for name in git_files() if name and not name.endswith(".ipynb")]
    known = [path for path in tracked if path.suffix not in {".png", ".npz", ".gz"}]
    holding = [path.name for path in known if path.is_file() and mentions_address(path)]
    assert holding == ["_config.yml"]


def mentions_address(path):
    return project.name().encode() in path.read_bytes()
