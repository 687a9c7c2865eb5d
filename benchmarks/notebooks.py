"""Wall time and peak memory of every notebook, each executed alone in a process of its own.

The memory is the peak resident size that the operating system kept for the largest process among
the kernel and its children (``getrusage``): exact, where polling misses short peaks. It cannot be
below that of the process that starts the kernel, about 100 MB. Windows keeps no such number.
"""

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from nbclient.exceptions import CellExecutionError, DeadKernelError

from tools import execute, project

MAX_SECONDS = 60
LONGER = {"book/cyclegan/digits.md": 120}  # the page says so
MAX_MB = 1000
THREADS = 2


class Run(NamedTuple):
    """What one execution took; ``error`` is empty if every cell succeeded."""

    seconds: float
    cpu_seconds: float
    peak_mb: float | None
    error: str


def run_page(page: Path) -> Run:
    """Execute a page; only in a fresh process, whose one child is then the kernel."""
    os.environ["OMP_NUM_THREADS"] = str(THREADS)
    notebook, error = execute.read(page), ""
    start = time.perf_counter()
    try:
        execute.client(page, notebook).execute()
    except (CellExecutionError, DeadKernelError) as failure:
        error = str(failure)
    seconds = time.perf_counter() - start
    times = os.times()
    return Run(seconds, times.children_user + times.children_system, peak_mb(), error)


def peak_mb() -> float | None:
    """Largest peak memory among the processes started from this one and ended, in 10⁶ bytes."""
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e6


def run_alone(page: Path) -> Run:
    """Execute a page in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(run_page, page).result()


def verdict(name: str, measured: Run) -> str:
    """What is wrong with a page's run, in a few words; empty if nothing is."""
    limit = LONGER.get(name, MAX_SECONDS)
    too_much = [
        f"exceeds {limit} s" if measured.seconds > limit else "",
        f"exceeds {MAX_MB} MB" if (measured.peak_mb or 0) > MAX_MB else "",
    ]
    return "FAILED" if measured.error else ", ".join(filter(None, too_much))


def run(*, quick: bool = False) -> list[dict[str, Any]]:
    """Measure every notebook (quick: the first), print a line for each and return them."""
    print(f"Notebooks, one at a time, {THREADS} threads\n  wall s   CPU s  peak MB")
    results = []
    for page in project.notebooks()[: 1 if quick else None]:
        name, measured = page.relative_to(project.ROOT).as_posix(), run_alone(page)
        memory = "–" if measured.peak_mb is None else f"{measured.peak_mb:.0f}"
        line = f"{measured.seconds:8.1f}{measured.cpu_seconds:8.1f}{memory:>9}  {name}"
        judged = verdict(name, measured)
        print(line, judged, measured.error, flush=True)
        results.append({"page": name, **measured._asdict(), "verdict": judged})
    return results
