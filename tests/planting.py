r"""How a classic mistake is shown to be caught.

The assertion is a function of what it examines. It passes for the package's version and, by the
same lines, fails for each planted version: a check that cannot fail would prove nothing.
"""

import pytest


def planted(function, *mistakes):
    """Parameters for a test: the right version, which must pass, and wrong ones, which must not."""
    return pytest.mark.parametrize(
        ("subject", "is_right"), [(function, True), *((mistake, False) for mistake in mistakes)]
    )


def judge(assertion, subject, is_right):
    """Run an assertion that must pass for the right version and fail for a planted one."""
    if is_right:
        assertion(subject)
        return
    with pytest.raises(AssertionError):
        assertion(subject)
