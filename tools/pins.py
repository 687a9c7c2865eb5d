"""Freeze what the environment holds beyond the requirements files into ``constraints.txt``.

``python -m tools.pins`` is run after a version in one of them was changed, in an environment
that ``make assignments`` made, which installs both.
"""

import re
import subprocess
import sys
from pathlib import Path

from tools import project

NAMED = ("requirements.txt", "requirements-grading.txt")
HEAD = "# Versions of everything that these pull in: {}; written by python -m tools.pins.\n"
NOT_ON_WINDOWS = {"pexpect", "ptyprocess", "setproctitle"}
CUDA = re.compile(r"nvidia-|cuda-|triton$")  # torch pins these itself, where it has them


def key(pin: str) -> str:
    """Name of the package that a line pins, written the one way that compares."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=;\s]", pin)[0]).lower()


def pins(path: Path) -> dict[str, str]:
    """Lines of a requirements file that pin a package, by name."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {key(line): line for line in lines if "==" in line and not line.startswith("#")}


def portable(pin: str) -> str:
    """Drop the local part of a version; mark a package that Windows lacks."""
    marker = '; sys_platform != "win32"' if key(pin) in NOT_ON_WINDOWS else ""
    return re.sub(r"\+.*", "", pin) + marker


def constraints() -> list[str]:
    """Pins of the packages installed here that no requirements file names."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    lines = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.splitlines()
    known = {key for name in NAMED for key in pins(project.ROOT / name)}
    rest = [line for line in lines if "==" in line and key(line) not in known]
    return [portable(line) for line in rest if not CUDA.match(key(line))]


if __name__ == "__main__":
    text = HEAD.format(", ".join(NAMED)) + "\n".join(constraints()) + "\n"
    (project.ROOT / "constraints.txt").write_text(text, encoding="utf-8")
