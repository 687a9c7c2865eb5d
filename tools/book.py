"""Build the book: execute the notebooks, write the ledger, build the HTML strictly.

``python -m tools.book`` is what ``make book`` runs once the environment stands; it works where
make is missing too.
"""

import hashlib
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tools import project

STAMP = project.BUILD / "book.stamp"
SOURCES = [
    "_config.yml",
    "_toc.yml",
    "book/**/*",
    "dgm_teach/**/*.py",
    "dgm_teach/runs/*.json",
    "tools/**/*.py",
    "requirements.txt",
    "constraints.txt",
]


def source_files() -> Iterator[Path]:
    """Files that the built book depends on, in a fixed order; caches in hidden folders do not."""
    for pattern in SOURCES:
        for path in sorted(project.ROOT.glob(pattern)):
            hidden = any(part.startswith(".") for part in path.relative_to(project.ROOT).parts)
            if path.is_file() and not hidden:
                yield path


def fingerprint() -> str:
    """Hash of the names and the contents of the sources."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(path.relative_to(project.ROOT).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh() -> bool:
    """Whether the built book was made from the sources as they stand."""
    return STAMP.exists() and STAMP.read_text() == fingerprint()


def steps() -> dict[str, list[str]]:
    """Commands that make the book, in order.

    ``--all`` because a page that Sphinx takes over from its last build gives no warnings.
    """
    jupyter_book = str(Path(sysconfig.get_path("scripts"), "jupyter-book"))
    return {
        "executing": [sys.executable, "-m", "tools.execute"],
        "the ledger": [sys.executable, "-m", "tools.ledger"],
        "the strict build": [jupyter_book, "build", ".", "-q", "--all", "-W", "-n", "--keep-going"],
    }


def build() -> int:
    """Run the steps; return the exit status of the first that fails."""
    STAMP.unlink(missing_ok=True)
    shutil.rmtree(project.HTML, ignore_errors=True)
    for name, command in steps().items():
        status = subprocess.run(command, cwd=project.ROOT).returncode
        if status:
            print(f"\nThe book was not built: {name} failed (see above).", file=sys.stderr)
            return status
    STAMP.write_text(fingerprint())
    return 0


def main() -> int:
    """Build the book and say how to open it."""
    status = build()
    if status == 0:
        page = project.HTML / "index.html"
        print(f"\nThe book is built. Open it in a browser:\n  {page.as_uri()}\n")
        print("or run `make serve` and open http://localhost:8000")
    return status


if __name__ == "__main__":
    sys.exit(main())
