"""Grade a folder of submissions in parallel, and go on where an earlier run was interrupted.

``python -m grading.batch FOLDER --assignment hw01-elbo`` writes into ``FOLDER/graded``: one JSON
file a submission in ``results``, the tables ``grades.csv``, ``canvas.csv`` and ``moodle.csv``, and
a text for each student in ``feedback``.
"""

import argparse
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from grading.limits import Limits
from grading.master import ASSIGNMENTS, Master, read
from grading.overlay import master_path
from grading.report import write_reports
from grading.sandbox import Marks, Result, grade_submission
from grading.submission import Submission, submissions


def key_of(master: Master, submission: Submission, limits: Limits) -> str:
    """Fingerprint of all that a result depends on."""
    digest = hashlib.sha256(master.path.read_bytes())
    digest.update(repr((limits, submission.student, submission.identifier)).encode())
    for path in submission.paths:
        digest.update(str(path.name).encode())
        if path.is_file() and not path.is_symlink():
            if path.stat().st_size <= limits.notebook_mb * 2**20:
                digest.update(path.read_bytes())
            else:  # refused unread
                digest.update(str(path.stat().st_size).encode())
    return digest.hexdigest()


def result_path(graded: Path, submission: Submission) -> Path:
    """Where the result of a submission is kept: a name that every file system accepts."""
    name = hashlib.sha256(f"{submission.student}\0{submission.identifier}".encode()).hexdigest()
    return graded / "results" / f"{name[:20]}.json"


def load(path: Path, key: str) -> Result | None:
    """An earlier result, if it belongs to the same files, master and limits."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if stored.get("key") != key:
        return None
    result = stored["result"]
    return Result(**result | {"marks": [Marks(**marks) for marks in result["marks"]]})


def save(path: Path, key: str, result: Result) -> None:
    """Keep a result; the file appears whole or not at all."""
    new = path.with_suffix(".new")
    text = json.dumps({"key": key, "result": asdict(result)}, ensure_ascii=False, indent=1)
    new.write_text(text + "\n", encoding="utf-8", errors="replace")
    new.replace(path)


def grade_folder(
    folder: Path,
    master: Master,
    *,
    limits: Limits | None = None,
    workers: int | None = None,
    grade: Callable[[Master, Submission, Limits], Result] = grade_submission,
) -> list[Result]:
    """Grade every submission of a folder that has no result yet; return all results.

    Raises
    ------
    filelock.Timeout
        If another run is grading the folder.
    """
    limits, graded = limits or Limits(), folder / "graded"
    (graded / "results").mkdir(parents=True, exist_ok=True)
    with FileLock(graded / ".lock", timeout=0):
        found = submissions(folder)
        keys = {s: key_of(master, s, limits) for s in found}
        done = {s: load(result_path(graded, s), keys[s]) for s in found}
        left = [s for s in found if done[s] is None]
        stop = threading.Event()

        def one(submission: Submission) -> Result | None:
            if stop.is_set():
                return None
            result = grade(master, submission, limits)
            save(result_path(graded, submission), keys[submission], result)
            return result

        pool = ThreadPoolExecutor(workers or os.cpu_count() or 1)
        try:
            futures = {pool.submit(one, s): s for s in left}
            with tqdm(total=len(found), initial=len(found) - len(left), unit="file") as progress:
                for future in as_completed(futures):
                    done[futures[future]] = future.result()
                    progress.update()
        finally:
            stop.set()  # after an interruption: finish what runs, begin nothing
            pool.shutdown(wait=True, cancel_futures=True)
        results = [result for s in found if (result := done[s]) is not None]
        write_reports(graded, master, results, folder / "hand.csv")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade the folder that is named."""
    names = sorted(path.name for path in ASSIGNMENTS.glob("hw*"))
    parser = argparse.ArgumentParser(prog="python -m grading.batch", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--assignment", required=True, choices=names)
    parser.add_argument("--overlay", type=Path, help="folder of private masters")
    parser.add_argument("--workers", type=int, help="submissions at a time; one a processor")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    master = read(master_path(options.assignment, options.overlay))
    try:
        results = grade_folder(options.folder, master, workers=options.workers)
    except Timeout:
        print(f"{options.folder} is being graded by another run", file=sys.stderr)
        return 2
    except ValueError as error:  # hand.csv
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted. Call it again to go on; nothing is graded twice.", file=sys.stderr)
        return 130
    refused = sum(1 for result in results if result.refused)
    print(f"{len(results)} submissions, {refused} refused. See {options.folder / 'graded'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
