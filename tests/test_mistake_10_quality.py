"""Mistake 10: a biased distance compared at different sample sizes, or without the truth beside."""

import torch
from planting import judge, planted

from dgm_teach.quality import (
    Score,
    beside_truth,
    frechet_distance,
    gaussian_frechet,
    kernel_distance,
)
from dgm_teach.rng import make_generator

FEATURES = 6


def draw(n, seed, scale=1.0):
    return scale * torch.randn(n, FEATURES, generator=make_generator(seed)).double()


def does_not_accuse_a_perfect_generator(score_of):
    """Over many samples of the truth, the score is on average that of the truth."""
    for n in (20, 100):
        gaps = []
        for seed in range(120):
            real = draw(400, 3 * seed)
            try:
                score = score_of(
                    frechet_distance, draw(n, 3 * seed + 1), real, draw(400, 3 * seed + 2)
                )
            except ValueError:  # refused: the caller must take as many real rows
                score = score_of(
                    frechet_distance, draw(n, 3 * seed + 1), real[:n], draw(400, 3 * seed + 2)
                )
            gaps.append(score.generated - score.truth)
        gaps = torch.tensor(gaps)
        assert abs(gaps.mean()) < 4 * gaps.std() / len(gaps) ** 0.5


def of_any_size(distance, generated, real, reference):
    return Score(distance(generated, reference), distance(real, reference))


def truth_is_zero(distance, generated, real, reference):
    return Score(distance(generated, reference), 0.0)


def truth_against_itself(distance, generated, real, reference):
    return Score(distance(generated, reference), distance(reference, reference))


@planted(beside_truth, of_any_size, truth_is_zero, truth_against_itself)
def test_a_perfect_generator_is_not_accused(subject, is_right):
    judge(does_not_accuse_a_perfect_generator, subject, is_right)


def does_not_depend_on_the_number_of_rows(distance):
    """Mean distance of two samples of one distribution, for few rows and for many."""
    for n in (12, 50):
        values = torch.tensor(
            [distance(draw(n, 2 * seed), draw(n, 2 * seed + 1)) for seed in range(300)]
        )
        assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5


def with_equal_rows(x, y):
    """The biased form, with the pairs of a row with itself."""
    k = [((1 + a @ b.T / FEATURES) ** 3).mean() for a, b in ((x, x), (y, y), (x, y))]
    return (k[0] + k[1] - 2 * k[2]).item()


@planted(kernel_distance, with_equal_rows, frechet_distance)
def test_the_kernel_distance_has_no_bias(subject, is_right):
    judge(does_not_depend_on_the_number_of_rows, subject, is_right)


def refuses_too_few_rows(distance):
    """Either refused, or the bias is below the signal: a scale of 2, (2 - 1)² in each feature."""
    for n in (3, 6, 9):
        try:
            of_truth = distance(draw(n, 0), draw(n, 1))
        except ValueError:
            continue
        assert of_truth < 0.5 * FEATURES


def of_any_number(x, y):
    moments = [part for z in (x, y) for part in (z.mean(0), z.T.cov())]
    return gaussian_frechet(*moments).item()


@planted(frechet_distance, of_any_number)
def test_too_few_rows_are_refused(subject, is_right):
    judge(refuses_too_few_rows, subject, is_right)
