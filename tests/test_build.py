"""The build stops at the first failure, and knows whether it is up to date."""

import sys

import pytest

from tools import book, project


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "ROOT", tmp_path)
    monkeypatch.setattr(project, "HTML", tmp_path / "_build" / "html")
    monkeypatch.setattr(book, "STAMP", tmp_path / "_build" / "book.stamp")
    (tmp_path / "_build" / "html").mkdir(parents=True)
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "page.md").write_text("one")
    return tmp_path


def python(code):
    return [sys.executable, "-c", code]


def plan(monkeypatch, **commands):
    monkeypatch.setattr(book, "steps", lambda: commands)


def test_a_build_is_fresh_until_a_source_changes(root, monkeypatch):
    plan(monkeypatch, first=python("pass"))
    assert not book.is_fresh()
    assert book.build() == 0
    assert book.is_fresh()
    (root / "book" / "page.md").write_text("two")
    assert not book.is_fresh()


def test_hidden_files_do_not_make_it_stale(root, monkeypatch):
    plan(monkeypatch, first=python("pass"))
    book.build()
    (root / "book" / ".cache").mkdir()
    (root / "book" / ".cache" / "README.md").write_text("x")
    assert book.is_fresh()


def test_the_first_failure_ends_the_build_and_is_named(root, monkeypatch, capsys):
    plan(
        monkeypatch,
        executing=python("raise SystemExit(3)"),
        later=python("open('later', 'w')"),
    )
    assert book.build() == 3
    assert "executing failed" in capsys.readouterr().err
    assert not (root / "later").exists()
    assert not book.is_fresh()


def test_a_failed_build_leaves_no_earlier_book(root, monkeypatch):
    plan(monkeypatch, first=python("pass"))
    book.build()
    project.HTML.mkdir()
    (project.HTML / "index.html").write_text("old")
    plan(monkeypatch, first=python("raise SystemExit(1)"))
    book.build()
    assert not book.is_fresh()
    assert not project.HTML.exists()


def test_the_build_is_strict():
    command = book.steps()["the strict build"]
    assert {"-W", "-n", "--all"} <= set(command)
    assert project.config()["execute"]["raise_on_error"] is True
    assert project.config()["sphinx"]["config"]["nitpicky"] is True
