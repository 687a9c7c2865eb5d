"""Time a batch: 200 submissions of the first assignment, graded side by side."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat

from grading.batch import grade_folder
from grading.master import ASSIGNMENTS, read
from grading.variants import read_variants

NUM_SUBMISSIONS, QUICK = 200, 8
NAME = "hw01-elbo"


def hand_in(folder: Path, number: int) -> None:
    """Write submissions: the solution, each with another answer of ``variants.md`` in it."""
    path = ASSIGNMENTS / NAME / f"{NAME}.md"
    master, variants = read(path), read_variants(path.with_name("variants.md"))
    for i in range(number):
        cells = [*master.solved, variants[i % len(variants)].code]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        nbformat.write(notebook, folder / f"student{i:03d}.ipynb")


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Grade the folder once, with as many at a time as there are processors."""
    number, workers = QUICK if quick else NUM_SUBMISSIONS, os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        hand_in(Path(name), number)
        start = time.perf_counter()
        results = grade_folder(Path(name), read(ASSIGNMENTS / NAME / f"{NAME}.md"))
        seconds = time.perf_counter() - start
    print(f"\n{number} submissions of {NAME}, {workers} at a time: {seconds:.0f} s")
    print(f"{seconds / number:.2f} s each")
    stopped = sum(bool(result.refused) for result in results)
    error = f"{stopped} submissions were refused" if stopped else None
    return [{"submissions": number, "workers": workers, "seconds": seconds, "error": error}]
