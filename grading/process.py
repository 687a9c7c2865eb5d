"""Run a submission in a process of its own, listen to it, and stop it at a limit.

What the process says is not trusted: it says which tests passed, and never how many points they are
worth; a message that makes no sense ends it.
"""

import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from grading import inside
from grading.limits import Limits
from grading.master import Test
from tools import project

LOOK_EVERY = 0.1  # seconds between two looks at a process
LONGEST_MESSAGE = 2**20  # bytes
START_SECONDS = 120.0  # to import what submissions use, on a busy machine

# A server that has the libraries loaded forks the processes; without fork each loads them itself.
HAS_SERVER = "forkserver" in multiprocessing.get_all_start_methods()
PROCESSES: Any = multiprocessing.get_context("forkserver" if HAS_SERVER else "spawn")
if HAS_SERVER:
    PROCESSES.set_forkserver_preload(["grading.inside", *inside.PRELOADED])


Key = tuple[str, str]  # name of a question, name of a test


@dataclass
class Attempt:
    """What is known of one run of a submission: its state, and why it was stopped."""

    started: bool = False
    at_cell: int | None = None
    at_test: Key | None = None
    ended: bool = False
    stopped: str = ""
    failed: dict[int, str] = field(default_factory=dict)
    reasons: dict[Key, str] = field(default_factory=dict)  # empty where the test passed
    replaced: list[str] = field(default_factory=list)

    def note(self, event: dict[str, Any]) -> None:
        """Write down what the process said."""
        ((what, value),) = event.items()
        if what == "started":
            self.started = True
        elif what == "cell":
            self.at_cell = int(value)
        elif what == "failed_cell":
            self.failed[int(value[0])] = str(value[1])
        elif what == "ready":
            self.at_cell = None
        elif what == "replaced":
            self.replaced = [str(name) for name in value]
        elif what == "test":
            self.at_test = (str(value[0]), str(value[1]))
        elif what == "passed" and self.at_test:
            self.reasons[self.at_test] = ""
        elif what == "failed" and self.at_test:
            self.reasons[self.at_test] = str(value) or "it failed"
        elif what == "end":
            self.ended = True
        else:
            raise ValueError(f"no message begins with {what}")


def environment(folder: Path) -> dict[str, str]:
    """Environment of the process: none of our secrets, one thread, caches in its folder."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
    home = {name: str(folder) for name in ("HOME", "TMPDIR", "TEMP", "TMP", "USERPROFILE")}
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    places = {"MPLCONFIGDIR": str(folder / ".fonts"), "IPYTHONDIR": str(folder / ".ipython")}
    return kept | home | threads | places


def copy_fonts(folder: Path) -> None:
    """Give the process Matplotlib's list of fonts, which takes seconds to make."""
    import matplotlib

    (folder / ".fonts").mkdir()
    for path in Path(matplotlib.get_cachedir()).glob("fontlist*.json"):
        shutil.copy(path, folder / ".fonts")


def used(process: psutil.Process) -> float:
    """Memory of a process and its children in megabytes."""
    total = 0.0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss / 2**20
        except psutil.Error:
            continue
    return total


def end(process: Any) -> None:
    """End a process and its children."""
    try:
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
    except psutil.Error:
        family = []
    for one in family:
        try:
            one.kill()
        except psutil.Error:
            continue
    process.join()
    process.close()


def follow(
    pipe: Connection, pid: int, attempt: Attempt, tests: list[dict[str, Any]], limits: Limits
) -> None:
    """Read events until the process ends, is stopped for a limit, or has run all tests."""
    watched = psutil.Process(pid)
    start = since = time.monotonic()
    while not attempt.ended:
        heard = pipe.poll(LOOK_EVERY)
        now = time.monotonic()
        if heard:
            event = json.loads(pipe.recv_bytes(LONGEST_MESSAGE))
            since = now
            attempt.note(event)
            if "started" in event:
                start = now
            if "ready" in event:
                pipe.send_bytes(json.dumps(tests).encode())
        attempt.stopped = over(watched, attempt, now - start, now - since, limits)
        if attempt.stopped:
            return


def over(
    watched: psutil.Process, attempt: Attempt, total: float, since: float, limits: Limits
) -> str:
    """Which limit the process has passed, if any.

    A cell or test ends itself at its limit; one that does not is given two seconds more.
    """
    if attempt.started and total > limits.total_seconds:
        return f"the whole run took longer than {limits.total_seconds:g} s"
    allowed = limits.test_seconds if attempt.at_test else limits.cell_seconds
    if not attempt.started:
        allowed = START_SECONDS
    if since > allowed + 2:
        return f"it ran longer than {allowed:g} s"
    try:
        memory = used(watched)
    except psutil.Error:
        return ""
    if memory > limits.memory_mb:
        return f"it used more than {limits.memory_mb:g} MB of memory"
    return ""


def run_once(
    cells: Sequence[str],
    tests: Sequence[tuple[str, Test]],
    skip: set[int],
    limits: Limits,
    modules: Sequence[str],
) -> Attempt:
    """Start a process, run the cells that are not skipped, then the tests of the questions."""
    attempt = Attempt()
    with tempfile.TemporaryDirectory(prefix="graded-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        copy_fonts(folder)
        job = {
            "folder": str(folder),
            "project": str(project.ROOT),
            "environment": environment(folder),
            "cells": list(cells),
            "skip_cells": sorted(skip),
            "modules": list(modules),
            "limits": asdict(limits),
        }
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(target=inside.serve, args=(there,), daemon=True)
        process.start()
        there.close()
        try:
            here.send_bytes(json.dumps(job).encode())
            listed = [{"question": question, **asdict(test)} for question, test in tests]
            follow(here, process.pid, attempt, listed, limits)
        except (EOFError, OSError, LookupError, TypeError, ValueError, psutil.Error):
            attempt.stopped = attempt.stopped or "it ended its own process"
        finally:
            end(process)
            here.close()
    return attempt
