"""Networks for images: shapes, the batch normalisation inside, and the weights they start from."""

import itertools

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from dgm_teach.image_nets import image_features, image_generator, start_weights


def sides(network, x):
    """Height and channels after every layer that changes an image."""
    found = []
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            found.append((x.shape[1], x.shape[2], x.shape[3]))
    return found


def kinds(network):
    return [type(layer).__name__ for layer in network]


def test_the_generator_doubles_the_side_and_halves_the_channels():
    network = image_generator(5, channels=3)
    assert sides(network, torch.zeros(2, 5)) == [(6, 8, 8), (3, 16, 16), (1, 32, 32)]
    assert network[0](torch.zeros(2, 5)).shape == (2, 12 * 16)
    assert network(torch.randn(2, 5)).shape == (2, 1024)


def test_the_features_halve_the_side_and_double_the_channels():
    network = image_features(channels=3)
    assert sides(network, torch.zeros(2, 1024)) == [(3, 16, 16), (6, 8, 8), (12, 4, 4)]
    assert network(torch.randn(2, 1024)).shape == (2, 64 * 3)


def test_an_image_is_read_row_by_row():
    x = torch.zeros(1, 1024)
    x[0, 32 * 3 + 7] = 1.0
    square = image_features()[0](x)
    assert square.shape == (1, 1, 32, 32)
    assert square[0, 0, 3, 7] == 1


def test_where_batch_normalisation_stands():
    generator, features = kinds(image_generator(5)), kinds(image_features())
    assert generator.count("BatchNorm2d") == generator.count("ReLU") == 3
    assert generator[-3:] == ["ConvTranspose2d", "Flatten", "Tanh"]
    assert features.count("BatchNorm2d") == 2
    assert features.count("LeakyReLU") == 3
    assert features[:3] == ["Unflatten", "Conv2d", "LeakyReLU"]
    for network in (image_generator(5), image_features()):
        for before, after in zip(list(network)[:-1], list(network)[1:], strict=True):
            if isinstance(after, nn.BatchNorm2d):
                assert getattr(before, "bias", None) is None  # β takes its place
    assert [
        layer.negative_slope for layer in image_features() if isinstance(layer, nn.LeakyReLU)
    ] == [0.2] * 3


def test_every_pixel_sees_the_noise_and_lies_in_the_range():
    torch.manual_seed(0)
    network = image_generator(5)
    x = network(torch.randn(50, 5))
    assert x.abs().max() < 1
    assert (x.std(0) > 0).all()


def test_the_default_widths():
    assert image_generator(5)[0].out_features == 32 * 16
    assert image_features()(torch.zeros(2, 1024)).shape == (2, 512)


def test_the_first_weights_have_the_mean_and_the_spread_of_the_paper():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Linear(200, 100),
        nn.Conv2d(20, 40, 4),
        nn.ConvTranspose2d(20, 40, 4),
        nn.BatchNorm2d(9000),
    )
    for sd in (0.02, 0.1):
        assert start_weights(network, sd=sd) is network
        for layer, mean in zip(network, (0, 0, 0, 1), strict=True):
            weight, n = layer.weight.detach().double(), layer.weight.numel()
            # standard errors of a mean and of a standard deviation of n Gaussians
            assert abs(weight.mean() - mean) < 4 * sd / n**0.5
            assert abs(weight.std() - sd) < 4 * sd / (2 * n) ** 0.5
            assert (layer.bias == 0).all()


def test_layers_without_a_bias_and_other_layers_are_left():
    norm = nn.LayerNorm(4)
    network = nn.Sequential(nn.Linear(3, 4, bias=False), norm)
    start_weights(network)
    assert network[0].bias is None
    assert (norm.weight == 1).all()


@pytest.mark.parametrize("build", [lambda: image_generator(6), image_features])
def test_the_networks_start_from_these_weights(build):
    torch.manual_seed(0)
    spreads = {
        "BatchNorm2d" if isinstance(layer, nn.BatchNorm2d) else "other": layer.weight.std()
        for layer in build()
        if hasattr(layer, "weight") and layer.weight.numel() > 8
    }
    assert_close(spreads["other"].item(), 0.02, rtol=0.2, atol=0)
    torch.manual_seed(0)
    gammas = [layer.weight for layer in build() if isinstance(layer, nn.BatchNorm2d)]
    assert all((gamma - 1).abs().max() < 0.1 for gamma in gammas)
    assert all((gamma != 1).all() for gamma in gammas)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: image_generator(0), "latent_dim must be at least 1, got 0"),
        (lambda: image_generator(3, channels=0), "channels must be at least 1, got 0"),
        (lambda: image_features(channels=0), "channels must be at least 1, got 0"),
        (lambda: start_weights(nn.Linear(1, 1), sd=-0.1), "sd must be at least 0, got -0.1"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_no_bias_stands_before_a_normalisation():
    for network in (image_generator(3), image_features()):
        layers = [layer for layer in network if not isinstance(layer, nn.Unflatten)]
        for layer, after in itertools.pairwise(layers):
            if isinstance(after, nn.BatchNorm2d):
                assert layer.bias is None
