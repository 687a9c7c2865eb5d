"""The table of the instructor's guide: what the graders say of right and of wrong answers.

``python -m grading.table`` grades every variant of every assignment and writes the table;
``--check`` only says whether the file holds what comes out.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from grading.master import masters, read
from grading.variants import Graded, graded, read_variants
from tools import project

TABLE = project.ROOT / "book" / "teaching" / "grader-table.md"
HEAD = """\
| question | points | answer | kind | gets | loses |
|---|---|---|---|---|---|"""


def row(result: Graded, points: float) -> str:
    """One line of a table."""
    variant = result.variant
    kind = "right" if variant.right else "wrong"
    lost = ", ".join(test.removeprefix("test_").replace("_", " ") for test in result.failed)
    cells = (variant.question, f"{points:g}", variant.name, kind, f"{result.points:g}", lost or "–")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def section(path: Path) -> Iterator[str]:
    """Heading and table of one assignment.

    Raises
    ------
    ValueError
        If an answer does not get what it should.
    """
    master = read(path)
    yield f"**{master.name}**\n\n{HEAD}"
    points = {question.name: question.points for question in master.questions}
    for result in graded(master, read_variants(path.with_name("variants.md"))):
        if not result.as_it_should:
            raise ValueError(
                f"{master.name}, {result.variant.question}, {result.variant.name}: should lose "
                f"{list(result.variant.loses)}, loses {list(result.failed)}"
            )
        yield row(result, points[result.variant.question])


def table_text() -> str:
    """All tables."""
    return "\n\n".join("\n".join(section(path)) for path in masters()) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the file, or compare it."""
    text = table_text()
    if "--check" in arguments:
        return int(not TABLE.exists() or TABLE.read_text(encoding="utf-8") != text)
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
