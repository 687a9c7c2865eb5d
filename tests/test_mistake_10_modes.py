"""Mistake 10, judging by tiny samples: mode coverage, and the measure of the truth."""

import torch
from planting import judge, planted

from dgm_teach.modes import Coverage, grid_centres, mode_coverage
from dgm_teach.points import gaussian_grid
from dgm_teach.rng import make_generator

CENTRES = grid_centres(spacing=2.0)


def truth(n, seed):
    return gaussian_grid(n, spacing=2.0, std=0.05, generator=make_generator(seed))


def never_accuses_the_truth(coverage):
    """Whatever the number of samples, a measure is refused or finds all modes of the truth."""
    for n in (30, 100, 499, 500, 2500):
        for seed in range(20):
            try:
                found = coverage(truth(n, seed), CENTRES, std=0.05)
            except ValueError:
                assert n < 500
            else:
                assert found.num_modes == 25


def of_any_number(x, centres, *, std):
    distance, nearest = (x[:, None] - centres).norm(dim=2).min(1)
    good = distance < 3 * std
    share = torch.bincount(nearest, minlength=len(centres)) / len(x)
    kl = torch.xlogy(share, share * len(centres)).sum()
    return Coverage(len(nearest[good].unique()), good.double().mean().item(), kl.item())


def of_a_hundred_at_least(x, centres, *, std):
    if len(x) < 100:
        raise ValueError("too few")
    return of_any_number(x, centres, std=std)


def within_one_standard_deviation(x, centres, *, std):
    if len(x) < 500:
        raise ValueError("too few")
    return of_any_number(x, centres, std=std / 30)


@planted(mode_coverage, of_any_number, of_a_hundred_at_least, within_one_standard_deviation)
def test_the_truth_is_never_called_collapsed(subject, is_right):
    judge(never_accuses_the_truth, subject, is_right)


def tells_a_lost_mode_from_chance(coverage):
    """Reverse KL of a lost mode lies above that of every one of 200 samples of the truth."""
    of_truth = max(coverage(truth(2500, seed), CENTRES, std=0.05).reverse_kl for seed in range(200))
    x = truth(2700, 1000)
    x = x[(x - CENTRES[0]).norm(dim=1) > 1][:2500]
    assert coverage(x, CENTRES, std=0.05).reverse_kl > of_truth


def on_the_first_hundred(x, centres, *, std):
    return of_any_number(x[:100], centres, std=std)


@planted(mode_coverage, on_the_first_hundred)
def test_a_lost_mode_stands_out_of_the_noise(subject, is_right):
    judge(tells_a_lost_mode_from_chance, subject, is_right)
