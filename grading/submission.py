"""Read a submission, or refuse it with a reason, before anything of it runs."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import nbformat

from grading.limits import Limits

MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_")  # a folder or a file
CANVAS = re.compile(r"(?P<name>[^_]+)(_LATE)?_(?P<id>\d+)_\d+_.+")

BROKEN = (ValueError, KeyError, AttributeError, TypeError, RecursionError)


class RefusedError(ValueError):
    """A submission cannot be run; the message says why."""


class Submission(NamedTuple):
    """A file that was handed in. ``identifier`` is the number that Canvas or Moodle gave."""

    student: str
    identifier: str
    paths: tuple[Path, ...]


def student_of(path: Path, folder: Path) -> tuple[str, str]:
    """Name and number of the student, from the names that Canvas and Moodle give to downloads."""
    first, *inside = path.relative_to(folder).parts
    found = MOODLE.match(first) or (None if inside else CANVAS.fullmatch(path.stem))
    if found:
        return found["name"], found["id"]
    return (first if inside else path.stem), ""


def submissions(folder: Path) -> list[Submission]:
    """Everything that was handed in, one entry a student, in order of the names."""
    files: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or relative.parts[0] == "graded" or relative.name == "hand.csv":
            continue
        if path.is_symlink() or path.is_file():
            files.setdefault(student_of(path, folder), []).append(path)
    return [
        Submission(student, identifier, tuple(paths))
        for (student, identifier), paths in sorted(files.items())
    ]


def notebook_of(submission: Submission, limits: Limits) -> Path:
    """The one notebook of a submission."""
    notebooks = [path for path in submission.paths if path.suffix.lower() == ".ipynb"]
    if not notebooks:
        names = ", ".join(path.name for path in submission.paths[:3])
        raise RefusedError(f"no notebook (.ipynb) was handed in, only {names}")
    if len(notebooks) > 1:
        names = ", ".join(path.name for path in notebooks[:4])
        raise RefusedError(f"{len(notebooks)} notebooks were handed in, keep one: {names}")
    path = notebooks[0]
    if path.is_symlink():
        raise RefusedError(f"{path.name} is a link, not a file")
    size = path.stat().st_size / 2**20
    if size > limits.notebook_mb:
        raise RefusedError(
            f"{path.name} has {size:.0f} MB, at most {limits.notebook_mb:g} are accepted; "
            "clear all outputs and save it again"
        )
    return path


def read_cells(path: Path) -> list[str]:
    """Code cells of a notebook, in order.

    Raises
    ------
    RefusedError
        If the file is empty, no notebook, or not for Python.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(f"{path.name} is not UTF-8 text") from error
    if not text.strip():
        raise RefusedError(f"{path.name} is empty")
    try:
        content = json.loads(text)
        notebook = nbformat.from_dict(nbformat.convert(nbformat.from_dict(content), 4))
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        sources = [joined(cell.source) for cell in cells]
    except (*BROKEN, nbformat.ValidationError) as error:
        raise RefusedError(f"{path.name} is not a notebook: {str(error)[:200]}") from error
    language = language_of(notebook.metadata)
    if language != "python":
        raise RefusedError(f"the notebook's kernel is for {language}, not for Python")
    if not any(source.strip() for source in sources):
        raise RefusedError(f"{path.name} has no code cell")
    return sources


def joined(source: Any) -> str:
    """Source of a cell as one text with Unix line ends."""
    text = "".join(source) if isinstance(source, list) else source
    if not isinstance(text, str):
        raise TypeError("the source of a cell is not text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def language_of(metadata: Any) -> str:
    """Language that the notebook's kernel is for; Python if nothing is said."""
    kernel = metadata.get("kernelspec") or {}
    information = metadata.get("language_info") or {}
    return str(kernel.get("language") or information.get("name") or "python").lower()
