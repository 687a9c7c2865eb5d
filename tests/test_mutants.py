"""The mutation run: what it mutates, what it counts, what it refuses."""

import tomllib

import pytest

from tools import mutants, project

SETTINGS = tomllib.loads((project.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_the_maths_modules_are_mutated():
    maths = {"gaussian", "likelihoods", "linear_gaussian", "vae", "vae_training", "evaluate"}
    assert maths <= set(mutants.modules())


def test_every_file_named_in_the_settings_exists():
    settings = SETTINGS["mutmut"]
    named = settings["only_mutate"] + settings["pytest_add_cli_args_test_selection"]
    assert [name for name in named if not (project.ROOT / name).is_file()] == []


def test_killed_mutants_are_counted():
    found = {"a": "killed", "b": "timeout", "c": "survived", "d": "no tests"}
    assert mutants.share(found) == 0.25
    assert mutants.share({}) == 0


def test_a_module_that_is_not_mutated_is_refused(capsys, monkeypatch):
    monkeypatch.setattr(mutants, "run", lambda names: pytest.fail("nothing must run"))
    assert mutants.main(["gaussian", "plot"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("module must be one of ['gaussian', ")
    assert message.endswith("got ['plot']\n")


@pytest.mark.parametrize(("killed", "status"), [(9, 0), (8, 1)])
def test_fewer_than_nine_in_ten_fail_the_run(capsys, monkeypatch, killed, status):
    found = {f"m{i}": "killed" if i < killed else "survived" for i in range(10)}
    monkeypatch.setattr(mutants, "run", lambda names: 0)
    monkeypatch.setattr(mutants, "verdicts", lambda name: found)
    monkeypatch.setattr(mutants, "changed_lines", lambda mutant: ["-a", "+b"])
    assert mutants.main(["gaussian"]) == status
    shown = capsys.readouterr()
    assert f"gaussian          {killed * 10}.0% of 10 killed" in shown.out
    assert "    m9: survived\n        -a\n        +b\n" in shown.out
    assert ("fewer than 90% killed in gaussian" in shown.err) == bool(status)
