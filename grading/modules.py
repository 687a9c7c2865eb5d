"""Notice and undo what a submission changes in the modules that its tests use."""

import builtins
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

GUARDED = ("builtins", "dgm_teach", "inspect", "math", "numpy", "scipy", "torch")


class Original(NamedTuple):
    """The names of a module or class as they were."""

    place: Any
    name: str
    values: dict[str, Any]


def guarded() -> Iterator[tuple[str, ModuleType]]:
    """Modules that are loaded and that tests rely on."""
    for name, module in sorted(sys.modules.items()):
        if name.split(".")[0] in GUARDED and isinstance(module, ModuleType):
            yield name, module


def snapshot() -> list[Original]:
    """Remember every name of the guarded modules, and of the classes of PyTorch and the package."""
    originals, seen = [], set()
    for name, module in guarded():
        originals.append(Original(module, name, dict(vars(module))))
        if not name.startswith(("torch.nn", "torch.distributions", "torch._tensor", "dgm_teach")):
            continue
        for key, value in vars(module).items():
            ours = isinstance(value, type) and value.__module__.split(".")[0] in GUARDED
            if ours and value not in seen:
                seen.add(value)
                originals.append(Original(value, f"{name}.{key}", dict(vars(value))))
    return originals


def restore(originals: list[Original]) -> list[str]:
    """Put back what was replaced or removed, and take out what was added to hide it.

    Returns the names. Names that were added to a module stay, since importing a submodule adds one,
    except those that hide a name of Python itself.
    """
    changed = []
    for place, name, values in originals:
        current, is_module = vars(place), isinstance(place, ModuleType)
        for key in [key for key in current if key not in values]:
            if (not is_module or hasattr(builtins, key)) and attempt(delattr, place, key):
                changed.append(f"{name}.{key}")
        for key, value in values.items():
            if is_module and key.startswith("_") and not callable(value):
                continue  # a cache of the module's own
            if (key not in current or current[key] is not value) and attempt(
                setattr, place, key, value
            ):
                changed.append(f"{name}.{key}")
    return changed


def attempt(change: Any, *arguments: Any) -> bool:
    """Change an attribute; some of built-in types cannot be, by us or by anybody."""
    try:
        change(*arguments)
    except (AttributeError, TypeError):
        return False
    return True
