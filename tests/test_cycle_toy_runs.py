"""The stored runs on points with a known truth: how they were made, and made again."""

import pytest
import torch

from dgm_teach.modes import ring_centres
from dgm_teach.rng import make_generator
from dgm_teach.runs import load_run
from tools import cycle_toy_runs

# float32 sums in another order differ by 1e-6 or so, and Adam's first steps divide by gradients
# that are near zero for some weights
TOLERANCE = 1e-2


def test_the_result_says_how_it_was_made():
    result = load_run("cycle-toy")
    assert result["command"] == "python -m tools.cycle_toy_runs"
    assert len(result["date"].split("-")) == 3
    assert "torch" in result["machine"]
    assert list(result["conditions"]) == list(cycle_toy_runs.CONDITIONS)
    assert result["seeds"] == list(range(len(result["conditions"])))
    for run in result["conditions"].values():
        assert len(run["kind"]) == len(run["cycle"]) == len(run["error"]) == len(run["w1"]) == 128


def test_the_first_steps_repeat():
    again = torch.tensor(cycle_toy_runs.first_steps(), dtype=torch.float64)
    stored = torch.tensor(load_run("cycle-toy")["first_steps"], dtype=torch.float64)
    torch.testing.assert_close(again, stored, rtol=0, atol=TOLERANCE)


def test_another_condition_would_be_noticed():
    other = torch.tensor(cycle_toy_runs.first_steps("square, 1 pair"), dtype=torch.float64)
    stored = torch.tensor(load_run("cycle-toy")["first_steps"], dtype=torch.float64)
    assert ((other - stored).abs() > TOLERANCE).any()


@pytest.mark.parametrize("name", ["square, no help", "moons, no help, 30°"])
def test_every_candidate_keeps_the_distribution(name):
    """Means and second moments of the moved points, within 4 standard errors."""
    condition = cycle_toy_runs.CONDITIONS[name]
    y, part = (v[:, 0] for v in cycle_toy_runs.draw(condition, 20_000, 1, make_generator(0)))
    names, maps = cycle_toy_runs.candidates(condition, y, part)
    assert len(names) == len(maps) == {"square": 24, "moons": 8}[condition.shape]
    assert names.count("true") == 1
    truth = maps[names.index("true")]
    for moved in maps:
        products = torch.stack([moved[:, 0] * moved[:, 1], moved[:, 0] ** 2, moved[:, 1] ** 2])
        same = torch.stack([truth[:, 0] * truth[:, 1], truth[:, 0] ** 2, truth[:, 1] ** 2])
        gap = torch.cat([moved.T - truth.T, products - same])
        assert (gap.mean(1).abs() <= 4 * gap.std(1) / len(y) ** 0.5 + 1e-6).all()


def test_kinds_of_the_square_are_those_of_the_nearest_matrix():
    """An isometry fits its corners exactly; its determinant and its angle name the kind."""
    condition = cycle_toy_runs.CONDITIONS["square, no help"]
    corners = ring_centres(num_modes=4, radius=1.0)
    names, maps = cycle_toy_runs.candidates(condition, corners, torch.arange(4))
    for name, moved in zip(names, maps, strict=True):
        fit = torch.linalg.lstsq(corners, moved).solution
        if not torch.allclose(corners @ fit, moved, atol=1e-5) or abs(fit.det().abs() - 1) > 1e-5:
            kind = "permutation"
        elif fit.det() < 0:
            kind = "reflection"
        else:
            kind = "true" if torch.allclose(fit, torch.eye(2), atol=1e-5) else "rotation"
        assert name == kind
    assert [names.count(k) for k in ("true", "rotation", "reflection", "permutation")] == [
        1, 3, 4, 16
    ]  # fmt: skip


def test_the_distance_of_two_samples_is_that_of_the_cheapest_pairing():
    """Three points moved by (3, 4) in another order: 5 each."""
    x = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 30.0]])
    moved = x[[2, 0, 1]] + torch.tensor([3.0, 4.0])
    assert cycle_toy_runs.w1(x, moved) == pytest.approx(5, rel=1e-6)


def test_rows_are_in_the_proportions_of_the_masses():
    condition = cycle_toy_runs.CONDITIONS["square, unequal masses"]
    part = cycle_toy_runs.draw(condition, 1000, 1, make_generator(0))[1][:, 0]
    rows = cycle_toy_runs.in_proportion(condition, part)
    assert part[rows].bincount().tolist() == [120, 90, 60, 30]
    assert len(set(rows.tolist())) == 300


def test_pairs_on_an_axis_are_recognised():
    condition = cycle_toy_runs.CONDITIONS["square, 2 pairs"]
    (x, y), on_axis = cycle_toy_runs.draw_pairs(condition, 50, make_generator(0))
    # two corners of the square lie on one axis through 0 if their determinant is 0
    flat = (y[0, :, 0] * y[1, :, 1] - y[0, :, 1] * y[1, :, 0]).abs() < 1e-6
    assert flat.tolist() == on_axis
    torch.testing.assert_close(x.norm(dim=2), torch.ones(2, 50))
