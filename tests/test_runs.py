"""The stored results of long runs: how they were made, and that they can be made again."""

import pytest
import torch

from dgm_teach.runs import load_run
from tools import vae_runs

# float32 sums in another order differ by 1e-6 or so, and twenty steps at a high rate amplify it
RELATIVE = 1e-2


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"name must be one of \[.*'vae-training'.*\], got 'vae'"):
        load_run("vae")


def test_the_result_says_how_it_was_made():
    result = load_run("vae-training")
    assert result["command"] == "python -m tools.vae_runs"
    assert set(vae_runs.PARTS) <= set(result)
    assert len(result["date"].split("-")) == 3
    assert "torch" in result["machine"]
    parts = ("chapter", "chapter_without_copies", "chapter_without_copies_50", "usual_with_copies")
    for part in (*parts, "usual"):
        assert [run["seed"] for run in result[part]] == result["seeds"] == list(vae_runs.SEEDS)


def test_the_first_steps_repeat():
    again = torch.tensor(vae_runs.first_steps(), dtype=torch.float64)
    stored = torch.tensor(load_run("vae-training")["first_steps"], dtype=torch.float64)
    torch.testing.assert_close(again, stored, rtol=RELATIVE, atol=0)


def test_another_seed_would_be_noticed():
    other = torch.tensor(vae_runs.first_steps(seed=1), dtype=torch.float64)
    stored = torch.tensor(load_run("vae-training")["first_steps"], dtype=torch.float64)
    assert ((other - stored).abs() > RELATIVE * stored.abs()).any()
