"""Executing notebooks: what is run again, and what a failing cell does."""

import asyncio

import pytest

from tools import execute, project

HEADER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

"""


def write_page(folder, name, code):
    page = folder / f"{name}.md"
    page.write_text(f"{HEADER}# {name}\n\n```{{code-cell}} ipython3\n{code}\n```\n")
    return page


def run(*pages):
    return asyncio.run(execute.execute(list(pages)))


@pytest.fixture
def root(tmp_path):
    for name in [
        "dgm_teach/vae.py",
        "dgm_teach/runs/x.json",
        "requirements.txt",
        "constraints.txt",
    ]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("1")
    return tmp_path


@pytest.fixture
def in_tmp(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "BUILD", tmp_path / "_build")
    return tmp_path


@pytest.mark.parametrize(
    "changed", ["dgm_teach/vae.py", "dgm_teach/runs/x.json", "requirements.txt", "constraints.txt"]
)
def test_the_key_changes_with_each_input(root, changed):
    before = execute.cache_key(root)
    (root / changed).write_text("2")
    assert execute.cache_key(root) != before


def test_the_key_changes_with_a_new_or_renamed_file(root):
    keys = {execute.cache_key(root)}
    (root / "dgm_teach" / "gan.py").write_text("")
    keys.add(execute.cache_key(root))
    (root / "dgm_teach" / "gan.py").rename(root / "dgm_teach" / "wgan.py")
    keys.add(execute.cache_key(root))
    assert len(keys) == 3


def test_the_key_ignores_other_files_and_is_stable(root):
    before = execute.cache_key(root)
    (root / "README.md").write_text("text")
    assert execute.cache_key(root) == before


@pytest.mark.slow
def test_a_failing_cell_fails_and_is_not_kept(in_tmp, capsys):
    good = write_page(in_tmp, "good", "x = 1")
    broken = write_page(in_tmp, "broken", "assert 1 == 2, 'the sides differ'")
    assert run(good, broken) == [broken]
    assert "the sides differ" in capsys.readouterr().err
    cache = execute.open_cache()
    assert execute.is_cached(cache, good)
    assert not execute.is_cached(cache, broken)


@pytest.mark.slow
def test_only_what_changed_runs_again(in_tmp, capsys):
    first = write_page(in_tmp, "first", "x = 1")
    second = write_page(in_tmp, "second", "x = 2")
    assert run(first, second) == []
    capsys.readouterr()
    write_page(in_tmp, "second", "x = 3")
    assert run(first, second) == []
    out = capsys.readouterr().out
    assert "second" in out
    assert "first" not in out


def test_prose_alone_does_not_run_a_page_again(in_tmp, monkeypatch):
    page = write_page(in_tmp, "page", "x = 1")
    notebook = execute.read(page)
    cache = execute.open_cache()
    execute.keep(cache, page, notebook, seconds=1.0)
    page.write_text(page.read_text().replace("# page", "# A better title"))
    assert execute.is_cached(cache, page)
