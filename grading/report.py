"""Write what a batch found: tables for the gradebook, and a text for each student."""

import csv
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from grading.master import Master
from grading.sandbox import Marks, Result

# Moodle refuses a worksheet without the first, third and fifth of these.
MOODLE_COLUMNS = [
    "Identifier", "Full name", "Grade", "Maximum Grade", "Last modified (grade)",
    "Feedback comments",
]  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe(text: str) -> str:
    """Text for a table; one that a spreadsheet would take for a formula gets a quote in front."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return "'" + text if text.startswith(FORMULA) else text


def number(points: float | None) -> str:
    """Points without needless zeros; nothing where a person has not graded yet."""
    return "" if points is None else f"{points:g}"


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> None:
    """Write a table whole or not at all; the mark at its front says to spreadsheets: UTF-8."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    new.replace(path)


def by_hand(path: Path) -> dict[tuple[str, str], tuple[float, str]]:
    """Points that a person gave: a table with the columns student, question, points, comment.

    Raises
    ------
    ValueError
        If a row has no number of points.
    """
    if not path.exists():
        return {}
    found = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            try:
                points = float(row["points"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{path}: a row has no points: {row}") from error
            found[row["student"], row["question"]] = (points, row.get("comment") or "")
    return found


def check_names(
    results: Sequence[Result], given: Iterable[tuple[str, str]], questions: set[str]
) -> None:
    """Refuse points given by hand that would go to nobody, or to two students of one name.

    Raises
    ------
    ValueError
        If a student or a question is not known, or a name is that of two students.
    """
    names = [result.student for result in results]
    for student, question in given:
        if question not in questions:
            raise ValueError(f"hand.csv gives points for {question}, which is no question")
        if names.count(student) != 1:
            raise ValueError(
                f"hand.csv gives points to {student}, the name of {names.count(student)} "
                "submissions; use the names of grades.csv, and rename one of two with one name"
            )


def with_hand(result: Result, hand: dict[tuple[str, str], tuple[float, str]]) -> list[Marks]:
    """Marks of a submission, those given by hand filled in."""
    filled = []
    for marks in result.marks:
        if (result.student, marks.question) in hand:
            points, comment = hand[result.student, marks.question]
            if not 0 <= points <= marks.out_of:
                raise ValueError(
                    f"{result.student}, {marks.question}: points must be from 0 to "
                    f"{marks.out_of:g}, got {points:g}"
                )
            marks = Marks(marks.question, points, marks.out_of, comment)
        filled.append(marks)
    return filled


def feedback(master: Master, result: Result, marks: Sequence[Marks]) -> str:
    """What a student reads: points and reasons, nothing of a test or a solution."""
    total = sum(one.points or 0.0 for one in marks)
    out_of = sum(one.out_of for one in marks)
    lines = [f"# {master.name}", "", f"Student: {result.student}", ""]
    lines += [f"Points so far: {total:g} of {out_of:g}", ""]
    if result.refused:
        lines += [f"The notebook was not run: {result.refused}", ""]
    for one in marks:
        points = "not graded yet" if one.points is None else f"{one.points:g}"
        lines.append(f"- {one.question}: {points} of {one.out_of:g}. {one.reason}".rstrip())
    if result.notes:
        lines += ["", "What happened during the run:", ""]
        lines += [f"- {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def file_name(result: Result) -> str:
    """Name of a student's file: letters, digits and a few marks; unique by the number."""
    name = re.sub(r"[^\w.-]+", "_", result.student).strip("._") or "student"
    return f"{name[:80]}{'_' + result.identifier if result.identifier else ''}.md"


def write_reports(graded: Path, master: Master, results: Sequence[Result], hand: Path) -> None:
    """Write all tables and all texts anew."""
    given = by_hand(hand)
    check_names(results, given, {question.name for question in master.questions})
    marks = {id(result): with_hand(result, given) for result in results}
    totals = {key: sum(one.points or 0.0 for one in rows) for key, rows in marks.items()}
    out_of = sum(question.points for question in master.questions)
    rows: list[list[str]] = [["student", "question", "points", "out of", "reason"]]
    canvas: list[list[str]] = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", master.name],
        ["    Points Possible", "", "", "", "", number(out_of)],
    ]
    moodle: list[list[str]] = [MOODLE_COLUMNS]
    (graded / "feedback").mkdir(exist_ok=True)
    for result in results:
        student, total = safe(result.student), totals[id(result)]
        text = feedback(master, result, marks[id(result)])
        for one in marks[id(result)]:
            points, limit = number(one.points), number(one.out_of)
            rows.append([student, one.question, points, limit, safe(one.reason)])
        canvas.append([student, result.identifier, "", "", "", number(total)])
        participant = f"Participant {result.identifier}" if result.identifier else ""
        shown = html.escape(text, quote=False).replace("\n", "<br>")  # Moodle takes it for HTML
        moodle.append([participant, student, number(total), number(out_of), "-", safe(shown)])
        path = graded / "feedback" / file_name(result)
        path.write_text(text, encoding="utf-8", errors="replace")
    write_csv(graded / "grades.csv", rows)
    write_csv(graded / "canvas.csv", canvas)
    write_csv(graded / "moodle.csv", moodle)
