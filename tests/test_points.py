"""Made points against the exact moments of their distributions."""

import math

import pytest
import torch

from dgm_teach.points import gaussian_grid, gaussian_ring, two_moons
from dgm_teach.rng import make_generator

SETS = [gaussian_ring, gaussian_grid, two_moons]


def check_moments(x, mean, covariance):
    """Sample mean and covariance within 4 standard errors, estimated from the sample itself."""
    centred = x.double() - torch.tensor(mean, dtype=torch.float64)
    products = torch.einsum("ni,nj->nij", centred, centred)
    for terms, expected in [(centred, 0.0), (products, torch.tensor(covariance).double())]:
        standard_error = terms.std(0) / math.sqrt(len(x))
        assert ((terms.mean(0) - expected).abs() < 4 * standard_error).all()


def test_ring_moments():
    x = gaussian_ring(100_000, num_modes=5, radius=3.0, std=0.5, generator=make_generator(0))
    variance = 3.0**2 / 2 + 0.5**2
    check_moments(x, [0.0, 0.0], [[variance, 0.0], [0.0, variance]])


def test_ring_has_its_modes_and_no_others():
    x = gaussian_ring(8000, std=0.0, generator=make_generator(0))
    turns = torch.atan2(x[:, 1], x[:, 0]) / (2 * math.pi) * 8
    assert torch.allclose(x.norm(dim=1), torch.tensor(2.0))
    assert torch.allclose(turns, turns.round(), atol=1e-5)
    counts = torch.bincount(turns.round().long() % 8, minlength=8)
    # Binomial counts of mean 1,000, within 4 standard deviations.
    assert ((counts - 1000).abs() < 4 * math.sqrt(8000 * 7 / 64)).all()


def test_grid_moments():
    x = gaussian_grid(100_000, num_side=4, spacing=1.5, std=0.5, generator=make_generator(0))
    variance = 1.5**2 * (4**2 - 1) / 12 + 0.5**2
    check_moments(x, [0.0, 0.0], [[variance, 0.0], [0.0, variance]])


def test_grid_has_its_modes_and_no_others():
    x = gaussian_grid(5000, std=0.0, generator=make_generator(0))
    modes = {(i, j) for i in (-4.0, -2.0, 0.0, 2.0, 4.0) for j in (-4.0, -2.0, 0.0, 2.0, 4.0)}
    assert set(map(tuple, x.tolist())) == modes


def test_moons_moments():
    x = two_moons(100_000, std=0.2, generator=make_generator(0))
    # Within a moon: var cos t = 1/2, var sin t = 1/2 - (2/pi)^2, no covariance. Between the
    # moons: their means (0, 2/pi) and (1, 1/2 - 2/pi), each with probability 1/2.
    half_apart = (0.5, 0.25 - 2 / math.pi)
    xx = 1 / 2 + half_apart[0] ** 2 + 0.2**2
    yy = 1 / 2 - 4 / math.pi**2 + half_apart[1] ** 2 + 0.2**2
    xy = half_apart[0] * half_apart[1]
    check_moments(x, [0.5, 0.25], [[xx, xy], [xy, yy]])


def test_moons_lie_on_two_half_circles():
    x = two_moons(1000, std=0.0, generator=make_generator(0))
    upper = torch.isclose(x.norm(dim=1), torch.tensor(1.0)) & (x[:, 1] >= 0)
    below = x - torch.tensor([1.0, 0.5])
    lower = torch.isclose(below.norm(dim=1), torch.tensor(1.0)) & (below[:, 1] <= 0)
    assert (upper | lower).all()
    assert upper.any()
    assert lower.any()


@pytest.mark.parametrize("made", SETS)
def test_points_follow_the_generator(made):
    first, again, other = (made(50, generator=make_generator(seed)) for seed in (1, 1, 2))
    assert first.shape == (50, 2)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("made", SETS)
def test_bad_arguments_are_refused(made):
    with pytest.raises(ValueError, match="n must be finite and at least 1, got 0"):
        made(0)
    for std in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"std must be finite and at least 0, got {std}"):
            made(5, std=std)


def test_bad_shapes_are_refused():
    with pytest.raises(ValueError, match="num_modes must be finite and at least 1, got 0"):
        gaussian_ring(5, num_modes=0)
    with pytest.raises(ValueError, match="radius must be finite and at least 0"):
        gaussian_ring(5, radius=-1.0)
    with pytest.raises(ValueError, match="num_side must be finite and at least 1, got 0"):
        gaussian_grid(5, num_side=0)
    with pytest.raises(ValueError, match="spacing must be finite and at least 0"):
        gaussian_grid(5, spacing=-1.0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("made", SETS)
def test_points_are_made_where_the_generator_is(made):
    assert made(5, generator=make_generator(0, "cuda")).is_cuda
