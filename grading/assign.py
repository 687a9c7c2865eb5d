"""Make what is handed out from the masters: ``python -m grading.assign [hw01-elbo ...]``.

For each assignment, in ``_build/assignments/<name>``: ``student/<name>.ipynb``, without solutions,
hidden tests and metadata of the grader; ``solution/<name>.ipynb``, executed; and
``autograder/<name>.zip``, the bundle for Gradescope and ``otter grade``. otter-grader makes the
notebooks and the bundle, and runs the tests on the solution.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

from grading.leaks import hidden_lines, leaks, solution_lines
from grading.master import Master, masters, read
from grading.overlay import master_path
from tools import project
from tools.notebooks import INSTALL, METADATA

RELEASES = project.BUILD / "assignments"
BINDER = project.ROOT / "binder" / "requirements.txt"
NOT_ANSWERED = "*Your answer here.*"
OTTER = re.compile(
    r"<!-- (?:BEGIN|END) QUESTION -->\n*|_Type your answer here, replacing this text._"
)


def requirements() -> str:
    """What the autograder's machine installs: Binder's packages and ours from the repository."""
    text = BINDER.read_text(encoding="utf-8").rstrip()
    return f"{text}\ndgm-teach @ git+{project.address()}@{project.branch()}\n"


def run_otter(master: Master, folder: Path) -> Path:
    """Run ``otter assign`` in a folder; return where it put its results."""
    notebook = jupytext.read(master.path)
    source = folder / f"{master.name}.ipynb"
    (folder / "requirements.txt").write_text(requirements(), encoding="utf-8")
    # Without the name: otter would ask for it in the metadata that we take out of what it makes.
    config = re.sub(r"^name:.*\n", "", notebook.cells[0].source, flags=re.MULTILINE)
    notebook.cells[0].source = config + "\nrequirements: requirements.txt"
    notebook.metadata = nbformat.from_dict(METADATA)
    nbformat.write(notebook, source)
    command = [sys.executable, "-m", "otter", "assign", "--no-pdfs", str(source), "made"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"otter assign failed on {master.name}:\n{done.stdout}{done.stderr}")
    return folder / "made"


def installing() -> NotebookNode:
    """The cell that installs the package where it is missing, as in the chapters."""
    source = INSTALL.format(address=project.address(), branch=project.branch())
    return v4.new_code_cell(source, id="install", metadata={"tags": ["install"]})


def student_notebook(made: NotebookNode) -> NotebookNode:
    """Strip otter's marks and number the cells, so that nothing hints at what was there."""
    cells = [installing()]
    for number, cell in enumerate(made.cells):
        source = OTTER.sub(lambda mark: "" if "<" in mark[0] else NOT_ANSWERED, cell.source)
        new = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
        if cell.cell_type in ("code", "markdown") and source.strip():
            cells.append(new(source, id=f"cell-{number}"))
    return v4.new_notebook(cells=cells, metadata=METADATA)


def solution_notebook(made: NotebookNode) -> NotebookNode:
    """The solutions with their outputs, without markers and tests."""
    cells = []
    for cell in made.cells:
        is_test = "BEGIN TEST CONFIG" in cell.source
        if cell.cell_type in ("code", "markdown") and not is_test:
            cell.metadata = nbformat.from_dict({})
            cell.source = OTTER.sub("", cell.source)
            cells.append(cell)
    solved = v4.new_notebook(cells=[cell for cell in cells if cell.source], metadata=METADATA)
    return NotebookClient(solved, timeout=300, kernel_name="python3").execute()


def release(master: Master, into: Path = RELEASES) -> Path:
    """Make the three parts of one assignment; return their folder."""
    target = into / master.name
    with tempfile.TemporaryDirectory(prefix="assign-") as name:
        made = run_otter(master, Path(name))
        student = student_notebook(nbformat.read(made / "student" / f"{master.name}.ipynb", 4))
        solved = nbformat.read(made / "autograder" / f"{master.name}.ipynb", 4)
        text = nbformat.writes(student)
        found = leaks(text, solution_lines(master) | hidden_lines(master))
        if found:
            raise RuntimeError(f"{master.name}: the student's notebook holds {found}")
        shutil.rmtree(target, ignore_errors=True)
        for part in ("student", "solution", "autograder"):
            (target / part).mkdir(parents=True)
        (target / "student" / f"{master.name}.ipynb").write_text(text + "\n", encoding="utf-8")
        nbformat.write(solution_notebook(solved), target / "solution" / f"{master.name}.ipynb")
        (bundle,) = (made / "autograder").glob("*.zip")
        shutil.copy(bundle, target / "autograder" / f"{master.name}.zip")
    return target


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the assignments that are named, or all."""
    names = [path.stem for path in masters()]
    parser = argparse.ArgumentParser(prog="python -m grading.assign", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="assignment", help=", ".join(names))
    parser.add_argument("--overlay", type=Path, help="folder of private masters")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"assignment must be one of {names}, got {sorted(unknown)}")
    for name in options.names or names:
        print(f"{name}: {release(read(master_path(name, options.overlay)))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
