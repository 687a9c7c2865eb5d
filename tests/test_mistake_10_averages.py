"""Mistake 10: ragged batches averaged wrongly, samples too few, Monte Carlo called true."""

import math

import pytest
import torch
from oracles import ChosenNoise, ppca_pair, randn, standard_errors
from planting import judge, planted
from torch.testing import assert_close

from dgm_teach import sides, vae
from dgm_teach.evaluate import held_out_terms
from dgm_teach.ledger import CheckError
from dgm_teach.linear_gaussian import evidence
from dgm_teach.rng import make_generator
from dgm_teach.vae import elbo_terms


def averages_over_images(mean_elbo):
    """The mean over 7 images in chunks of 3 is the mean over 7 images."""
    _, model = ppca_pair(exact_posterior=True)
    x = randn(7, 5, seed=9)
    x[6] += 10  # the last image, alone in its chunk, is unlike the others
    noise = randn(7, 2, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        ChosenNoise(patch, noise, *noise.split(3))
        whole, chunked = mean_elbo(model, x, 7), mean_elbo(model, x, 3)
    assert_close(chunked, whole)


def mean_right(model, x, chunk_size):
    terms = held_out_terms(model, x, generator=make_generator(0), chunk_size=chunk_size)
    return terms.elbo.mean()


def mean_of_chunk_means(model, x, chunk_size):
    with torch.no_grad():
        means = [elbo_terms(model, part).elbo.mean() for part in x.split(chunk_size)]
    return torch.stack(means).mean()


def sum_over_full_chunks(model, x, chunk_size):
    with torch.no_grad():
        total = sum(elbo_terms(model, part).elbo.sum() for part in x.split(chunk_size))
    return total / (len(x.split(chunk_size)) * chunk_size)


@planted(mean_right, mean_of_chunk_means, sum_over_full_chunks)
def test_a_ragged_last_chunk_weighs_by_its_images(subject, is_right):
    judge(averages_over_images, subject, is_right)


def refuses_twenty_samples(mean_and_se):
    try:
        mean_and_se("eq-few", "samples", randn(20, seed=0), torch.tensor(0.0).double())
    except CheckError:
        return
    raise AssertionError("a standard error was made of too few samples")


def mean_of_anything(_label, _name, draws, _target):
    return draws.mean(0), draws.std(0) / len(draws) ** 0.5


@planted(sides.mean_and_se, mean_of_anything)
def test_too_few_samples_are_refused(subject, is_right):
    judge(refuses_twenty_samples, subject, is_right)


def is_unbiased_for_p_x(bound):
    """exp of the K-sample bound has expectation p(x), for every K."""
    truth, model = ppca_pair(exact_posterior=False)
    x = randn(1, 5, seed=9)
    with torch.no_grad():
        found = bound(model, x.expand(20_000, 5), 3, generator=make_generator(0))
    assert standard_errors(found.exp(), evidence(truth).log_prob(x).exp()) < 4


def mean_of_log_weights(model, x, num_samples, *, generator):
    return sum(vae.iwae_bound(model, x, 1, generator=generator) for _ in range(num_samples)) / 3


def sum_of_weights(model, x, num_samples, *, generator):
    return vae.iwae_bound(model, x, num_samples, generator=generator) + math.log(num_samples)


def without_the_proposal(model, x, num_samples, *, generator):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vae, "gaussian_log_prob", lambda z, mu, log_var: torch.zeros(z.shape[:-1]))
        return vae.iwae_bound(model, x, num_samples, generator=generator)


@planted(vae.iwae_bound, mean_of_log_weights, sum_of_weights, without_the_proposal)
def test_the_mean_weight_is_unbiased(subject, is_right):
    judge(is_unbiased_for_p_x, subject, is_right)
