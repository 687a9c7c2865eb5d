"""Which map was found: SciPy's Procrustes solution, and maps placed by hand."""

import math
from functools import partial

import pytest
import torch
from oracles import randn
from scipy.linalg import orthogonal_procrustes

from dgm_teach.symmetries import identify, nearest_isometry

assert_close = partial(torch.testing.assert_close, rtol=1e-12, atol=1e-12)


def turn(degrees):
    """The matrix that turns the plane."""
    a = math.radians(degrees)
    c, s = math.cos(a), math.sin(a)
    return torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


MIRROR = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)


@pytest.mark.parametrize("matrix", [turn(70), turn(-100), turn(20) @ MIRROR])
def test_an_isometry_is_found_again(matrix):
    x, shift = randn(30, 2, seed=0), torch.tensor([3.0, -1.0], dtype=torch.float64)
    found, t = nearest_isometry(x, x @ matrix.T + shift)
    assert_close(found, matrix)
    assert_close(t, shift)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_nearest_isometry_is_scipys(dim):
    x, y = randn(20, dim, seed=1) + 4, randn(20, dim, seed=2) - 2
    found, t = nearest_isometry(x, y)
    theirs, _ = orthogonal_procrustes((x - x.mean(0)).numpy(), (y - y.mean(0)).numpy())
    assert_close(found, torch.from_numpy(theirs).T.contiguous(), rtol=1e-10, atol=1e-10)
    assert_close(t, y.mean(0) - x.mean(0) @ found.T)
    assert_close(found @ found.T, torch.eye(dim, dtype=torch.float64))


def test_points_that_are_not_pairs_are_refused():
    with pytest.raises(ValueError, match=r"y must have the shape of x, \[3, 2\], got \[4, 2\]"):
        nearest_isometry(randn(3, 2, seed=0), randn(4, 2, seed=1))
    with pytest.raises(ValueError, match="y must have the shape of x"):
        nearest_isometry(randn(0, 2, seed=0), randn(0, 2, seed=1))


def test_distances_are_those_of_a_loop():
    moved, candidates = randn(6, 4, 2, seed=3), randn(5, 6, 2, seed=4)
    found = identify(moved, candidates)

    def far(a, b):
        return math.sqrt(sum((p - q).square().sum().item() for p, q in zip(a, b, strict=True)) / 6)

    between = min(far(candidates[i], candidates[j]) for i in range(5) for j in range(i))
    assert found.limit == pytest.approx(between / 2, rel=1e-12)
    for copy in range(4):
        distances = [far(moved[:, copy], candidate) for candidate in candidates]
        assert found.distance[copy].item() == pytest.approx(min(distances), rel=1e-12)
        best = distances.index(min(distances)) if min(distances) < between / 2 else -1
        assert found.which[copy] == best


def test_a_map_at_the_limit_is_none():
    """Candidates at 0 and 2 on a line: the limit is 1, and 1 belongs to neither."""
    candidates = torch.tensor([[[0.0]], [[2.0]], [[7.0]]], dtype=torch.float64)
    moved = torch.tensor([[[0.5], [1.0], [1.5], [7.9], [8.0], [-0.9]]], dtype=torch.float64)
    found = identify(moved, candidates)
    assert found.which.tolist() == [0, -1, 1, 2, -1, 0]
    assert found.limit == 1
    assert_close(found.distance, torch.tensor([0.5, 1.0, 0.5, 0.9, 1.0, 0.9], dtype=torch.float64))


def test_candidates_that_cannot_be_told_apart_are_refused():
    one = randn(1, 4, 2, seed=5)
    with pytest.raises(ValueError, match="candidates must hold at least two maps, got 1"):
        identify(randn(4, 3, 2, seed=6), one)
    with pytest.raises(ValueError, match=r"^candidates must be different maps, got two that are"):
        identify(randn(4, 3, 2, seed=6), torch.cat([one, one]))


def test_candidates_may_be_close_but_not_the_same():
    one = randn(1, 4, 2, seed=5)
    close = torch.cat([one, one + 1e-3])
    assert identify(randn(4, 3, 2, seed=6), close).limit == pytest.approx(1e-3 / math.sqrt(2))
