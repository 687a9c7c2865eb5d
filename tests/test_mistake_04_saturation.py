"""Mistake 4: saturation at the wrong end; the non-saturating loss called equivalent to minimax."""

import torch
from planting import judge, planted
from torch.distributions import Normal
from torch.testing import assert_close

from dgm_teach.gan import fake_loss, real_loss

X = torch.linspace(-12, 12, 2401, dtype=torch.float64)
THETA = torch.tensor([-0.7, 1.2, 0.1, 0.4], dtype=torch.float64)


def integral(values):
    """Over the grid; the integrands are smooth and vanish at its ends."""
    return values.sum() * 0.01


def gaussian(mean, sd):
    return Normal(torch.as_tensor(mean, dtype=X.dtype), sd).log_prob(X).exp()


P_DATA = 0.4 * gaussian(-1.5, 0.7) + 0.6 * gaussian(2.0, 1.0)


def model_density(theta):
    """A generator with two hills: their centres, their log width, the logit of a weight."""
    weight, sd = torch.sigmoid(theta[3]), theta[2].exp()
    return weight * gaussian(theta[0], sd) + (1 - weight) * gaussian(theta[1], sd)


def kl(p, q):
    return integral(p * (p / q).log())


def two_jsd(p):
    mixture = (P_DATA + p) / 2
    return kl(P_DATA, mixture) + kl(p, mixture)


def reverse_kl_minus_two_jsd(p):
    return kl(p, P_DATA) - two_jsd(p)


def gradient(function):
    theta = THETA.clone().requires_grad_()
    return torch.autograd.grad(function(model_density(theta)), theta)[0]


def of_loss(loss):
    """Gradient of the expected loss of generated points; the best discriminator is held fixed."""
    logits = (P_DATA / model_density(THETA)).log()
    return gradient(lambda p: integral(p * loss(logits)))


def saturating(logits):
    return -fake_loss(logits)


def non_saturating(logits):
    return real_loss(logits)


def slopes(loss):
    logits = torch.tensor([-6.0, 6.0], dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(loss(logits).sum(), logits)[0]


def is_flat_where_the_generator_is_bad(loss):
    """At -6 the discriminator is sure, and right; 1 / (1 + e^6) is 0.00247."""
    assert_close(slopes(loss), -torch.sigmoid(torch.tensor([-6.0, 6.0], dtype=torch.float64)))
    assert -0.0025 < slopes(loss)[0] < 0


def is_steep_where_the_generator_is_bad(loss):
    assert_close(slopes(loss), -torch.sigmoid(torch.tensor([6.0, -6.0], dtype=torch.float64)))
    assert slopes(loss)[0] < -0.99


@planted(saturating, non_saturating, fake_loss, lambda logits: saturating(-logits))
def test_the_saturating_loss_is_flat_where_the_generator_is_bad(subject, is_right):
    judge(is_flat_where_the_generator_is_bad, subject, is_right)


@planted(
    non_saturating,
    saturating,
    lambda logits: -real_loss(logits),
    lambda logits: non_saturating(-logits),
    lambda logits: non_saturating(torch.sigmoid(logits)),
)
def test_the_non_saturating_loss_is_steep_where_the_generator_is_bad(subject, is_right):
    judge(is_steep_where_the_generator_is_bad, subject, is_right)


def descends(divergence):
    """An assertion: the loss has the gradient of the divergence."""

    def assertion(loss):
        assert_close(of_loss(loss), gradient(divergence), rtol=0, atol=1e-12)

    return assertion


@planted(
    saturating,
    non_saturating,
    fake_loss,
    lambda logits: saturating(logits) / 2,
    lambda logits: -logits,
)
def test_the_saturating_loss_descends_the_jensen_shannon_divergence(subject, is_right):
    judge(descends(two_jsd), subject, is_right)


@planted(
    non_saturating,
    saturating,
    lambda logits: non_saturating(logits) / 2,
    lambda logits: -logits,  # the reverse KL divergence alone
    lambda logits: saturating(logits) - logits,  # JSD added, not subtracted
)
def test_the_non_saturating_loss_descends_the_reverse_kl_minus_twice_jsd(subject, is_right):
    judge(descends(reverse_kl_minus_two_jsd), subject, is_right)


def differs_from_minimax(loss):
    """Not even in direction: no multiple of the one gradient is the other."""
    ours, minimax = of_loss(loss), gradient(two_jsd)
    assert (ours - minimax).abs().max() > 0.01
    assert torch.cosine_similarity(ours, minimax, dim=0) < 0.99


@planted(non_saturating, saturating, lambda logits: 3 * saturating(logits))
def test_the_two_losses_are_not_equivalent(subject, is_right):
    judge(differs_from_minimax, subject, is_right)


def test_minus_the_logit_descends_the_reverse_kl_divergence():
    # So that the planted variants above are wrong for the reason that their comments give.
    reverse = gradient(lambda p: kl(p, P_DATA))
    assert_close(of_loss(lambda logits: -logits), reverse, rtol=0, atol=1e-12)
