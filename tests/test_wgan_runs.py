"""The stored runs of the Wasserstein GAN: how they were made, and that they can be made again."""

import torch

from dgm_teach.runs import load_run
from tools import wgan_runs

# float32 sums in another order differ by 1e-6 or so, and Adam's first steps divide by gradients
# that are near zero for some weights
TOLERANCE = 1e-2


def test_the_result_says_how_it_was_made():
    result = load_run("wgan-ring")
    assert result["command"] == "python -m tools.wgan_runs"
    assert len(result["date"].split("-")) == 3
    assert "torch" in result["machine"]
    assert [run["seed"] for run in result["ring"]] == result["seeds"] == list(wgan_runs.SEEDS)


def test_the_first_steps_repeat():
    again = torch.tensor(wgan_runs.first_steps(), dtype=torch.float64)
    stored = torch.tensor(load_run("wgan-ring")["first_steps"], dtype=torch.float64)
    torch.testing.assert_close(again, stored, rtol=0, atol=TOLERANCE)


def test_another_seed_would_be_noticed():
    other = torch.tensor(wgan_runs.first_steps(seed=1), dtype=torch.float64)
    stored = torch.tensor(load_run("wgan-ring")["first_steps"], dtype=torch.float64)
    assert ((other - stored).abs() > TOLERANCE).any()
