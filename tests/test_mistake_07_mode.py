"""Mistake 7: sampling in train mode, and noise that is shared or repeated."""

import pytest
import torch
from oracles import BINARY, ChosenNoise, State, bernoulli_vae, mixed_mode_vae, randn
from planting import judge, planted
from torch import nn
from torch.testing import assert_close

from dgm_teach.generate import evaluating, reconstruct, sample
from dgm_teach.rng import make_generator
from dgm_teach.vae_training import vae_step


def leaves_no_trace(draw):
    model = mixed_mode_vae()
    before = State(model)
    draw(model)
    assert before.same_as(State(model))


def does_not_look_at_the_batch(draw):
    model, noise = mixed_mode_vae(), randn(4, 2, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        ChosenNoise(patch, noise, noise[:2])
        together, alone = draw(model, 4), draw(model, 2)
    assert_close(together[:2], alone)


def draw_right(model, n=4):
    return sample(model, n, generator=make_generator(0))


def rebuild_right(model, n=4):
    return reconstruct(model, randn(4, 6, seed=1)[:n], generator=make_generator(0))


def in_train_mode(draw):
    """The same drawing, the model left in the mode of training."""

    def careless(model, n=4):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(nn.Module, "eval", lambda module: module.train())
            return draw(model, n)

    return careless


def reseeds(model, n=4):
    torch.manual_seed(0)
    return draw_right(model, n)


def draws_from_the_global_noise(model, n=4):
    with evaluating(model):
        return model.decoder(torch.randn(n, 2, dtype=torch.float64))


def stays_in_eval_mode(model, n=4):
    model.eval()
    return draw_right(model, n)


def comes_back_in_train_mode(model, n=4):
    images = draw_right(model, n)
    model.train()
    return images


@planted(
    draw_right,
    in_train_mode(draw_right),
    reseeds,
    draws_from_the_global_noise,
    stays_in_eval_mode,
    comes_back_in_train_mode,
)
def test_sampling_leaves_no_trace(subject, is_right):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        judge(leaves_no_trace, subject, is_right)


@planted(rebuild_right, in_train_mode(rebuild_right))
def test_reconstructing_leaves_no_trace(subject, is_right):
    judge(leaves_no_trace, subject, is_right)


@planted(draw_right, in_train_mode(draw_right))
def test_a_sample_does_not_depend_on_its_batch(subject, is_right):
    judge(does_not_look_at_the_batch, subject, is_right)


@planted(rebuild_right, in_train_mode(rebuild_right))
def test_a_reconstruction_does_not_depend_on_its_batch(subject, is_right):
    judge(does_not_look_at_the_batch, subject, is_right)


def leaves_training_alone(draw):
    """A picture between two steps does not change the second step."""

    def train(picture):
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = bernoulli_vae()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            steps = []
            for _ in range(2):
                steps.append(tuple(vae_step(model, optimizer, BINARY)))
                picture(model)
        return steps

    assert_close(train(draw), train(lambda _: None))


def draws_from_the_noise_of_training(model):
    return model.decoder(torch.randn(4, 3, dtype=torch.float64))


def reseeds_training(model):
    torch.manual_seed(0)
    return draw_right(model)


@planted(draw_right, draws_from_the_noise_of_training, reseeds_training)
def test_a_picture_changes_no_training(subject, is_right):
    judge(leaves_training_alone, subject, is_right)
