"""A module that a page shows."""


def double(x: float) -> float:
    """Return twice x."""
    return 2 * x


def triple(x: float) -> float:
    """Return three times x."""
    return 3 * x
