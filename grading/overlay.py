"""Private masters: hidden tests and seeds that are not in the public repository."""

from pathlib import Path

from grading.master import ASSIGNMENTS


def master_path(name: str, overlay: Path | None = None) -> Path:
    """Master of an assignment: that of the overlay folder if it has one, else the public one.

    Raises
    ------
    FileNotFoundError
        If the overlay is no folder, so that a misspelt one does not grade with public tests.
    """
    if overlay is not None:
        if not overlay.is_dir():
            raise FileNotFoundError(f"the overlay {overlay} is not a folder")
        private = overlay / name / f"{name}.md"
        if private.exists():
            return private
    return ASSIGNMENTS / name / f"{name}.md"
