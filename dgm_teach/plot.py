"""Pictures: functions (data, ax) → ax."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import matplotlib as mpl
import numpy as np
import torch
from jaxtyping import Integer, Num, Shaped
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from torch import Tensor
from torch.nn.functional import pad

from dgm_teach.figure import COLOURS, LINE_STYLES, set_style, show
from dgm_teach.require import require_at_least

__all__ = ["curves", "image_grid", "latent_scatter", "set_style", "show"]

Values: TypeAlias = Sequence[int | float] | Shaped[Tensor, " n"] | np.ndarray


def image_grid(images: Num[Tensor, "n *size"], ax: Axes, *, num_columns: int) -> Axes:
    r"""Draw square images side by side, row by row, with 1 as black ink on white.

    Parameters
    ----------
    images
        Shape ``[n, side * side]`` or ``[n, side, side]``, values in [0, 1].
    ax
        Where to draw; its axes are hidden.
    num_columns
        Images in a row, at least 1.

    Returns
    -------
    ``ax``.

    Raises
    ------
    ValueError
        If the images are none, not square or not in [0, 1], or ``num_columns`` is below 1.
    """
    require_at_least(1, num_columns=num_columns)
    tiles = pad(_square(images), [1, 1, 1, 1], value=math.nan)
    num_rows = -(-len(tiles) // num_columns)
    tiles = pad(tiles, [0, 0, 0, 0, 0, num_rows * num_columns - len(tiles)], value=math.nan)
    side = tiles.shape[-1]
    rows = tiles.view(num_rows, num_columns, side, side).transpose(1, 2)
    sheet = rows.reshape(num_rows * side, num_columns * side)
    ink = mpl.colormaps["gray_r"].with_extremes(bad="lightsteelblue")
    ax.imshow(sheet.numpy(), cmap=ink, vmin=0, vmax=1, interpolation="nearest")
    ax.set_axis_off()
    return ax


def curves(
    series: Mapping[str, Values],
    ax: Axes,
    *,
    xlabel: str,
    ylabel: str,
    x: Values | None = None,
) -> Axes:
    r"""Draw named curves that differ in line style as well as in colour, with a legend.

    Parameters
    ----------
    series
        Name and values of each curve, at most eight.
    ax
        Where to draw.
    xlabel, ylabel
        Labels of the axes, each with its unit: ``"epoch"``, ``"−ELBO (nats per image)"``.
    x
        Where the values stand; 1, 2, 3, … when left out.

    Returns
    -------
    ``ax``.

    Raises
    ------
    ValueError
        If there is no curve, one is empty or not of the length of ``x``, there are more than
        eight, or a label is empty.
    """
    if not 1 <= len(series) <= len(COLOURS):
        raise ValueError(f"series must hold 1 to {len(COLOURS)} curves, got {len(series)}")
    if not xlabel.strip() or not ylabel.strip():
        raise ValueError(f"xlabel and ylabel must not be empty, got {xlabel!r} and {ylabel!r}")
    for number, (name, values) in enumerate(series.items()):
        y = _array(values)
        at = np.arange(1, len(y) + 1) if x is None else _array(x)
        if len(y) == 0 or len(y) != len(at):
            raise ValueError(f"series[{name!r}] must have a value for each x, got {len(y)} values")
        style = LINE_STYLES[number % len(LINE_STYLES)]
        ax.plot(at, y, color=COLOURS[number], linestyle=style, label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False)
    return ax


def latent_scatter(mu: Num[Tensor, "n latent"], labels: Integer[Tensor, " n"], ax: Axes) -> Axes:
    r"""Draw two-dimensional codes as points, and each class's number at its median.

    Parameters
    ----------
    mu
        Codes, one row of 2 numbers an example.
    labels
        Class of each example, 0 or more.
    ax
        Where to draw.

    Returns
    -------
    ``ax``.

    Raises
    ------
    ValueError
        If ``mu`` has not two columns and a row for each label, or there are no rows.
    """
    if len(mu) == 0 or mu.shape != (len(labels), 2):
        raise ValueError(f"mu must have shape [{len(labels)}, 2], got {list(mu.shape)}")
    codes, classes = _array(mu), _array(labels)
    for label in np.unique(classes):
        here = codes[classes == label]
        marker = "os^"[label // len(COLOURS) % 3]
        colour = COLOURS[label % len(COLOURS)]
        ax.scatter(here[:, 0], here[:, 1], s=8, alpha=0.6, color=colour, marker=marker)
        outline = [withStroke(linewidth=3, foreground="white")]
        middle = np.median(here, axis=0)
        ax.annotate(str(label), middle, fontsize=16, fontweight="bold", path_effects=outline)
    ax.set(xlabel="$z_1$ (prior standard deviations)", ylabel="$z_2$ (prior standard deviations)")
    return ax


def _array(values: Sequence[int | float] | Tensor | np.ndarray) -> np.ndarray:
    """NumPy array of a list, an array or a tensor on any device."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _square(images: Num[Tensor, "n *size"]) -> Num[Tensor, "n side side"]:
    """Images on the CPU as squares, after checking that they can be drawn."""
    pixels = images.detach().cpu().float().flatten(1)
    side = math.isqrt(pixels.shape[1])
    if len(images) == 0 or images.shape[1:] not in [(side * side,), (side, side)]:
        raise ValueError(f"images must be [n, side * side] or [n, side, side], got {images.shape}")
    if not torch.all((pixels >= 0) & (pixels <= 1)):
        raise ValueError(
            f"images must have values in [0, 1], got {pixels.min():.3g} to {pixels.max():.3g}"
        )
    return pixels.view(-1, side, side)
