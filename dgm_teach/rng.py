"""Generators for reproducible noise; nothing is seeded at import."""

import torch


def make_generator(seed: int, device: torch.device | str = "cpu") -> torch.Generator:
    r"""Source of random numbers of its own, apart from PyTorch's global one.

    Parameters
    ----------
    seed
        Whole number from 0 to :math:`2^{63} - 1`. The same seed gives the same numbers again, on
        the same kind of device and the same version of PyTorch.
    device
        Where the numbers are drawn: the device of the tensors that will use them.

    Returns
    -------
    A seeded generator. The global random state is left as it was.

    Raises
    ------
    ValueError
        If ``seed`` is not a whole number in that range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be a whole number from 0 to 2**63 - 1, got {seed!r}")
    return torch.Generator(device=device).manual_seed(seed)
