"""``python -m benchmarks [part ...] [--quick]``: measure, print, and keep the numbers.

Parts: notebooks, training, adversarial, grading; all if none is named.

They go to ``_build/benchmarks.json``, each part with its date and machine; a part that is not
measured keeps its old ones. The exit status is 1 if a notebook fails, whatever the times.
"""

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch

from benchmarks import adversarial, grading, notebooks, training
from tools import project

PARTS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "notebooks": notebooks.run,
    "training": training.run,
    "adversarial": adversarial.run,
    "grading": grading.run,
}


def circumstances(quick: bool) -> dict[str, Any]:
    """When, on what and with which torch the numbers were measured."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors"
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "machine": f"{machine}, {torch.backends.cpu.get_cpu_capability()}",
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "quick": quick,
    }


def keep(part: str, measured: dict[str, Any]) -> None:
    """Write a part into the file; the file is replaced at once, never half written."""
    path = project.BUILD / "benchmarks.json"
    path.parent.mkdir(exist_ok=True)
    old = json.loads(path.read_text("utf-8")) if path.exists() else {}
    new = path.with_suffix(".new")
    new.write_text(json.dumps(old | {part: measured}, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        help="notebooks, training, adversarial, grading; all if none is named",
    )
    parser.add_argument("--quick", action="store_true", help="three rounds, and one notebook")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"part must be one of {list(PARTS)}, got {sorted(unknown)}")
    failed = False
    for part in options.parts or PARTS:
        results = PARTS[part](quick=options.quick)
        keep(part, circumstances(options.quick) | {"results": results})
        failed |= any(result.get("error") for result in results)
    print(f"\nWritten to {project.BUILD / 'benchmarks.json'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
