"""The command that runs the notebooks turns red for every kind of bad notebook.

No test here reaches a network: 192.0.2.1 is set aside for documentation and example.invalid names
nothing, and the guard refuses both before anything is sent.
"""

import os
import re
import socket
import subprocess
import sys

import nbformat
import pytest
from nbformat import v4

from tools import run_notebooks

IMPORT = "import socket\n"
SERVE = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(("localhost", server.getsockname()[1]))
client.sendall(b"x")
assert server.accept()[0].recv(1) == b"x"
"""
THREADS = "import torch\nassert torch.get_num_threads() == 1"
SOUND = {
    "sound": ["x = 1", "assert x == 1"],
    "meant-to-fail": ["raise ValueError('meant')  # in a cell tagged raises-exception"],
    "talks-to-itself": [SERVE],
    "one-thread": [THREADS],
}
CONNECT = '.connect(("192.0.2.1", 80))'
ONLINE = {
    "connect": (
        IMPORT + "socket.socket()" + CONNECT,
        "socket.connect .*192.0.2.1.* was refused",
    ),
    "send": (
        IMPORT + 'socket.socket(type=socket.SOCK_DGRAM).sendto(b"x", ("192.0.2.1", 9))',
        "socket.sendto .*192.0.2.1.* was refused",
    ),
    "look-up": (
        IMPORT + 'socket.gethostbyname("example.invalid")',
        "socket.gethostbyname example.invalid was refused",
    ),
    "download": (
        'import urllib.request as r\nr.urlopen("http://example.invalid/")',
        "socket.getaddrinfo example.invalid was refused",
    ),
}


def write(path, sources):
    cells = [v4.new_code_cell(source) for source in sources]
    for cell in cells:
        if "raises-exception" in cell.source:
            cell.metadata["tags"] = ["raises-exception"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def run(*arguments):
    """Run the very command, and return its exit status and what it printed, without colours."""
    command = [sys.executable, "-m", "tools.run_notebooks", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=run_notebooks.project.ROOT, capture_output=True, text=True, timeout=300
    )
    return done.returncode, re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr)


def test_sound_notebooks_pass(tmp_path):
    paths = [write(tmp_path / f"{name}.ipynb", cells) for name, cells in SOUND.items()]
    status, printed = run(*paths)
    assert status == 0, printed
    assert f"{sum(map(len, SOUND.values()))} passed" in printed


@pytest.mark.slow
def test_a_failing_cell_turns_the_run_red(tmp_path):
    sound = write(tmp_path / "sound.ipynb", SOUND["sound"])
    status, printed = run(sound, write(tmp_path / "broken.ipynb", ["x = 1", "assert x == 2"]))
    assert status == 1
    assert "1 failed, 3 passed" in printed
    assert "AssertionError" in printed


@pytest.mark.slow
def test_every_way_out_of_the_machine_turns_its_notebook_red(tmp_path):
    paths = [write(tmp_path / f"{name}.ipynb", [cell]) for name, (cell, _) in ONLINE.items()]
    status, printed = run(*paths)
    assert status == 1
    assert f"{len(ONLINE)} failed in" in printed
    missing = [message for _, message in ONLINE.values() if not re.search(message, printed)]
    assert missing == []


@pytest.mark.slow
def test_a_cell_that_runs_too_long_turns_the_run_red(tmp_path):
    path = write(tmp_path / "slow.ipynb", ["import time\ntime.sleep(100)"])
    status, printed = run(path, "--nbval-cell-timeout=2")
    assert status == 1
    assert "Timeout of 2 seconds exceeded" in printed


def test_no_notebook_at_all_turns_the_run_red(tmp_path):
    status, printed = run(tmp_path)
    assert status != 0, printed


@pytest.mark.parametrize("event", ["socket.getaddrinfo", "socket.connect"])
@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        (b"localhost", True),
        ("0.0.0.0", True),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
        ("2001:db8::1", False),
        ("localhost.example.invalid", False),
        ("example.invalid", False),
    ],
)
def test_what_the_guard_takes_for_this_machine(event, host, local, guard):
    arguments = (host,) if event == "socket.getaddrinfo" else (None, (host, 80))
    if local:
        guard(event, arguments)
    else:
        with pytest.raises(OSError, match=f"offline: {event} .* was refused"):
            guard(event, arguments)


def test_the_guard_lets_local_sockets_and_other_events_pass(guard):
    guard("socket.connect", (None, "/run/a.sock"))
    guard("socket.connect", (None, b"\0abstract"))
    guard("socket.getaddrinfo", (None, 80))
    guard("open", ("192.0.2.1", "r"))


@pytest.fixture
def guard(monkeypatch):
    """The guard's function, loaded without installing it in this process."""
    monkeypatch.setattr(sys, "addaudithook", lambda hook: None)
    names: dict = {}
    source = (run_notebooks.OFFLINE / "sitecustomize.py").read_text(encoding="utf-8")
    exec(compile(source, "sitecustomize.py", "exec"), names)
    return names["refuse"]


def test_the_tests_themselves_are_not_cut_off():
    """Else the tests above would say nothing about the command."""
    assert str(run_notebooks.OFFLINE) not in os.environ.get("PYTHONPATH", "")
    assert socket.gethostbyname("localhost") == "127.0.0.1"
