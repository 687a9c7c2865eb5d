"""Mutate the maths modules and count the mutants that the tests kill.

``python -m tools.mutants [module ...]`` plants small faults one by one (a sign, a number, an
argument) with mutmut, which is configured in ``pyproject.toml``, and runs the tests that reach
the faulty function. A module whose tests kill fewer than nine mutants in ten fails the run.
``tests/mutants.md`` names the survivors that no test can kill, and says what is counted.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

from tools import project

FOLDER = project.ROOT / "mutants"
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
GOAL = 0.9
TRIES = 2  # mutmut goes on where it stopped, if the process that forks its tests was lost
MEMORY = 8 * 2**30  # bytes a process may ask for: a wrong axis can broadcast to far more


def modules() -> list[str]:
    """Names of the modules that mutmut is configured to mutate."""
    settings = tomllib.loads((project.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [Path(path).stem for path in settings["tool"]["mutmut"]["only_mutate"]]


def limit_memory() -> None:
    """Make a mutant that asks for too much fail, before the machine does."""
    import resource  # mutmut does not run on Windows, which lacks this module

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(names: list[str]) -> int:
    """Plant and test the mutants of the modules, or of all, from scratch, on one torch thread."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    command = [MUTMUT, "run", "--max-children", "2", *(f"dgm_teach.{name}.*" for name in names)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    status = 1
    for _ in range(TRIES):
        done = subprocess.run(command, cwd=project.ROOT, env=environment, preexec_fn=limit_memory)
        status = done.returncode
        if status == 0:
            break
    return status


def verdicts(name: str) -> dict[str, str]:
    """What became of each mutant of a module."""
    from mutmut.stats import status_by_exit_code

    found = json.loads((FOLDER / "dgm_teach" / f"{name}.py.meta").read_text(encoding="utf-8"))
    return {mutant: status_by_exit_code[code] for mutant, code in found["exit_code_by_key"].items()}


def share(found: dict[str, str]) -> float:
    """Mutants that made a test fail, as a share of all; one that ran out of time did not."""
    return sum(verdict == "killed" for verdict in found.values()) / max(1, len(found))


def changed_lines(mutant: str) -> list[str]:
    """The lines that make a mutant."""
    diff = subprocess.run(
        [MUTMUT, "show", mutant], cwd=project.ROOT, capture_output=True, text=True
    ).stdout
    lines = diff.splitlines()
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def report(name: str, found: dict[str, str]) -> None:
    """Print the count of a module, and its survivors."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in Counter(found.values()).most_common())
    print(f"{name:<16} {share(found):6.1%} of {len(found)} killed ({counts})")
    for mutant, verdict in found.items():
        if verdict != "killed":
            print(f"    {mutant}: {verdict}")
            print("".join(f"        {line}\n" for line in changed_lines(mutant)), end="")


def main(names: list[str]) -> int:
    """Run the mutants of the named modules, or of all."""
    unknown = set(names) - set(modules())
    if unknown:
        print(f"module must be one of {modules()}, got {sorted(unknown)}", file=sys.stderr)
        return 2
    status = run(names)
    if status != 0:
        return status
    names = names or modules()
    found = {name: verdicts(name) for name in names}
    print()
    for name in names:
        report(name, found[name])
    low = [name for name in names if share(found[name]) < GOAL]
    if low:
        print(f"fewer than {GOAL:.0%} killed in {', '.join(low)}", file=sys.stderr)
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
