"""Choose once, in the chapter, the device that everything else follows."""

import torch


def pick_device() -> torch.device:
    r"""Device to compute on: CUDA when there is one, else the CPU.

    Returns
    -------
    ``torch.device("cuda")`` or ``torch.device("cpu")``.
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
