"""Run one submission and its tests, inside a process of its own.

The program outside, :mod:`grading.sandbox`, sends the job; this one runs the cells and says
``ready``. Only then is it sent the tests, so that a submission cannot read them. All messages are
lines of JSON: what a submission sends is never unpickled.
"""

import importlib
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from grading import fence, modules, run_tests
from grading.master import Test

# Optimisers import torch._dynamo when they are made, and it replaces names of torch.
PRELOADED = (
    "IPython.core.interactiveshell", "dgm_teach.checks.report", "matplotlib.pyplot",
    "numpy.testing", "scipy.integrate", "scipy.optimize", "scipy.special", "scipy.stats",
    "sklearn.datasets", "torch._dynamo", "torch.distributions", "torch.func",
    "torch.nn.functional", "tqdm",
)  # fmt: skip


class OutOfTimeError(BaseException):
    """A cell or a test took too long. No Exception, so that ``except Exception`` lets it pass."""


class Bounded(io.TextIOBase):
    """A standard output that keeps nothing, and counts."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, text: str) -> int:
        """Count the characters."""
        self.size += len(text)
        return len(text)

    def isatty(self) -> bool:
        """It is no terminal."""
        return False


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError after a time, where the system has alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: Any) -> None:
        raise OutOfTimeError(f"it ran longer than {seconds:g} s")

    old = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def leave_streams(folder: Path, environment: dict[str, str]) -> None:
    """Go into the folder, away from the terminal: no input, no output, a clean environment."""
    if hasattr(os, "setsid"):
        os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), Bounded(), Bounded()


def make_shell(folder: Path) -> Any:
    """An IPython shell, so that magics and a last expression work as in a notebook."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    class Shell(InteractiveShell):
        def enable_gui(self, gui: Any = None) -> None:
            """There are no windows."""

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    config.InteractiveShell.ipython_dir = str(folder)
    return Shell.instance(config=config)


def run_cells(
    shell: Any, cells: list[str], skip: set[int], seconds: float, send: Callable[[dict], None]
) -> None:
    """Run the cells in order; one that fails or takes too long does not stop the others."""
    for number, source in enumerate(cells):
        if number in skip:
            continue
        send({"cell": number})
        try:
            with alarm(seconds):
                result = shell.run_cell(source)
            error = result.error_before_exec or result.error_in_exec
        except OutOfTimeError as late:
            error = late
        except BaseException as stop:
            error = stop
        if error is not None:
            send({"failed_cell": [number, described(error)]})


def serve(pipe: Connection) -> None:
    """Do one job and end the process."""
    dumps, send_bytes = json.dumps, pipe.send_bytes

    def send(event: dict[str, Any]) -> None:
        send_bytes(dumps(event).encode())

    job = json.loads(pipe.recv_bytes())
    folder, project = Path(job["folder"]), Path(job["project"])
    leave_streams(folder, job["environment"])
    for name in (*PRELOADED, *job["modules"]):
        importlib.import_module(name)
    sys.modules["matplotlib"].use("Agg")
    sys.modules["torch"].set_num_threads(1)
    sys.modules["tqdm"].tqdm.set_lock(threading.RLock())  # not one of several processes
    shell, originals = make_shell(folder), modules.snapshot()
    limits = job["limits"]
    fence.limit_resources(limits["memory_mb"], limits["file_mb"])
    fence.put_up(folder, project)
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != project]
    for name in [name for name in sys.modules if name.split(".")[0] in ("grading", "tools")]:
        del sys.modules[name]
    send({"started": True})
    run_cells(shell, job["cells"], set(job["skip_cells"]), limits["cell_seconds"], send)
    send({"ready": True})
    tests = json.loads(pipe.recv_bytes())
    send({"replaced": modules.restore(originals)})
    run_all(tests, shell.user_ns, limits["test_seconds"], send)
    send({"end": True})
    os._exit(0)


def run_all(
    tests: list[dict[str, Any]], env: dict[str, Any], seconds: float, send: Callable[[dict], None]
) -> None:
    """Run the tests and send what each found."""
    for entry in tests:
        question, test = entry.pop("question"), Test(**entry)
        send({"test": [question, test.name]})
        try:
            with alarm(seconds):
                reason = run_tests.run_test(test, env).reason
        except BaseException as error:
            reason = described(error)
        send({"failed": reason} if reason else {"passed": True})


def described(error: BaseException) -> str:
    """Kind and message of an exception in one line."""
    kind = "" if isinstance(error, OutOfTimeError) else f"{type(error).__name__}: "
    return f"{kind}{error}"[:300]
