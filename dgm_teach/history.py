r"""A buffer of generated examples, so that a discriminator also judges those of earlier steps."""

import torch
from jaxtyping import Float
from torch import Tensor

from dgm_teach.require import require_at_least


class HistoryBuffer:
    r"""The last generated examples, of which some are handed out in place of new ones.

    While it fills, :meth:`exchange` stores new rows and returns the batch as it is. Once it is
    full, each new row is, with probability one half, kept in exchange for a stored one.

    Parameters
    ----------
    size
        Rows stored at most, at least 1; CycleGAN keeps 50.

    Attributes
    ----------
    size
        As given.
    rows
        The rows stored, without a graph; none before the first exchange.

    Raises
    ------
    ValueError
        If ``size`` is less than 1.

    Notes
    -----
    Equations ``eq-cyc-buffer-age`` and ``eq-cyc-buffer-mean``. Shrivastava et al. (2017) for the
    idea; Zhu et al. (2017), section 4, for the size. The coin is in the latter's published code.
    """

    def __init__(self, size: int = 50) -> None:
        require_at_least(1, size=size)
        self.size = size
        self.rows: Float[Tensor, "stored *event"] | None = None

    def exchange(
        self, x_fake: Float[Tensor, "batch *event"], *, generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch *event"]:
        r"""Store some of the new rows and return as many, new and old.

        Parameters
        ----------
        x_fake
            Generated examples, at most ``size`` of them.
        generator
            Source of the coins and of the places, on the device of ``x_fake``.

        Returns
        -------
        As many rows, without a graph. No row comes from a new one of the same batch.

        Raises
        ------
        ValueError
            If the batch has more rows than the buffer.
        """
        if len(x_fake) > self.size:
            raise ValueError(f"x_fake must have at most size = {self.size} rows, got {len(x_fake)}")
        new = x_fake.detach().clone()
        if self.rows is None:
            self.rows = new[:0]
        if len(self.rows) < self.size:
            self.rows = torch.cat([self.rows, new[: self.size - len(self.rows)]])
            return new
        place = torch.randperm(self.size, device=new.device, generator=generator)[: len(new)]
        coin = torch.rand(len(new), device=new.device, generator=generator) < 0.5
        coin = coin.view(-1, *[1] * (new.dim() - 1))
        old = self.rows[place]
        self.rows[place] = torch.where(coin, new, old)
        return torch.where(coin, old, new)
