"""Find lines of a solution in what students get."""

import html
from itertools import pairwise

from grading.master import Master


def is_telling(line: str) -> bool:
    """Whether a line would tell something: more than a bracket, an import or a comment."""
    return len(line) > 12 and not line.startswith(("#", "import ", "from ", '"""'))


def given_lines(master: Master) -> set[str]:
    """Lines that students are meant to see, stripped."""
    prose = [text for kind, text in master.cells if kind == "markdown"]
    return {line.strip() for cell in (*master.released, *prose) for line in cell.split("\n")}


def solution_lines(master: Master) -> set[str]:
    """Lines that stand in a solution and nowhere else, stripped."""
    solved = {line.strip() for cell in master.solved for line in cell.split("\n")}
    return {line for line in solved - given_lines(master) if is_telling(line)}


def hidden_lines(master: Master) -> set[str]:
    """Lines of hidden tests that say something, stripped."""
    tests = [t for question in master.questions for t in question.tests if t.hidden]
    lines = {line.strip() for test in tests for line in test.source.split("\n")}
    return {line for line in lines - given_lines(master) if is_telling(line)}


def solution_pairs(master: Master) -> set[tuple[str, str]]:
    """Neighbouring lines of a solution, of which neither is given."""
    lines, pairs = solution_lines(master), set()
    for cell in master.solved:
        stripped = [line.strip() for line in cell.split("\n") if line.strip()]
        pairs |= {(one, two) for one, two in pairwise(stripped) if one in lines and two in lines}
    return pairs


def clean(text: str) -> list[str]:
    """Lines of a text without the marks that JSON and HTML put around them."""
    lines = []
    for line in html.unescape(text).split("\n"):
        line = line.strip()
        if line.startswith('"') and line.endswith(('"', '",')):
            line = line.rstrip(",")[1:-1].removesuffix("\\n").replace('\\"', '"').strip()
        if line:
            lines.append(line)
    return lines


def leaks(text: str, lines: set[str]) -> list[str]:
    """Those lines that a text has."""
    return sorted(set(clean(text)) & lines)


def pairs_in(text: str, pairs: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those pairs that a text has, one line after the other."""
    lines = clean(text)
    return sorted(set(pairwise(lines)) & pairs)
