"""Freeze what the environment holds beyond ``requirements.txt`` into ``constraints.txt``.

``python -m tools.pins`` is run after a version in ``requirements.txt`` was changed.
"""

import re
import subprocess
import sys
from pathlib import Path

from tools import project

HEAD = "# Versions of everything that requirements.txt pulls in; written by python -m tools.pins.\n"
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
    """Pins of the packages installed here that ``requirements.txt`` does not name."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    lines = subprocess.run(freeze, capture_output=True, text=True, check=True).stdout.splitlines()
    known = pins(project.ROOT / "requirements.txt")
    rest = [line for line in lines if "==" in line and key(line) not in known]
    return [portable(line) for line in rest if not CUDA.match(key(line))]


if __name__ == "__main__":
    text = HEAD + "\n".join(constraints()) + "\n"
    (project.ROOT / "constraints.txt").write_text(text, encoding="utf-8")
