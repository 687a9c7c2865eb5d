"""The table of the instructor's guide: every answer gets what it should."""

import pytest

from grading.master import masters
from grading.table import TABLE, section


@pytest.mark.slow
@pytest.mark.parametrize("path", masters(), ids=lambda path: path.stem)
def test_the_table_holds_what_the_graders_say(path):
    """``make table`` writes it, and stops where an answer gets other marks than it should."""
    assert "\n".join(section(path)) in TABLE.read_text(encoding="utf-8")


def test_the_table_has_all_assignments_once():
    text = TABLE.read_text(encoding="utf-8")
    assert [text.count(f"**{path.stem}**") for path in masters()] == [1] * len(masters())
