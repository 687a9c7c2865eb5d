"""Network bodies: their layers, shapes and errors."""

from contextlib import suppress
from itertools import product

import pytest
import torch
import torch.nn.functional as nnf
from torch import nn
from torch.testing import assert_close

from dgm_teach.nets import (
    conv_decoder,
    conv_encoder,
    conv_output_size,
    conv_transpose_output_size,
    frozen,
    mlp,
)


def test_mlp_is_linear_layers_with_activations_between():
    net = mlp([5, 4, 3, 2])
    assert [type(layer) for layer in net] == [
        nn.Linear,
        nn.ReLU,
        nn.Linear,
        nn.ReLU,
        nn.Linear,
    ]
    assert [layer.weight.shape for layer in net[::2]] == [(4, 5), (3, 4), (2, 3)]
    x = torch.randn(7, 5)
    hidden = torch.relu(x @ net[0].weight.T + net[0].bias)
    hidden = torch.relu(hidden @ net[2].weight.T + net[2].bias)
    assert_close(net(x), hidden @ net[4].weight.T + net[4].bias)


def test_mlp_of_two_sizes_is_one_linear_layer():
    assert [type(layer) for layer in mlp([5, 2])] == [nn.Linear]


def test_a_frozen_network_passes_the_gradient_on_and_gets_none():
    net, x = mlp([3, 4, 1]), torch.randn(5, 3, requires_grad=True)
    (free,) = torch.autograd.grad(net(x).sum(), x)
    with frozen(net):
        loss = net(x).sum()
    loss.backward()
    assert_close(x.grad, free)
    assert [weight.grad for weight in net.parameters()] == [None] * 4


@pytest.mark.parametrize("fails", [False, True])
def test_frozen_gives_every_weight_its_own_flag_back(fails):
    first, second = mlp([3, 4, 1]), mlp([2, 2])
    first[0].requires_grad_(False)
    with suppress(KeyboardInterrupt), frozen(first, second):
        assert not any(w.requires_grad for net in (first, second) for w in net.parameters())
        if fails:
            raise KeyboardInterrupt
    assert [w.requires_grad for w in first.parameters()] == [False, False, True, True]
    assert all(w.requires_grad for w in second.parameters())


def test_mlp_may_have_layers_of_one_unit():
    assert mlp([1, 1, 1])(torch.ones(3, 1)).shape == (3, 1)


def test_mlp_activation_is_the_one_named():
    assert [type(layer) for layer in mlp([5, 4, 2], nn.Tanh)] == [nn.Linear, nn.Tanh, nn.Linear]


@pytest.mark.parametrize("sizes", [[], [3], [0, 2], [3, 0, 2], [3, -1]])
def test_mlp_refuses_bad_sizes(sizes):
    with pytest.raises(ValueError, match="sizes must be two or more numbers") as error:
        mlp(sizes)
    assert str(error.value).endswith(f"of at least 1, got {sizes}")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dim", [1, 6])
def test_conv_shapes(dim, channels):
    assert conv_encoder(dim, channels=channels)(torch.rand(2, 784)).shape == (2, dim)
    assert conv_decoder(dim, channels=channels)(torch.rand(2, dim)).shape == (2, 784)


def test_conv_channels():
    kernels = {(32, 1, 4, 4), (64, 32, 4, 4)}
    for net in (conv_encoder(5), conv_decoder(5)):
        found = {tuple(p.shape) for p in net.parameters() if p.ndim == 4}
        assert found == kernels
    assert conv_encoder(5, channels=2)[1].out_channels == 2
    assert conv_decoder(5, channels=2)[-2].in_channels == 2


def test_conv_maps_have_the_sides_28_14_and_7():
    x, sides = torch.rand(1, 784), []
    for layer in conv_encoder(5):
        x = layer(x)
        sides += [x.shape[-1]] if x.ndim == 4 else []
    assert sides == [28, 14, 14, 7, 7]


def test_conv_layers_have_an_activation_between_them():
    for net, layers in ((conv_encoder(5), nn.Conv2d), (conv_decoder(5), nn.ConvTranspose2d)):
        kinds = [type(part) for part in net if isinstance(part, layers | nn.Linear | nn.ReLU)]
        assert kinds[1::2] == [nn.ReLU, nn.ReLU]
        assert len(kinds) == 5


def test_conv_output_ends_without_activation():
    # Logits and means take both signs.
    torch.manual_seed(0)
    for net, dim in ((conv_encoder(64), 784), (conv_decoder(5), 5)):
        out = net(torch.randn(8, dim))
        assert out.min() < 0 < out.max()


def test_conv_encoder_sees_every_pixel_and_decoder_reaches_every_pixel():
    torch.manual_seed(0)
    x = torch.rand(1, 784, requires_grad=True)
    conv_encoder(3)(x).sum().backward()
    assert (x.grad != 0).all()
    decoder = conv_decoder(3)
    assert (decoder(torch.zeros(1, 3)) != decoder(torch.ones(1, 3))).all()


