r"""Results of runs that are too long for a page, with the command that made them."""

import json
from importlib.resources import files
from typing import Any


def load_run(name: str) -> dict[str, Any]:
    r"""Read a stored result.

    Parameters
    ----------
    name
        Name of the file beside this module, without ``.json``.

    Returns
    -------
    The result. Its entries ``command``, ``date``, ``machine`` and ``seeds`` say how it was made.

    Raises
    ------
    ValueError
        If there is no such result.
    """
    here = files(__name__)
    known = sorted(p.name.removesuffix(".json") for p in here.iterdir() if p.name.endswith(".json"))
    if name not in known:
        raise ValueError(f"name must be one of {known}, got {name!r}")
    return json.loads((here / f"{name}.json").read_text(encoding="utf-8"))
