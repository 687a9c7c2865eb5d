"""Run every generated notebook with nbval, cut off from other machines.

``python -m tools.run_notebooks`` runs those of the book, two at a time, each in one worker with
one torch thread. Other notebooks may be named instead, and options of pytest given, each as
``--name=value``.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import project

OFFLINE = project.ROOT / "tests" / "offline"
COMMAND = [
    *(sys.executable, "-m", "pytest"),
    "--nbval-lax",
    "--nbval-current-env",
    "--nbval-cell-timeout=600",
    *("-n", "2", "--dist", "loadfile"),
    *("-c", str(project.ROOT / "pyproject.toml")),
    *("--rootdir", str(project.ROOT)),
]


def environment() -> dict[str, str]:
    """Environment of the kernels: the guard against connections, and one thread each."""
    path = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def main(arguments: Sequence[str]) -> int:
    """Run the notebooks; the exit status is pytest's."""
    options = [argument for argument in arguments if argument.startswith("-")]
    named = [Path(argument).resolve() for argument in arguments if argument not in options]
    paths = named or [project.ROOT / "book"]
    folder = os.path.commonpath([path if path.is_dir() else path.parent for path in paths])
    # Outside pytest's root folder the cells of all notebooks have the same names, and only those
    # of the first notebook run.
    command = [*COMMAND, f"--rootdir={folder}", *options, *map(str, paths)]
    return subprocess.run(command, env=environment()).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
