"""Pairs of an example and its label, a generator that makes them and a discriminator of them."""

import pytest
import torch
from oracles import as_readers_have_it, randn
from torch import nn
from torch.testing import assert_close

from dgm_teach.gan import GAN, discriminator_step, generator_step
from dgm_teach.labelled import LabelledGenerator, ProjectionDiscriminator, ask_for, join_labels
from dgm_teach.nets import mlp
from dgm_teach.rng import make_generator

LABELS = torch.tensor([2, 0, 1])


def test_the_label_stands_behind_the_example():
    x = randn(3, 2, seed=0)
    code = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)
    assert torch.equal(join_labels(x, LABELS, 3), torch.cat([x, code], 1))
    assert join_labels(x.float(), LABELS, 4).shape == (3, 6)
    assert join_labels(x.float(), LABELS, 3).dtype == torch.float32


def test_the_noise_behind_the_label_is_kept():
    z = randn(3, 5, seed=0)
    asked = ask_for(LABELS, z, 3)
    assert torch.equal(asked[:, 3:], z[:, 3:])
    assert torch.equal(asked[:, :3].argmax(1), LABELS)
    assert asked[:, :3].sum() == 3
    assert asked.dtype == z.dtype


def test_the_generator_makes_the_label_asked_for():
    body = nn.Linear(5, 2).double()
    generator = LabelledGenerator(body, 3)
    z = ask_for(LABELS, randn(3, 5, seed=0), 3)
    assert_close(generator(z), join_labels(body(z), LABELS, 3))


def test_the_body_sees_the_label_and_not_what_chose_it():
    generator = LabelledGenerator(nn.Identity(), 3)
    z = torch.tensor([[0.3, 2.0, -1.0, 0.7, 0.9]])
    assert_close(generator(z), torch.tensor([[0.0, 1, 0, 0.7, 0.9, 0, 1, 0]]))


def test_all_labels_are_equally_likely():
    pairs = LabelledGenerator(nn.Identity(), 4)(randn(40_000, 5, seed=1))
    share = pairs[:, -4:].mean(0)
    # standard deviation of a share of 1/4 among 40,000
    assert ((share - 0.25).abs() < 4 * (0.25 * 0.75 / 40_000) ** 0.5).all()


def test_the_logit_is_a_part_for_the_example_and_one_for_its_label():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ProjectionDiscriminator(nn.Linear(2, 4), 4, 3).double()
    assert net.marginal.weight.shape == (1, 4)
    x = randn(3, 2, seed=0)
    phi = net.features(x)
    by_hand = torch.stack(
        [
            net.marginal.weight[0] @ phi[i]
            + net.marginal.bias[0]
            + net.label_weights.weight[LABELS[i]] @ phi[i]
            for i in range(3)
        ]
    )
    assert_close(net(join_labels(x, LABELS, 3)), by_hand)


def test_it_can_be_the_best_logit_of_two_joint_tables():
    # eq-gan-projection: both conditionals are softmax functions of the same features, and the
    # marginals are chosen so that the part without the label is linear too.
    phi, r, t = randn(6, 2, seed=0), randn(3, 2, seed=1), randn(3, 2, seed=2)
    z_p, z_q = (phi @ r.T).logsumexp(1), (phi @ t.T).logsumexp(1)
    p_x = (z_p + phi @ randn(2, seed=3)).softmax(0)
    q_x = z_q.softmax(0)
    ratio = (p_x[:, None] * (phi @ r.T).softmax(1)).log() - (
        q_x[:, None] * (phi @ t.T).softmax(1)
    ).log()
    net = ProjectionDiscriminator(nn.Identity(), 2, 3).double()
    constant = ratio[0, 0] - phi[0] @ randn(2, seed=3) - phi[0] @ (r - t)[0]
    with torch.no_grad():
        net.marginal.weight[0] = randn(2, seed=3)
        net.marginal.bias[0] = constant
        net.label_weights.weight[:] = r - t
    for y in range(3):
        assert_close(net(join_labels(phi, torch.full((6,), y), 3)), ratio[:, y])


def test_the_steps_of_a_gan_train_it_as_it_is():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gan = GAN(
            LabelledGenerator(nn.Linear(5, 2), 3).double(),
            ProjectionDiscriminator(mlp([2, 32, 32], nn.LeakyReLU), 32, 3).double(),
            5,
        )
    opts = [
        torch.optim.Adam(player.parameters(), lr=0.01, betas=(0.0, 0.99)) for player in gan[1::-1]
    ]
    # the data: one point for each label
    x = torch.tensor([[1.0, 1], [-1, 1], [0, -1]], dtype=torch.float64).repeat(40, 1)
    labels, g = torch.arange(120) % 3, make_generator(0)
    for _ in range(200):
        discriminator_step(gan, opts[0], join_labels(x, labels, 3), noise_sd=0.5, generator=g)
        generator_step(gan, opts[1], x, noise_sd=0.5, generator=g)
    made = gan.generator(ask_for(labels, randn(120, 5, seed=4), 3))[:, :2]
    means = torch.stack([made[labels == y].mean(0) for y in range(3)]).detach()
    nearest = torch.cdist(means, x[:3]).argmin(1)
    assert torch.equal(nearest, torch.arange(3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: join_labels(torch.zeros(2, 1), LABELS, 3), "labels must have 2 entries, got 3"),
        (lambda: join_labels(torch.zeros(3, 1), LABELS, 2), r"from 0 to 1, got \[2, 0, 1\]"),
        (lambda: join_labels(torch.zeros(3, 1), -LABELS, 3), r"from 0 to 2, got \[-2, 0, -1\]"),
        (lambda: join_labels(torch.zeros(3, 1), LABELS, 0), "num_labels must be at least 1, got 0"),
        (lambda: ask_for(LABELS, torch.zeros(3, 3), 3), "latent_dim must be at least 4, got 3"),
        (lambda: ask_for(LABELS, torch.zeros(2, 4), 3), "labels must have 2 entries, got 3"),
        (lambda: LabelledGenerator(nn.Identity(), 0), "num_labels must be at least 1, got 0"),
        (lambda: ProjectionDiscriminator(nn.Identity(), 0, 1), "num_features must be at least 1"),
        (lambda: ProjectionDiscriminator(nn.Identity(), 1, 0), "num_labels must be at least 1"),
    ],
)
def test_bad_input_is_refused(call, message, monkeypatch):
    as_readers_have_it(monkeypatch)
    with pytest.raises(ValueError, match=message):
        call()


def test_one_coordinate_of_noise_is_enough():
    assert ask_for(LABELS, torch.zeros(3, 4), 3).shape == (3, 4)
