"""Networks of the image translation: residual blocks, normalisation, fields, shapes."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dgm_teach.nets import conv_output_size
from dgm_teach.rng import make_generator
from dgm_teach.translation_nets import (
    Residual,
    instance_norm,
    patch_discriminator,
    residual_generator,
)


def images(n=3, channels=3, side=12):
    return torch.randn(n, channels, side, side, generator=make_generator(0), dtype=torch.float64)


def test_a_residual_block_adds_its_body():
    block = Residual(nn.Conv2d(3, 3, 3, padding=1).double())
    assert_close(block(images()), images() + block.body(images()))
    zero = Residual(nn.Conv2d(3, 3, 1).double())
    for parameter in zero.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(zero(images()), images())


def test_normalisation_agrees_with_pytorchs():
    ours, theirs = instance_norm(3, eps=0.1), nn.InstanceNorm2d(3, eps=0.1, affine=True)
    for layer in (ours, theirs):
        layer.double()
        layer.weight.data = torch.tensor([2.0, -1.0, 0.5]).double()
        layer.bias.data = torch.tensor([0.1, 0.2, 0.3]).double()
    assert_close(ours(images()), theirs(images()))


def test_normalisation_starts_with_mean_0_and_variance_1():
    out = instance_norm(3).double()(images())
    assert_close(out.mean((2, 3)), torch.zeros(3, 3).double(), atol=1e-12, rtol=0)
    variance = images().var((2, 3), correction=0)
    assert_close(out.var((2, 3), correction=0), variance / (variance + 1e-5))


@pytest.mark.parametrize("make", [residual_generator, patch_discriminator])
def test_an_image_is_treated_alike_whatever_else_is_in_the_batch(make):
    torch.manual_seed(0)
    network = make().double()
    assert_close(network(images())[:1], network(images()[:1]))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_generator_keeps_the_shape_and_stays_in_range(channels):
    torch.manual_seed(0)
    x = 100 * images(channels=channels).float()
    out = residual_generator(channels)(x)
    assert out.shape == x.shape
    assert out.abs().max() <= 1


def test_width_and_blocks_of_a_generator():
    # per block two convolutions of width² · 9 weights and two pairs of γ and β
    def count(**kw):
        return sum(p.numel() for p in residual_generator(**kw).parameters())

    assert count(width=8, num_blocks=3) - count(width=8, num_blocks=2) == 2 * (9 * 64 + 16)
    ends = 9 * 12 * 24 + 2 * 24 + 9 * 24 * 12 + 12
    assert count(num_blocks=0) == ends
    assert count() == ends + 2 * 2 * (9 * 24 * 24 + 48)


def test_an_output_pixel_depends_on_its_own_place():
    # a generator without blocks reads 3x3 places of 2x2 pixels, and the last layer 3x3 places more
    torch.manual_seed(0)
    plain = [m for m in residual_generator(num_blocks=0) if not isinstance(m, nn.GroupNorm)]
    plain = [nn.Identity() if isinstance(m, nn.ReLU) else m for m in plain]
    x = images(1).requires_grad_()
    nn.Sequential(*plain).double()(x)[0, :, 4, 4].sum().backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows.tolist() == list(range(10))  # places 0 to 4 about place 2


def test_the_shape_of_the_scores():
    side = conv_output_size(conv_output_size(28, 4, stride=2, padding=1), 4, stride=2, padding=1)
    assert side == 7
    assert patch_discriminator()(torch.zeros(2, 3, 28, 28)).shape == (2, 7, 7)


def test_a_score_sees_18_pixels_without_normalisation():
    torch.manual_seed(0)
    plain = [m for m in patch_discriminator() if not isinstance(m, nn.GroupNorm)]
    x = images(1, side=64).requires_grad_()
    nn.Sequential(*plain).double()(x)[0, 8, 8].backward()
    for axes in ((0, 1, 2), (0, 1, 3)):
        seen = x.grad.abs().sum(axes).nonzero().flatten()
        assert len(seen) == seen.max() - seen.min() + 1 == 18


def test_the_width_of_a_discriminator():
    layers = [m for m in patch_discriminator(1, width=5) if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels, m.kernel_size) for m in layers] == [
        (1, 5, (4, 4)), (5, 10, (4, 4)), (10, 1, (3, 3))
    ]  # fmt: skip
    assert [m.bias is None for m in layers] == [False, True, False]


def test_slope_of_the_leaky_relu():
    slopes = [m.negative_slope for m in patch_discriminator() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2, 0.2]


@pytest.mark.parametrize(
    ("make", "wrong", "message"),
    [
        (instance_norm, {"channels": 0}, "channels must be at least 1, got 0"),
        (residual_generator, {"channels": 0}, "channels must be at least 1, got 0"),
        (residual_generator, {"width": 0}, "width must be at least 1, got 0"),
        (residual_generator, {"num_blocks": -1}, "num_blocks must be at least 0, got -1"),
        (patch_discriminator, {"channels": 0}, "channels must be at least 1, got 0"),
        (patch_discriminator, {"width": 0}, "width must be at least 1, got 0"),
    ],
)
def test_bad_sizes_are_refused(make, wrong, message):
    with pytest.raises(ValueError, match=message):
        make(**wrong)


def test_the_layers_of_a_generator_and_of_a_discriminator():
    conv, norm = nn.Conv2d, nn.GroupNorm
    generator = residual_generator(num_blocks=1)
    assert [type(layer) for layer in generator] == [
        nn.PixelUnshuffle, conv, norm, nn.ReLU, Residual, conv, nn.PixelShuffle, nn.Tanh
    ]  # fmt: skip
    assert [type(layer) for layer in generator[4].body] == [conv, norm, nn.ReLU, conv, norm]
    disc = patch_discriminator()
    assert [type(layer) for layer in disc] == [
        conv, nn.LeakyReLU, conv, norm, nn.LeakyReLU, conv, nn.Flatten
    ]  # fmt: skip
    assert [layer.out_channels for layer in disc if isinstance(layer, conv)] == [16, 32, 1]
    assert [layer.padding for layer in disc if isinstance(layer, conv)] == [(1, 1)] * 3
