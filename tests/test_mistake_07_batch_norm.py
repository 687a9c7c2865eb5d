"""Mistake 7 in a GAN: sampling in train mode, moved statistics, and γ started about 0."""

import torch
from planting import judge, planted
from torch import nn

from dgm_teach.generate import evaluating
from dgm_teach.image_nets import image_features, image_generator, start_weights
from dgm_teach.rng import make_generator


def small_generator():
    """A generator in train mode that has seen a few batches."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = start_weights(image_generator(4, channels=2), sd=0.3)
    with torch.no_grad():
        for seed in range(5):
            generator(torch.randn(16, 4, generator=make_generator(seed)))
    return generator


def draw(generator, z):
    with evaluating(generator):
        return generator(z)


def draw_in_train_mode(generator, z):
    with torch.no_grad():
        return generator(z)


def draw_one_by_one(generator, z):
    """In train mode again, but every image is its own batch."""
    with torch.no_grad():
        return torch.cat([generator(row[None]) for row in z])


def stays_in_eval_mode(generator, z):
    generator.eval()
    return draw(generator, z)


def without_running_statistics(generator, z):
    """Eval mode, but the layers keep no statistics and use those of the batch."""
    kept = {}
    for layer in generator.modules():
        if isinstance(layer, nn.BatchNorm2d):
            kept[layer] = layer.running_mean, layer.running_var
            layer.running_mean = layer.running_var = None
    images = draw(generator, z)
    for layer, (mean, var) in kept.items():
        layer.running_mean, layer.running_var = mean, var
    return images


def reseeds(generator, z):
    torch.manual_seed(0)
    return draw(generator, z)


def leaves_no_trace(subject):
    generator = small_generator()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    noise = torch.random.get_rng_state()
    subject(generator, torch.randn(6, 4, generator=make_generator(9)))
    assert all(torch.equal(before[name], now) for name, now in generator.state_dict().items())
    assert all(module.training for module in generator.modules())
    assert torch.equal(noise, torch.random.get_rng_state())


def does_not_look_at_the_batch(subject):
    z = torch.randn(6, 4, generator=make_generator(9))
    company = subject(small_generator(), z)
    alone = subject(small_generator(), z[:2])
    other = subject(small_generator(), torch.cat([z[:2], 3 * z[2:]]))
    # float32 sums in another order
    torch.testing.assert_close(company[:2], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(company[:2], other[:2], atol=1e-5, rtol=0)


@planted(draw, draw_in_train_mode, draw_one_by_one, stays_in_eval_mode, reseeds)
def test_drawing_leaves_no_trace(subject, is_right):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        judge(leaves_no_trace, subject, is_right)


@planted(draw, draw_in_train_mode, without_running_statistics)
def test_an_image_does_not_depend_on_its_companions(subject, is_right):
    judge(does_not_look_at_the_batch, subject, is_right)


def has_the_expected_first_logits(start):
    """Equation eq-gan-first-logits: channels * positions * 0.02² * (1 + 0.2²) / 2."""
    x = torch.rand(24, 1024, generator=make_generator(0), dtype=torch.float64) * 2 - 1
    squares = []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(40):
            body, head = start(image_features(channels=2)).double(), nn.Linear(128, 50)
            with torch.no_grad():
                squares.append(start(head).double()(body(x)).square().mean())
    squares = torch.stack(squares)
    expected = 128 * 0.02**2 * (1 + 0.2**2) / 2
    # ε = 1e-5 against variances of about 0.01: one part in a thousand, far below
    assert abs(squares.mean() - expected) < 5 * squares.std() / len(squares) ** 0.5


def gamma_about_zero(network):
    start_weights(network)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
    return network


def torch_default(network):
    for layer in network.modules():
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    return network


def variance_for_standard_deviation(network):
    return start_weights(network, sd=0.02**0.5)


@planted(start_weights, gamma_about_zero, torch_default, variance_for_standard_deviation)
def test_the_first_logits_have_the_expected_size(subject, is_right):
    judge(has_the_expected_first_logits, subject, is_right)
