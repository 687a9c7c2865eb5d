"""Binder gets the versions that the book is built with, and a CPU-only torch."""

import os
import tomllib

import pytest

from tools import pins, project

BINDER = project.ROOT / "binder"
ROOT_FILES = ["requirements.txt", "constraints.txt"]


@pytest.fixture(scope="module")
def ours():
    return pins.pins(project.ROOT / "requirements.txt")


@pytest.fixture(scope="module")
def theirs():
    return pins.pins(BINDER / "requirements.txt")


def test_versions_agree_with_the_root_pins(ours, theirs):
    assert {name: line.removesuffix("+cpu") for name, line in theirs.items()} == {
        name: ours[name] for name in theirs
    }


def test_torch_is_the_cpu_build_from_its_own_index(theirs):
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert "--extra-index-url https://download.pytorch.org/whl/cpu" in lines
    assert theirs["torch"].endswith("+cpu")


def test_a_reader_gets_what_the_package_needs_and_no_more(theirs):
    pyproject = tomllib.loads((project.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {pins.key(name.replace(">", "=")) for name in pyproject["project"]["dependencies"]}
    assert set(theirs) == needed


@pytest.mark.parametrize("name", ROOT_FILES)
def test_root_files_name_no_index_and_pin_all(name):
    lines = (project.ROOT / name).read_text(encoding="utf-8").splitlines()
    named = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in named if line.startswith("-") or "://" in line] == []
    assert [line for line in named if "==" not in line or "+" in line] == []


def test_no_version_is_pinned_twice(ours):
    assert set(ours).isdisjoint(pins.pins(project.ROOT / "constraints.txt"))


def test_the_package_is_installed_without_dependencies():
    script = BINDER / "postBuild"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert lines == ["#!/bin/bash", "set -e", "pip install --no-deps -e ."]
    assert os.access(script, os.X_OK)


def test_python_is_one_that_the_package_accepts():
    assert (BINDER / "runtime.txt").read_text(encoding="utf-8").strip() == "python-3.11"
