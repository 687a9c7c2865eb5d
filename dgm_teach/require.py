r"""The one check of a user's numbers that every module shares."""


def require_at_least(minimum: int, **numbers: int | float) -> None:
    r"""Raise an error that names the first number below the minimum.

    Parameters
    ----------
    minimum
        The least accepted value.
    numbers
        The arguments to check, by name.

    Raises
    ------
    ValueError
        If a number is less than ``minimum``, or is NaN.
    """
    for name, value in numbers.items():
        if not value >= minimum:  # so that a NaN is refused
            raise ValueError(f"{name} must be at least {minimum}, got {value}")
