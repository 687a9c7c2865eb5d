"""Instance noise against the convolution that it stands for, and packs joined by hand."""

import math

import pytest
import torch
from oracles import randn
from torch.distributions import Normal
from torch.testing import assert_close

from dgm_teach.remedies import blur, pack
from dgm_teach.rng import make_generator


def test_blurred_points_have_the_convolved_distribution():
    # Two point masses at -1 and 1 become two Gaussians: the share below each place is known.
    n = 200_000
    x = torch.where(torch.arange(n) % 2 == 0, -1.0, 1.0).double()
    blurred = blur(x, 0.7, generator=make_generator(0))
    places = torch.linspace(-2, 2, 9, dtype=torch.float64)
    exact = (Normal(-1.0, 0.7).cdf(places) + Normal(1.0, 0.7).cdf(places)) / 2
    share = (blurred[:, None] < places).double().mean(0)
    # Every other point is at -1, so the variance of the share is at most that of a coin.
    assert ((share - exact).abs() < 4 * (exact * (1 - exact) / n).sqrt()).all()


def test_noise_is_the_standard_deviation_times_the_drawn_noise():
    x = randn(5, 2, seed=0)
    assert_close(blur(x, 0.3, generator=make_generator(1)), x + 0.3 * randn(5, 2, seed=1))


def test_without_noise_nothing_is_drawn():
    generator = make_generator(0)
    before = generator.get_state()
    x = randn(5, 2, seed=0)
    assert blur(x, 0.0, generator=generator) is x
    assert torch.equal(generator.get_state(), before)


def test_the_gradient_passes_through_the_noise():
    x = randn(3, 2, seed=0).requires_grad_()
    blur(x, 0.5, generator=make_generator(0)).square().sum().backward()
    assert_close(x.grad, 2 * (x.detach() + 0.5 * randn(3, 2, seed=0)))


@pytest.mark.parametrize("noise_sd", [-0.1, math.nan])
def test_a_negative_standard_deviation_is_refused(noise_sd):
    with pytest.raises(ValueError, match=f"noise_sd must be at least 0, got {noise_sd}"):
        blur(torch.zeros(2, 2), noise_sd)


@pytest.mark.parametrize("size", [1, 2, 3, 6])
def test_a_pack_is_its_examples_one_after_the_other(size):
    x = randn(6, 2, seed=0)
    packs = [torch.cat(list(x[start : start + size])) for start in range(0, 6, size)]
    assert_close(pack(x, size), torch.stack(packs))


def test_images_are_packed_pixel_by_pixel():
    x = randn(4, 2, 3, seed=0)
    assert_close(pack(x, 2)[1], torch.cat([x[2].flatten(), x[3].flatten()]))


def test_bad_packs_are_refused():
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        pack(torch.zeros(4, 2), 0)
    with pytest.raises(ValueError, match="the number of examples must be a multiple of 3, got 4"):
        pack(torch.zeros(4, 2), 3)
