"""Distances of samples: against SciPy, NumPy, closed forms and sums over all pairs."""

import itertools

import numpy as np
import pytest
import torch
from oracles import randn
from scipy.linalg import sqrtm
from torch.testing import assert_close

from dgm_teach.quality import (
    Score,
    beside_truth,
    frechet_distance,
    gaussian_frechet,
    kernel_distance,
)


def covariance(seed, dim=4):
    a = randn(dim, dim, seed=seed)
    return a @ a.T + 0.1 * torch.eye(dim, dtype=torch.float64)


def by_scipy(mean_x, cov_x, mean_y, cov_y):
    root = sqrtm((cov_x @ cov_y).numpy())
    return float(
        (mean_x - mean_y).square().sum() + cov_x.trace() + cov_y.trace() - 2 * np.trace(root).real
    )


@pytest.mark.parametrize("seed", range(4))
def test_two_gaussians_against_scipy(seed):
    four = randn(4, seed=seed), covariance(seed), randn(4, seed=seed + 50), covariance(seed + 9)
    assert_close(gaussian_frechet(*four).item(), by_scipy(*four))


def test_diagonal_covariances_have_a_closed_form():
    sd_x, sd_y = torch.tensor([1.0, 2, 0.5]).double(), torch.tensor([0.3, 2, 4]).double()
    mean = torch.zeros(3, dtype=torch.float64)
    found = gaussian_frechet(mean, sd_x.square().diag(), mean + 2, sd_y.square().diag())
    assert_close(found, 12 + (sd_x - sd_y).square().sum())


def test_equal_gaussians_have_distance_zero():
    mean, cov = randn(4, seed=0), covariance(1)
    assert_close(gaussian_frechet(mean, cov, mean, cov).item(), 0.0, atol=1e-12, rtol=0)


def test_a_singular_covariance_is_no_obstacle():
    mean, zero = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
    line = torch.ones(3, 3, dtype=torch.float64)  # eigenvalues 3, 0, 0, in rounding below 0
    assert_close(gaussian_frechet(mean, line, mean, zero).item(), 3.0)
    assert_close(gaussian_frechet(mean, line, mean, 4 * line).item(), 3.0)


def test_samples_are_compared_by_their_moments():
    x, y = randn(30, 4, seed=0), 2 * randn(25, 4, seed=1) + 1
    four = (
        torch.from_numpy(moment)
        for z in (x.numpy(), y.numpy())
        for moment in (z.mean(0), np.cov(z, rowvar=False))
    )
    assert_close(frechet_distance(x, y), by_scipy(*four))
    assert isinstance(frechet_distance(x.float(), y.float()), float)
    # float32 features are accumulated in float64: their rounding is 1e-7 relative
    assert_close(frechet_distance(x.float(), y.float()), frechet_distance(x, y), rtol=1e-5, atol=0)


def test_one_feature_is_enough():
    x, y = randn(9, 1, seed=0), 3 * randn(8, 1, seed=1)
    exact = (x.mean() - y.mean()) ** 2 + (x.std() - y.std()) ** 2
    assert_close(frechet_distance(x, y), exact.item())


@pytest.mark.parametrize(("rows", "name"), [((7, 8), "rows_of_x"), ((8, 7), "rows_of_y")])
def test_too_few_rows_are_refused(rows, name):
    x, y = torch.zeros(rows[0], 4), torch.zeros(rows[1], 4)
    with pytest.raises(ValueError, match=f"{name} must be at least 8, got 7"):
        frechet_distance(x, y)


def test_twice_as_many_rows_as_features_are_enough():
    assert frechet_distance(randn(8, 4, seed=0), randn(8, 4, seed=1)) > 0


def cubic(a, b):
    return float((1 + a @ b / len(a)) ** 3)


def test_the_kernel_distance_is_a_mean_over_pairs():
    x, y = randn(4, 3, seed=0), randn(3, 3, seed=1) + 0.5

    def within(z):
        values = [cubic(a, b) for a, b in itertools.permutations(z, 2)]
        return sum(values) / len(values)

    across = sum(cubic(a, b) for a in x for b in y) / 12
    assert_close(kernel_distance(x, y), within(x) + within(y) - 2 * across)
    assert_close(kernel_distance(x.float(), y.float()), kernel_distance(x, y), rtol=1e-5, atol=0)


def test_its_mean_over_all_samples_of_a_table_is_the_exact_distance():
    # two samples of two rows: all 81 * 16 pairs of them can be listed
    points = randn(3, 2, seed=2)
    p = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    q = torch.tensor([0.7, 0.3], dtype=torch.float64)
    k = (1 + points @ points.T / 2) ** 3
    exact = p @ k @ p + q @ k[:2, :2] @ q - 2 * p @ k[:, :2] @ q
    mean = sum(
        p[a] * p[b] * q[c] * q[d] * kernel_distance(points[[a, b]], points[[c, d]])
        for a, b in itertools.product(range(3), repeat=2)
        for c, d in itertools.product(range(2), repeat=2)
    )
    assert_close(mean.item(), exact.item())


def test_fewer_than_two_rows_are_refused():
    with pytest.raises(ValueError, match="rows_of_x must be at least 2, got 1"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="rows_of_y must be at least 2, got 1"):
        kernel_distance(torch.zeros(2, 3), torch.zeros(1, 3))


def test_a_score_stands_beside_that_of_the_truth():
    fake, real, reference = randn(20, 3, seed=0) + 2, randn(20, 3, seed=1), randn(40, 3, seed=2)
    for distance in (frechet_distance, kernel_distance):
        score = beside_truth(distance, fake, real, reference)
        assert score == Score(distance(fake, reference), distance(real, reference))
        assert score.generated > score.truth


def test_another_number_of_real_rows_is_refused():
    with pytest.raises(ValueError, match="real must have 20 rows like generated, got 21"):
        beside_truth(frechet_distance, torch.zeros(20, 3), torch.zeros(21, 3), torch.zeros(20, 3))
