r"""Networks that translate images and judge them patch by patch: ``[batch, channels, h, w]``."""

from jaxtyping import Float
from torch import Tensor, nn

from dgm_teach.require import require_at_least


class Residual(nn.Module):
    r"""A block that adds to its input what its body makes of it.

    .. math:: h \mapsto h + f(h)

    Parameters
    ----------
    body
        The network f, from any shape to the same shape.

    Notes
    -----
    Equation ``def-cyc-img-residual``. He et al. (2016), section 3.1.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, h: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        r"""The input plus the body of the input."""
        return h + self.body(h)


def instance_norm(channels: int, *, eps: float = 1e-5) -> nn.GroupNorm:
    r"""Normalise every channel of every image by its own mean and variance over the positions.

    .. math:: \gamma\,\frac{h-\mu}{\sqrt{v+\epsilon}} + \beta

    Parameters
    ----------
    channels
        Number of channels, at least 1; each has its own γ and β, 1 and 0 at first.
    eps
        What is added to the variance, :math:`\epsilon`.

    Returns
    -------
    The layer. It treats an image in the same way whatever else is in the batch.

    Raises
    ------
    ValueError
        If ``channels`` is less than 1.

    Notes
    -----
    Equation ``def-cyc-img-instance-norm``. Ulyanov et al. (2016), section 2.
    Oracle: ``torch.nn.InstanceNorm2d``.
    """
    require_at_least(1, channels=channels)
    # as many groups as channels: the same as InstanceNorm2d, in half of its time on a CPU
    return nn.GroupNorm(channels, channels, eps=eps)


def residual_generator(channels: int = 3, *, width: int = 24, num_blocks: int = 2) -> nn.Sequential:
    r"""Translator of images with an even number of rows and columns, to the same size.

    Every 2×2 pixels become one position with four times as many channels; all layers work there,
    and the last one gives four pixels back.

    Parameters
    ----------
    channels
        Channels of the images, at least 1.
    width
        Channels between the first layer and the last, at least 1.
    num_blocks
        Residual blocks, at least 0.

    Returns
    -------
    A network from ``[batch, channels, h, w]`` to the same shape, pixels from −1 to 1.

    Raises
    ------
    ValueError
        If a number is too small.

    Notes
    -----
    Equations ``def-cyc-img-residual`` and ``def-cyc-img-instance-norm``. Zhu et al. (2017),
    section 7.2, of which it is a small relative.
    """
    require_at_least(1, channels=channels, width=width)
    require_at_least(0, num_blocks=num_blocks)
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        *_normalised(4 * channels, width),
        nn.ReLU(),
        *(_block(width) for _ in range(num_blocks)),
        nn.Conv2d(width, 4 * channels, 3, padding=1),
        nn.PixelShuffle(2),
        nn.Tanh(),
    )


def patch_discriminator(channels: int = 3, *, width: int = 16) -> nn.Sequential:
    r"""Discriminator with one score for each patch of 18×18 pixels, every 4 pixels.

    Parameters
    ----------
    channels
        Channels of the images, at least 1.
    width
        Channels of the first layer, at least 1; the second has twice as many.

    Returns
    -------
    A network from ``[batch, channels, h, w]`` to ``[batch, h / 4, w / 4]``, for sides that are
    multiples of 4. The scores are not squashed.

    Raises
    ------
    ValueError
        If a number is less than 1.

    Notes
    -----
    Equation ``eq-cyc-img-patch``. Isola et al. (2017), section 3.2.2.
    """
    require_at_least(1, channels=channels, width=width)
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        instance_norm(2 * width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 1, 3, padding=1),
        nn.Flatten(1, 2),
    )


def _normalised(fan_in: int, fan_out: int) -> tuple[nn.Module, nn.Module]:
    """A convolution that keeps the size, and its normalisation, which makes a bias useless."""
    return nn.Conv2d(fan_in, fan_out, 3, padding=1, bias=False), instance_norm(fan_out)


def _block(width: int) -> Residual:
    """Two convolutions with their normalisations, around which the input is led."""
    return Residual(
        nn.Sequential(*_normalised(width, width), nn.ReLU(), *_normalised(width, width))
    )
