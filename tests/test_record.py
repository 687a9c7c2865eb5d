"""The record of a check in a notebook: left once in the cell's output, one label in one cell."""

import json
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from dgm_teach import ledger
from dgm_teach.ledger import MIME_TYPE, Check, CheckError, Refutation, record

IMPORT = "from dgm_teach.verify import check_equal, check_monte_carlo\nimport torch"
CHECK = 'check_equal("{label}", 1.0 + 1e-12, 1.0, wrong={{"<two>": 2.0}}, method="closed form")'


@pytest.fixture(autouse=True)
def _fresh_record():
    ledger.forget()
    yield
    ledger.forget()


def a_check(label="eq-a"):
    return Check(label, "closed form", "1", "1", 0.0, 1e-10, [Refutation("two", "1")])


class Shell:
    """Stands in for the shell of a notebook."""

    def __init__(self, monkeypatch):
        self.execution_count, self.shown = 0, []
        self.parent_header = {}
        monkeypatch.setattr(ledger, "get_ipython", lambda: self)
        monkeypatch.setattr(ledger, "display", self.shown.append)

    def run(self, cell, *labels):
        """Run a cell, known by its id (or by none), that checks the labels."""
        self.execution_count += 1
        self.parent_header = {"metadata": {"cellId": cell} if cell else {}}
        for label in labels:
            record(a_check(label))


def test_outside_a_notebook_nothing_is_shown(capsys):
    record(a_check())
    assert capsys.readouterr() == ("", "")
    assert list(ledger.recorded) == ["eq-a"]


def test_forgetting_frees_every_label():
    for _ in range(2):
        record(a_check())
        ledger.forget()
        assert ledger.recorded == {}


def test_a_cell_may_be_run_again_but_not_check_a_label_twice(monkeypatch):
    shell = Shell(monkeypatch)
    shell.run("one", "eq-a", "eq-b")
    shell.run("one", "eq-a", "eq-b")
    assert [check.label for check in shell.shown] == ["eq-a", "eq-b"] * 2
    with pytest.raises(CheckError, match=r"^eq-a: the label was checked before, at cell one$"):
        shell.run("one", "eq-a", "eq-a")
    with pytest.raises(CheckError, match=r"^eq-a: the label was checked before, at cell one$"):
        shell.run("two", "eq-a")


def test_without_cell_ids_the_line_of_the_call_is_the_place(monkeypatch):
    shell = Shell(monkeypatch)
    for _ in range(2):
        shell.run(None, "eq-a")
    with pytest.raises(CheckError, match=r"checked before, at .*test_record.py:\d+$"):
        shell.run(None, "eq-a", "eq-a")
    shell.execution_count += 1
    with pytest.raises(CheckError, match=r"checked before, at .*test_record.py:\d+$"):
        record(a_check())


def test_a_shell_without_a_header_is_accepted(monkeypatch):
    shell = Shell(monkeypatch)
    monkeypatch.setattr(ledger, "get_ipython", lambda: SimpleNamespace(execution_count=1))
    record(a_check())
    assert len(shell.shown) == 1


@pytest.fixture(scope="module")
def executed():
    """The cells of a notebook that ran in a kernel, each with its outputs."""
    cells = {
        "import": IMPORT,
        "one check": CHECK.format(label="eq-a"),
        "two checks": CHECK.format(label="eq-b")
        + "\nsamples = torch.linspace(-1, 1, 400, dtype=torch.float64)\n"
        'check_monte_carlo("eq-c", samples, 0.0, wrong={"far": 9.0}, num_se=5)',
        "label again": "# another cell\n" + CHECK.format(label="eq-a"),
        "fails": CHECK.format(label="eq-d").replace("1e-12", "1e-3"),
        "failed label, mended": CHECK.format(label="eq-d"),
        "loop": "for _ in range(2):\n    " + CHECK.format(label="eq-e"),
    }
    notebook = new_notebook(cells=[new_code_cell(source) for source in cells.values()])
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120)
    client.execute()
    nbformat.validate(notebook)
    return dict(zip(cells, (cell.outputs for cell in notebook.cells), strict=True))


def records(outputs):
    return [output.data[MIME_TYPE] for output in outputs if MIME_TYPE in output.get("data", {})]


def errors(outputs):
    return [output.evalue for output in outputs if output.output_type == "error"]


@pytest.mark.slow
def test_record_is_in_the_output_of_its_cell_exactly_once(executed):
    (output,) = executed["one check"]
    assert output.output_type == "display_data"
    assert output.data[MIME_TYPE] == {
        "label": "eq-a",
        "method": "closed form",
        "left": "1",
        "right": "1",
        "difference": pytest.approx(1e-12, rel=1e-3),
        "tolerance": 1e-10,
        "refuted": [{"name": "<two>", "difference": "1"}],
        "num_samples": None,
        "num_se": None,
    }
    assert "refuted: <two> (off by 1)" in output.data["text/plain"]
    assert "refuted: &lt;two&gt; (off by 1)" in output.data["text/html"]
    json.dumps(output.data[MIME_TYPE], allow_nan=False)


@pytest.mark.slow
def test_every_check_of_a_cell_leaves_its_record(executed):
    assert [record["label"] for record in records(executed["two checks"])] == ["eq-b", "eq-c"]
    assert records(executed["two checks"])[1]["num_samples"] == 400
    assert errors(executed["two checks"]) == []


@pytest.mark.slow
def test_a_second_cell_with_the_same_label_fails(executed):
    (message,) = errors(executed["label again"])
    assert message.startswith("eq-a: the label was checked before, at ")
    assert records(executed["label again"]) == []


@pytest.mark.slow
def test_a_check_that_fails_leaves_no_record(executed):
    (message,) = errors(executed["fails"])
    assert message.startswith("eq-d: the sides differ")
    assert records(executed["fails"]) == []
    assert [record["label"] for record in records(executed["failed label, mended"])] == ["eq-d"]


@pytest.mark.slow
def test_a_loop_over_one_label_fails(executed):
    (message,) = errors(executed["loop"])
    assert message.startswith("eq-e: the label was checked before, at ")
    assert len(records(executed["loop"])) == 1


def run_cell(client, source, cell_id):
    """Run a cell as a notebook editor does, which names the cell; return its outputs."""
    content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}}
    content |= {"allow_stdin": False, "stop_on_error": False}
    message = client.session.msg("execute_request", content)
    message["metadata"]["cellId"] = cell_id
    client.shell_channel.send(message)
    outputs = []
    while True:
        reply = client.get_iopub_msg(timeout=60)
        if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if reply["msg_type"] in ("display_data", "error"):
            outputs.append(reply["content"])
        if reply["content"].get("execution_state") == "idle":
            return outputs


@pytest.mark.slow
def test_an_edited_cell_may_be_run_again_in_an_editor_that_names_its_cells():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        assert run_cell(client, IMPORT, "zero") == []
        first = run_cell(client, CHECK.format(label="eq-a"), "one")
        again = run_cell(client, "\n" + CHECK.format(label="eq-a"), "one")
        other = run_cell(client, CHECK.format(label="eq-a"), "two")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert MIME_TYPE in first[0]["data"]
    assert MIME_TYPE in again[0]["data"]
    assert [output.get("evalue") for output in other] == [
        "eq-a: the label was checked before, at cell one"
    ]
