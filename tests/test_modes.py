"""Mode coverage of points placed by hand, and of samples of the truth."""

import math

import pytest
import torch
from scipy.stats import chi2, entropy

from dgm_teach.modes import Coverage, grid_centres, mode_coverage, ring_centres
from dgm_teach.points import gaussian_grid, gaussian_ring
from dgm_teach.rng import make_generator

CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]], dtype=torch.float64)


def exact_distance(x, y):
    """Distances from differences; ``torch.cdist`` may use products, which lose digits."""
    return (x[:, None] - y).norm(dim=2)


def at(*counts):
    """So many points exactly on each of the three centres."""
    return CENTRES.repeat_interleave(torch.tensor(counts), dim=0)


def test_ring_centres_are_where_the_ring_has_its_modes():
    x = gaussian_ring(500, num_modes=5, radius=3.0, std=0.0, generator=make_generator(0))
    distance = exact_distance(x, ring_centres(num_modes=5, radius=3.0))
    assert distance.min(1).values.max() < 1e-5
    assert len(distance.argmin(1).unique()) == 5
    torch.testing.assert_close(ring_centres(num_modes=4, radius=2.0)[1], torch.tensor([0.0, 2.0]))


def test_grid_centres_are_where_the_grid_has_its_modes():
    x = gaussian_grid(500, num_side=3, spacing=1.5, std=0.0, generator=make_generator(0))
    distance = exact_distance(x, grid_centres(num_side=3, spacing=1.5))
    assert distance.min(1).values.max() < 1e-5
    assert len(distance.argmin(1).unique()) == 9


def test_defaults_are_those_of_the_points():
    assert ring_centres().shape == (8, 2)
    assert ring_centres().norm(dim=1).tolist() == pytest.approx([2.0] * 8)
    assert grid_centres().shape == (25, 2)
    assert grid_centres().amax() == 4.0


def test_all_on_the_centres():
    assert mode_coverage(at(30, 30, 30), CENTRES, std=0.1) == pytest.approx((3, 1.0, 0.0))


def test_one_mode_only():
    found = mode_coverage(at(60, 0, 0), CENTRES, std=0.1)
    assert found == pytest.approx((1, 1.0, math.log(3)))


def test_reverse_kl_is_that_of_the_shares():
    found = mode_coverage(at(10, 20, 70), CENTRES, std=0.1)
    assert found.reverse_kl == pytest.approx(entropy([0.1, 0.2, 0.7], [1 / 3] * 3))


@pytest.mark.parametrize(("distance", "good"), [(0.299, True), (0.301, False)])
def test_high_quality_ends_at_three_standard_deviations(distance, good):
    direction = torch.tensor([0.6, 0.8], dtype=torch.float64)
    found = mode_coverage(at(30, 30, 30) + distance * direction, CENTRES, std=0.1)
    assert found == pytest.approx((3 * good, float(good), 0.0))


def test_a_mode_with_bad_samples_only_does_not_count_but_has_its_share():
    x = at(30, 30, 30)
    x[60:] += 1.0
    found = mode_coverage(x, CENTRES, std=0.1)
    assert found == pytest.approx((2, 2 / 3, 0.0))


def test_a_single_good_sample_counts_its_mode():
    x = at(59, 1, 0)
    assert mode_coverage(x, CENTRES, std=0.1).num_modes == 2


def test_scores_are_plain_numbers():
    found = mode_coverage(at(30, 30, 30), CENTRES, std=0.1)
    assert isinstance(found, Coverage)
    assert [type(value) for value in found] == [int, float, float]


def test_truth_scores_what_theory_says():
    n = 100_000
    x = gaussian_grid(n, spacing=2.0, std=0.05, generator=make_generator(0))
    found = mode_coverage(x, grid_centres(spacing=2.0), std=0.05)
    exact = 1 - math.exp(-4.5)  # Rayleigh distribution
    assert found.num_modes == 25
    assert abs(found.high_quality - exact) < 4 * math.sqrt(exact * (1 - exact) / n)
    # 2 n times the divergence is chi-square with 24 degrees of freedom, up to terms in 1 / n.
    assert chi2(24).ppf(3e-5) < 2 * n * found.reverse_kl < chi2(24).isf(3e-5)


def test_float32_points_may_meet_float64_centres():
    assert mode_coverage(at(30, 30, 30).float(), CENTRES, std=0.1).num_modes == 3


def test_too_few_samples_are_refused():
    assert mode_coverage(at(20, 20, 20), CENTRES, std=0.1).num_modes == 3
    with pytest.raises(ValueError, match="x must have at least 60 rows, got 59"):
        mode_coverage(at(20, 20, 19), CENTRES, std=0.1)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_points_that_are_not_finite_are_refused(bad):
    x = at(30, 30, 30)
    x[7, 1] = bad
    with pytest.raises(ValueError, match=f"x must be finite, got {bad}"):
        mode_coverage(x, CENTRES, std=0.1)


@pytest.mark.parametrize("std", [0.0, -1.0, math.nan])
def test_a_standard_deviation_must_be_positive(std):
    with pytest.raises(ValueError, match=f"std must be above 0, got {std}"):
        mode_coverage(at(30, 30, 30), CENTRES, std=std)


def test_no_modes_are_refused():
    with pytest.raises(ValueError, match="num_modes must be at least 1, got 0"):
        ring_centres(num_modes=0)
    with pytest.raises(ValueError, match="num_side must be at least 1, got 0"):
        grid_centres(num_side=0)