def test_conv_reads_the_row_as_an_image_row_by_row():
    # A shift by four pixels moves the second feature map by one: the rows were folded rightly.
    torch.manual_seed(0)
    features = conv_encoder(1, channels=2)[:5]
    image = torch.zeros(1, 28, 28)
    image[0, 8:16, 8:16] = torch.rand(8, 8)
    moved = image.roll((4, 8), dims=(1, 2))
    before, after = (features(part.flatten(1)) for part in (image, moved))
    assert_close(after, before.roll((1, 2), dims=(2, 3)))


@pytest.mark.parametrize("build", [conv_encoder, conv_decoder])
def test_conv_refuses_bad_sizes(build):
    name = "out_dim" if build is conv_encoder else "latent_dim"
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        build(0)
    with pytest.raises(ValueError, match="channels must be at least 1, got 0"):
        build(3, channels=0)


def tensor(*shape):
    """A tensor without values: only its shape is worked out."""
    return torch.empty(shape, device="meta")


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_conv_output_size_is_that_of_torch(kernel):
    for size, stride, padding, dilation in product(range(1, 13), (1, 2, 3), (0, 1, 2), (1, 2, 3)):
        if size + 2 * padding <= dilation * (kernel - 1):
            continue
        settings = {"stride": stride, "padding": padding, "dilation": dilation}
        found = nnf.conv1d(tensor(1, 1, size), tensor(1, 1, kernel), **settings).shape[-1]
        assert conv_output_size(size, kernel, **settings) == found


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_conv_transpose_output_size_is_that_of_torch(kernel):
    settings = product(range(1, 8), (1, 2, 3), (0, 1, 2), (0, 1, 2), (1, 2, 3))
    for size, stride, padding, extra, dilation in settings:
        length = stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * padding + extra
        if extra >= stride or length < 1:
            continue
        given = {"stride": stride, "padding": padding, "output_padding": extra}
        x, w = tensor(1, 1, size), tensor(1, 1, kernel)
        found = nnf.conv_transpose1d(x, w, **given, dilation=dilation).shape[-1]
        assert conv_transpose_output_size(size, kernel, **given, dilation=dilation) == found


def test_sizes_without_options_are_those_of_torch():
    assert conv_output_size(9, 4) == nnf.conv1d(tensor(1, 1, 9), tensor(1, 1, 4)).shape[-1]
    found = nnf.conv_transpose1d(tensor(1, 1, 9), tensor(1, 1, 4)).shape[-1]
    assert conv_transpose_output_size(9, 4) == found


def test_output_padding_names_every_size_that_the_convolution_takes_to_one():
    options = {"stride": 3, "padding": 1, "dilation": 2}
    back = [conv_transpose_output_size(5, 4, **options, output_padding=o) for o in range(3)]
    assert back == [n for n in range(5, 40) if conv_output_size(n, 4, **options) == 5]


@pytest.mark.parametrize("size_of", [conv_output_size, conv_transpose_output_size])
@pytest.mark.parametrize(
    ("name", "least"),
    [("size", 1), ("kernel_size", 1), ("stride", 1), ("dilation", 1), ("padding", 0)],
)
def test_sizes_refuse_numbers_that_are_too_small(size_of, name, least):
    good = {"size": 9, "kernel_size": 2, "stride": 2, "padding": 1, "dilation": 2}
    assert size_of(**{**good, name: least}) >= 1
    message = f"^{name} must be at least {least}, got {least - 1}$"
    with pytest.raises(ValueError, match=message):
        size_of(**{**good, name: least - 1})


def test_a_kernel_longer_than_the_padded_input_is_refused():
    assert conv_output_size(5, 4, padding=1, dilation=2) == 1
    with pytest.raises(ValueError, match=r"^size must be at least 5 for this kernel, got 4$"):
        conv_output_size(4, 4, padding=1, dilation=2)
    with pytest.raises(RuntimeError, match="Kernel size"):
        nnf.conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 4), padding=1, dilation=2)


def test_transposed_size_refuses_output_padding_of_a_stride_and_padding_that_leaves_nothing():
    assert conv_transpose_output_size(2, 3, stride=2, output_padding=1, padding=2) == 2
    with pytest.raises(ValueError, match=r"^output_padding must be below stride 2, got 2$"):
        conv_transpose_output_size(2, 3, stride=2, output_padding=2)
    with pytest.raises(ValueError, match=r"^output_padding must be at least 0, got -1$"):
        conv_transpose_output_size(2, 3, stride=2, output_padding=-1)
    assert conv_transpose_output_size(2, 3, padding=1, stride=2) == 3
    assert conv_transpose_output_size(2, 4, padding=2) == 1
    with pytest.raises(ValueError, match=r"^padding must leave something of 4 positions, got 2$"):
        conv_transpose_output_size(2, 3, padding=2)
