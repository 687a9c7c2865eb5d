r"""Network bodies. They return plain tensors; what the numbers mean is the model's business."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from torch import nn

from dgm_teach.require import require_at_least


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    r"""Let what is computed here ask for no gradient of the weights; restore each weight's flag.

    The gradient with respect to the *inputs* of the networks is computed as ever.

    Parameters
    ----------
    networks
        The networks that stand still.
    """
    flags = [(w, w.requires_grad) for network in networks for w in network.parameters()]
    try:
        for weight, _ in flags:
            weight.requires_grad_(False)
        yield
    finally:
        for weight, flag in flags:
            weight.requires_grad_(flag)


def mlp(sizes: Sequence[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    r"""Multilayer perceptron: linear layers with an activation between them.

    Parameters
    ----------
    sizes
        Number of units of the input, of each hidden layer and of the output.
    activation
        The module class put between two linear layers; none follows the last.

    Returns
    -------
    A network from ``[batch, sizes[0]]`` to ``[batch, sizes[-1]]``.

    Raises
    ------
    ValueError
        If fewer than two sizes are given, or one is less than 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be two or more numbers of at least 1, got {list(sizes)}")
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def conv_encoder(out_dim: int, *, channels: int = 32) -> nn.Sequential:
    r"""Convolutional network from 28x28 images, given as rows of 784 pixels, to vectors.

    Parameters
    ----------
    out_dim
        Length of the output vector, at least 1.
    channels
        Channels after the first convolution; the second has twice as many.

    Returns
    -------
    A network from ``[batch, 784]`` to ``[batch, out_dim]``.

    Raises
    ------
    ValueError
        If ``out_dim`` or ``channels`` is less than 1.
    """
    require_at_least(1, out_dim=out_dim, channels=channels)
    return nn.Sequential(
        nn.Unflatten(-1, (1, 28, 28)),
        nn.Conv2d(1, channels, kernel_size=4, stride=2, padding=1),  # 28 -> 14
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, kernel_size=4, stride=2, padding=1),  # 14 -> 7
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(2 * channels * 7 * 7, out_dim),
    )


def conv_decoder(latent_dim: int, *, channels: int = 32) -> nn.Sequential:
    r"""Transposed-convolution network from vectors to 28x28 images, given as rows of 784 pixels.

    Parameters
    ----------
    latent_dim
        Length of the input vector, at least 1.
    channels
        Channels before the last convolution; the layer before it has twice as many.

    Returns
    -------
    A network from ``[batch, latent_dim]`` to ``[batch, 784]``.

    Raises
    ------
    ValueError
        If ``latent_dim`` or ``channels`` is less than 1.
    """
    require_at_least(1, latent_dim=latent_dim, channels=channels)
    return nn.Sequential(
        nn.Linear(latent_dim, 2 * channels * 7 * 7),
        nn.ReLU(),
        nn.Unflatten(-1, (2 * channels, 7, 7)),
        nn.ConvTranspose2d(2 * channels, channels, kernel_size=4, stride=2, padding=1),  # 7 -> 14
        nn.ReLU(),
        nn.ConvTranspose2d(channels, 1, kernel_size=4, stride=2, padding=1),  # 14 -> 28
        nn.Flatten(),
    )


def conv_output_size(
    size: int, kernel_size: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    r"""Length of what a convolution returns, along one axis.

    .. math:: \Bigl\lfloor\frac{m+2p-d(k-1)-1}{s}\Bigr\rfloor+1

    Parameters
    ----------
    size
        Length of the input, :math:`m`.
    kernel_size
        Number of weights of the kernel along this axis, :math:`k`.
    stride
        Positions between two neighbouring outputs, :math:`s`.
    padding
        Zeros put before the first and after the last input, :math:`p` each.
    dilation
        Positions between two neighbouring weights, :math:`d`.

    Returns
    -------
    The number of places where the whole kernel lies on the padded input.

    Raises
    ------
    ValueError
        If a number is too small, or the kernel is longer than the padded input.

    Notes
    -----
    Equation ``eq-net-conv-size``. Dumoulin and Visin (2016), chapters 2 and 5.
    Oracle: ``torch.nn.functional.conv1d``.
    """
    require_at_least(1, size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    require_at_least(0, padding=padding)
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1
    if room < 0:
        raise ValueError(f"size must be at least {size - room} for this kernel, got {size}")
    return room // stride + 1


def conv_transpose_output_size(
    size: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    r"""Length of what a transposed convolution returns, along one axis.

    .. math:: s(m-1)+d(k-1)+1-2p+o

    Parameters
    ----------
    size
        Length of the input, :math:`m`.
    kernel_size, stride
        Those of the convolution that is transposed, :math:`k` and :math:`s`.
    padding
        The padding of that convolution, :math:`p`: so much is cut off at each end.
    output_padding
        Positions more at the end, :math:`o`, fewer than ``stride``: which of the lengths that
        the convolution takes to ``size`` is meant.
    dilation
        The dilation of that convolution, :math:`d`.

    Returns
    -------
    A length that the convolution of the same settings takes back to ``size``.

    Raises
    ------
    ValueError
        If a number is too small, ``output_padding`` is not below ``stride``, or nothing is left.

    Notes
    -----
    Equation ``eq-net-transposed-size``. Dumoulin and Visin (2016), chapter 4.
    Oracle: ``torch.nn.functional.conv_transpose1d``.
    """
    require_at_least(1, size=size, kernel_size=kernel_size, stride=stride, dilation=dilation)
    require_at_least(0, padding=padding, output_padding=output_padding)
    if output_padding >= stride:
        raise ValueError(f"output_padding must be below stride {stride}, got {output_padding}")
    painted = stride * (size - 1) + dilation * (kernel_size - 1) + 1 + output_padding
    if painted <= 2 * padding:
        raise ValueError(f"padding must leave something of {painted} positions, got {padding}")
    return painted - 2 * padding
