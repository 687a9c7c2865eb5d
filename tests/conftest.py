"""What several test files share."""

import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tools import book, project


@pytest.fixture(scope="session")
def built_book() -> Path:
    """Folder of the built HTML, built by the command that readers use if it is not up to date."""
    project.BUILD.mkdir(exist_ok=True)
    with FileLock(project.BUILD / "book.lock"):  # one worker builds, the other waits
        if not book.is_fresh():
            build = [sys.executable, "-m", "tools.book"]
            done = subprocess.run(build, cwd=project.ROOT, capture_output=True, text=True)
            assert done.returncode == 0, f"the book does not build:\n{done.stdout}\n{done.stderr}"
    return project.HTML
