"""The generated notebooks: equal to their sources, complete, readable, numbered as the book."""

import re
import shutil
import subprocess
import sys
from importlib import util
from pathlib import Path

import nbformat
import pytest

from tools import notebooks, project
from tools.book_index import Book

MINI = Path(__file__).parent / "mini_book"
# Fences with a name in braces, roles, targets, labels of displays, attributes, comments.
RAW = re.compile(
    r"[`:]{3,}\{|^\s*:{3,}|\{[\w:-]+\}`|^\([\w-]+\)=|\$\$ *\([\w-]+\)|^\{[.#]|^%", re.M
)


@pytest.fixture
def mini(tmp_path):
    """A copy of the small book, its notebooks written."""
    root = tmp_path / "mini"
    shutil.copytree(MINI, root)
    assert notebooks.main([], root) == 0
    return root


@pytest.fixture(scope="session")
def book():
    return Book(project.ROOT)


def markdown(notebook):
    """Text of the markdown cells of a notebook, code left out."""
    cells = nbformat.reads(notebook, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"^ *(> )*(`{3,})\w*\n.*?\2$", "", text, flags=re.M | re.S)
    return re.sub(r"(?<![`}])`[^`]+`", "", text)


def ids(text):
    return [cell.id for cell in nbformat.reads(text, as_version=4).cells]


def with_text(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_committed_notebooks_equal_their_sources(capsys):
    status = notebooks.main(["--check"])
    assert status == 0, capsys.readouterr().out


def test_every_page_with_code_has_its_notebook_and_no_other_exists(book):
    found = {path for path in (project.ROOT / "book").rglob("*.ipynb") if "/." not in str(path)}
    assert book.notebooks
    assert found == {page.notebook for page in book.notebooks}


@pytest.mark.parametrize("root", [MINI, project.ROOT], ids=["small book", "book"])
def test_no_notebook_shows_raw_markup(root):
    found = {path: RAW.findall(markdown(text)) for path, text in notebooks.generate(root).items()}
    assert found
    assert [texts for texts in found.values() if texts] == []


@pytest.mark.parametrize(
    "text",
    ["```{note}", ":::{tip}", ":::", "a {eq}`b`", "(eq-a)=", "$$ (eq-a)", "{.wide}", "% a"],
)
def test_raw_markup_is_recognised(text):
    assert RAW.search(text)


def test_the_book_defines_no_tex_macros(book):
    """A notebook would not know them."""
    assert "macros" not in (project.ROOT / "_config.yml").read_text(encoding="utf-8")


def test_notebooks_hold_no_outputs_and_name_the_kernel(mini):
    for path in sorted(mini.rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert [cell.outputs for cell in code] == [[]] * len(code)
        assert {cell.execution_count for cell in code} == {None}


def test_tags_are_kept_and_hidden_input_is_folded(mini):
    notebook = nbformat.read(mini / "book/part/first.ipynb", as_version=4)
    code = [cell.metadata for cell in notebook.cells if cell.cell_type == "code"]
    assert code[1] == {
        "tags": ["hide-input", "remove-stderr"],
        "jupyter": {"source_hidden": True},
    }
    assert code[2] == {"tags": ["raises-exception"]}


def test_the_caption_of_a_figure_made_by_code_stands_below_its_cell(mini):
    cells = nbformat.read(mini / "book/part/first.ipynb", as_version=4).cells
    below = next(i for i, cell in enumerate(cells) if "plt.plot" in cell.source) + 1
    assert cells[below].source == "**Fig. 1.2** A line through $x$."


def test_the_first_line_names_the_source(mini):
    first = nbformat.read(mini / "book/part/second.ipynb", as_version=4).cells[0].source
    address = f"{project.address()}/blob/{project.branch()}/book/part/second.md"
    assert first.startswith("*Chapter 2 of A Small Book.")
    assert f"[book/part/second.md]({address})" in first


def test_writing_twice_gives_the_same_bytes(mini):
    once = {path: path.read_bytes() for path in mini.rglob("*.ipynb")}
    for path in once:
        path.unlink()
    notebooks.main([], mini)
    assert {path: path.read_bytes() for path in mini.rglob("*.ipynb")} == once


def test_a_new_cell_changes_no_other_id(mini):
    page = mini / "book/part/first.md"
    before = ids(page.with_suffix(".ipynb").read_text())
    with_text(page, "```{code-cell}", "```{code-cell}\nnew\n```\n\n```{code-cell}")
    after = ids(notebooks.generate(mini)[page.with_suffix(".ipynb")])
    assert len(set(after)) == len(after) == len(before) + 1
    assert [name for name in after if name in before] == before


def test_a_new_equation_changes_numbers_but_no_id_of_another_cell(mini):
    with_text(
        mini / "book/part/first.md", "# The first chapter", "# The first chapter\n\n$$ 0 $$ (eq-0)"
    )
    path = mini / "book/part/second.ipynb"
    after = notebooks.generate(mini)[path]
    assert "(1.2) in [The first chapter]" in after
    assert ids(after) == ids(path.read_text())


def test_check_names_what_differs_and_writes_nothing(mini, capsys):
    with_text(mini / "book/part/second.md", "Again.", "Once more.")
    path = mini / "book/part/second.ipynb"
    before = path.read_bytes()
    assert notebooks.main(["--check"], mini) == 1
    assert capsys.readouterr().out == "book/part/second.ipynb: differs from its source\n"
    assert path.read_bytes() == before
    assert notebooks.main([], mini) == 0
    assert notebooks.main(["--check"], mini) == 0


def test_check_follows_the_source_that_a_page_shows(mini, capsys):
    with_text(mini / "code/shown.py", "return 2 * x", "return x + x")
    assert notebooks.main(["--check"], mini) == 1
    assert capsys.readouterr().out == "book/part/first.ipynb: differs from its source\n"


def test_a_notebook_without_source_is_reported(mini, capsys):
    shutil.copy(mini / "book/part/first.ipynb", mini / "book/old.ipynb")
    assert notebooks.main(["--check"], mini) == 1
    assert "book/old.ipynb: no page of the table of contents" in capsys.readouterr().out


def test_an_error_names_file_and_line_and_writes_nothing(mini, capsys):
    page = mini / "book/part/second.md"
    before = page.with_suffix(".ipynb").read_bytes()
    with_text(page, "Again.", "{nonsense}`a`")
    assert notebooks.main([], mini) == 1
    assert f"{page}:29: unknown role {{nonsense}}" in capsys.readouterr().err
    assert page.with_suffix(".ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    format_name: myst\n", "", "code cells but no jupytext header"),
        ('```{code-cell} ipython3\nprint("three")\n```\n', "", "header but no code cell"),
    ],
)
def test_a_header_and_code_cells_go_together(old, new, message, mini, capsys):
    with_text(mini / "book/part/second.md", old, new)
    assert notebooks.main([], mini) == 1
    assert message in capsys.readouterr().err


@pytest.fixture
def install_cell(mini):
    return nbformat.read(mini / "book/part/first.ipynb", as_version=4).cells[1].source


def test_the_install_cell_does_nothing_where_the_package_is(install_cell, monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("ran pip"))
    exec(install_cell, {})
    assert capsys.readouterr() == ("", "")


def test_the_install_cell_leaves_torch_alone(install_cell, monkeypatch):
    commands = []
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    exec(install_cell, {})
    address = f"git+{project.address()}@{project.branch()}"
    assert [command[:3] for command in commands] == [[sys.executable, "-m", "pip"]] * 2
    assert commands[0][5:] == ["jaxtyping", "mlxtend", "pooch"]
    assert commands[1][5:] == ["--no-deps", address]
