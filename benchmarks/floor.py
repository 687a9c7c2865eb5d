"""The floor of a step: its matrix products and convolutions alone, run once more."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

PRODUCTS = {
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
    torch.ops.aten.convolution.default,
    torch.ops.aten.convolution_backward.default,
}


class Recorder(TorchDispatchMode):
    """Keeps the products that are computed while it is active, with what they are computed from."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Callable[..., object], tuple[Any, ...]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        """Run the operation, and note it if it is a product."""
        if func in PRODUCTS:
            if func is torch.ops.aten.addmm.default:  # the product without the bias
                self.calls.append((torch.ops.aten.mm.default, tuple(args[1:])))
            else:
                self.calls.append((func, tuple(args)))
        return func(*args, **(kwargs or {}))


def floor_of(step: Callable[[], object]) -> Callable[[], None]:
    """What runs the products of one call of ``step`` again, on the same numbers."""
    with Recorder() as recorder:
        step()
    calls = [
        (func, tuple(a.detach() if isinstance(a, Tensor) else a for a in args))
        for func, args in recorder.calls
    ]

    def products() -> None:
        with torch.no_grad():
            for func, args in calls:
                func(*args)

    return products
