"""The stored runs of the image GANs: how they were made, and that they can be made again."""

import torch

from dgm_teach.runs import load_run
from tools import gan_image_runs

# float32 sums in another order differ by 1e-6 or so, and steps at a high rate amplify it
TOLERANCE = 0.05
VARIANTS = ("conditional", "unconditional", "gamma_about_zero")


def stored_steps():
    return torch.tensor(load_run("gan-images")["first_steps"], dtype=torch.float64)


def test_the_result_says_how_it_was_made():
    result = load_run("gan-images")
    assert result["command"] == "python -m tools.gan_image_runs"
    assert set(gan_image_runs.PARTS) == set(result) - {"command", "date", "machine", "seeds"}
    assert len(result["date"].split("-")) == 3
    assert "torch" in result["machine"]
    assert result["seeds"] == list(gan_image_runs.SEEDS)
    for part in VARIANTS:
        assert [run["seed"] for run in result[part]] == result["seeds"]


def test_every_score_is_possible():
    result = load_run("gan-images")
    for part in VARIANTS:
        for run in result[part]:
            assert len(run["on_the_way"]) == len(run["losses"]) == gan_image_runs.NUM_PARTS
            for score in (run, *run["on_the_way"]):
                assert score["frechet"] > 0
                assert 0 <= score["digits_kl"] < 2.31  # log 10
                assert 0 <= score.get("obeyed", 1) <= 1
            assert all(value > 0 for pair in run["losses"] for value in pair)


def test_the_halvings_are_balanced_and_differ():
    halves = gan_image_runs.halvings()
    assert len(halves) == gan_image_runs.NUM_HALVINGS
    for half in halves:
        assert torch.equal(torch.cat(half).sort().values, torch.arange(1000))
        for rows in half:
            assert torch.equal(rows % 10, torch.arange(500) % 10)
    assert len({tuple(first.sort().values.tolist()) for first, _ in halves}) == len(halves)


def test_the_first_steps_repeat():
    again = torch.tensor(gan_image_runs.first_steps(), dtype=torch.float64)
    torch.testing.assert_close(again, stored_steps(), rtol=TOLERANCE, atol=TOLERANCE)


def test_another_seed_would_be_noticed():
    other = torch.tensor(gan_image_runs.first_steps(seed=1), dtype=torch.float64)
    assert ((other - stored_steps()).abs() > 2 * TOLERANCE).any()


def test_the_claims_of_the_chapter_hold():
    result = load_run("gan-images")
    for run in result["conditional"]:
        assert run["obeyed"] > 0.9
        assert run["frechet"] < 4 * result["truth"]["frechet"]
        assert run["frechet"] > result["truth"]["frechet"] + result["truth"]["frechet_sd"]
    worst = max(run["frechet"] for run in result["conditional"])
    assert all(
        run["frechet"] > worst for run in result["unconditional"] + result["gamma_about_zero"]
    )
