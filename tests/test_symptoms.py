"""The numbers that hw05-silent-bugs shows are those of the record, and come out again."""

import ast
import json

import pytest

from grading import symptoms
from grading.master import read

RECORD = json.loads(symptoms.RECORD.read_text(encoding="utf-8"))
BLOCKS = symptoms.blocks(symptoms.MASTER.read_text(encoding="utf-8"))


def table_in(block):
    """The dictionary that a block assigns."""
    return ast.literal_eval(ast.parse(block).body[0].value)


def test_every_table_stands_in_the_master_as_recorded():
    assert sorted(BLOCKS) == sorted(RECORD["tables"]) == sorted(symptoms.MADE)
    for question, table in RECORD["tables"].items():
        assert BLOCKS[question] == symptoms.block(question, table)
        assert table_in(BLOCKS[question]) == table


def test_the_record_says_how_it_was_made():
    assert RECORD["command"] == symptoms.COMMAND
    assert RECORD["seeds"] == {name: seed for name, (_, seed) in symptoms.MADE.items()}


def test_a_changed_number_is_noticed():
    table = {name: list(column) for name, column in RECORD["tables"]["q3"].items()}
    table["batch size"][0] += 1
    assert BLOCKS["q3"] != symptoms.block("q3", table)


@pytest.mark.parametrize("question", ["q1", "q3", "q4", "q5", "q6", "q7", "q9"])
def test_the_numbers_come_out_again(question):
    """The others train for longer. Rounding in float32 grows over eight steps to less than 1e-3."""
    made = symptoms.make(question)
    for name, column in RECORD["tables"][question].items():
        assert made[name] == pytest.approx(column, rel=1e-3, abs=2e-4), name


def test_the_notebook_holds_no_faulty_code():
    for cell in read(symptoms.MASTER).released:
        assert "grading" not in cell
        assert "fault" not in cell.replace("fault_q", "").replace("is faulty;", "")
