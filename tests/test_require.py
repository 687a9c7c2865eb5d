"""The shared check of a user's numbers."""

import pytest

from dgm_teach.require import require_at_least


@pytest.mark.parametrize(("minimum", "value"), [(1, 1), (1, 2), (2, 2), (0, 0)])
def test_numbers_from_the_minimum_on_are_accepted(minimum, value):
    require_at_least(minimum, latent_dim=value)


def test_the_first_number_below_is_named():
    with pytest.raises(ValueError, match=r"^b must be at least 2, got 1$"):
        require_at_least(2, a=2, b=1, c=0)


def test_nan_is_refused():
    with pytest.raises(ValueError, match=r"^beta must be at least 0, got nan$"):
        require_at_least(0, beta=float("nan"))
