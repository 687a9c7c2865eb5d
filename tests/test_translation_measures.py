"""Distances to a known truth, the best shift, and paired differences."""

import math
from itertools import product

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from dgm_teach.rng import make_generator
from dgm_teach.translation_measures import best_shift, paired_difference, relative_l1


def images(seed, n=5):
    return torch.randn(n, 2, 9, 8, generator=make_generator(seed), dtype=torch.float64)


def test_the_distance_agrees_with_numpy():
    made, truth = images(0), images(1)
    mean = images(2).mean(0)
    ours = [np.abs((a - b).numpy()).sum() for a, b in zip(made, truth, strict=True)]
    constant = [np.abs((mean - b).numpy()).sum() for b in truth]
    assert relative_l1(made, truth, mean) == pytest.approx(sum(ours) / sum(constant), rel=1e-12)


def test_the_ends_of_the_scale():
    truth = images(1)
    mean = truth.mean(0)
    assert relative_l1(truth, truth, mean) == 0
    assert relative_l1(mean.expand_as(truth), truth, mean) == pytest.approx(1)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (-1, 1), (0, -2), (1, 2)])
def test_a_shift_is_found_and_undone(down, right):
    truth = images(3)
    made = truth.roll((down, right), (2, 3))  # what wraps round lies in the border
    found = best_shift(made, truth, truth.mean(0))
    assert (found.down, found.right) == (down, right)
    assert found.distance == 0


def test_a_shift_of_more_than_two_pixels_is_not_looked_for():
    truth = images(3)
    found = best_shift(truth.roll(3, 2), truth, truth.mean(0))
    assert max(abs(found.down), abs(found.right)) <= 2
    assert found.distance > 0.1


@pytest.mark.parametrize(("down", "right"), [(0.5, 0), (0, -1.5), (-0.5, 1)])
def test_half_a_pixel_is_the_mean_of_two_moves(down, right):
    truth = images(3)
    ends = [
        truth.roll((i, j), (2, 3))
        for i in (math.floor(down), math.ceil(down))
        for j in (math.floor(right), math.ceil(right))
    ]
    found = best_shift(torch.stack(ends).mean(0), truth, truth.mean(0))
    assert (found.down, found.right) == (down, right)
    assert found.distance < 1e-15


def test_the_shift_leaves_out_a_border():
    made, truth = images(4), images(5)
    mean = truth.mean(0)
    none = best_shift(made, truth, mean, max_shift=0)
    assert none == (0, 0, relative_l1(made, truth, mean))
    here = (..., slice(1, -1), slice(1, -1))
    found = best_shift(made, truth, mean, max_shift=1)
    by_hand = {}
    for i, j in ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)):
        away = (made - truth.roll((i, j), (2, 3)))[here].abs().sum()
        by_hand[i, j] = (away / (mean - truth)[here].abs().sum()).item()
    assert found.distance <= min(by_hand.values())
    truth = made + 0.01 * truth  # so near that not to move is best
    found = best_shift(made, truth, mean, max_shift=3)
    inner = (..., slice(3, -3), slice(3, -3))
    assert (found.down, found.right) == (0, 0)
    distance = relative_l1(made[inner], truth[inner], mean[inner])
    assert found.distance == pytest.approx(distance, rel=1e-12)


def test_the_variance_of_a_paired_difference_is_that_of_all_tables():
    # three examples, each with the joint chances of (first, second) right
    joint = {(1, 1): 0.5, (1, 0): 0.2, (0, 1): 0.1, (0, 0): 0.2}
    mean = variance = 0.0
    for table in product(joint, repeat=3):
        chance = np.prod([joint[pair] for pair in table])
        difference = sum(a - b for a, b in table) / 3
        mean += chance * difference
        variance += chance * difference**2
    variance -= mean**2
    # a sample with exactly these shares
    pairs = [pair for pair, share in joint.items() for _ in range(round(10 * share))]
    first, second = (torch.tensor([bool(pair[k]) for pair in pairs]) for k in (0, 1))
    found = paired_difference(first, second)
    assert found.difference == pytest.approx(mean, abs=1e-12)
    assert found.standard_error == pytest.approx((variance * 3 / 10) ** 0.5, abs=1e-12)


def test_a_paired_difference_agrees_with_numpy():
    g = make_generator(6)
    first, second = (torch.rand(200, generator=g) < share for share in (0.8, 0.6))
    d = first.numpy().astype(float) - second.numpy()
    found = paired_difference(first, second)
    assert_close(found.difference, d.mean())
    assert_close(found.standard_error, d.std() / 200**0.5)
    assert paired_difference(first, first) == (0, 0)
    assert paired_difference(torch.ones(3) > 0, torch.ones(3) < 0) == (1, 0)


def test_bad_input_is_refused():
    x = images(0)
    with pytest.raises(ValueError, match=r"match in shape, got \[\[4, .*\], \[5, "):
        relative_l1(x[:4], x, x.mean(0))
    with pytest.raises(ValueError, match="made, truth and mean_image must match in shape"):
        relative_l1(x, x, x.mean(0)[:, :-1])
    with pytest.raises(ValueError, match="max_shift must be at least 0, got -1"):
        best_shift(x, x, x.mean(0), max_shift=-1)
    with pytest.raises(ValueError, match="max_shift must be less than half of 9x8, got 4"):
        best_shift(x, x, x.mean(0), max_shift=4)
    with pytest.raises(ValueError, match="of one length of at least 1, got 2 and 3"):
        paired_difference(torch.ones(2) > 0, torch.ones(3) > 0)
    with pytest.raises(ValueError, match="of one length of at least 1, got 0 and 0"):
        paired_difference(torch.ones(0) > 0, torch.ones(0) > 0)
