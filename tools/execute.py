"""Execute every notebook of the book into a cache, two at a time.

``python -m tools.execute`` runs what the cache does not hold yet. The cache folder is named after
a hash of everything a cell can depend on beside its own text, so that a change of the package or
of the requirements runs the notebooks again.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import myst_nb_reader_plugin
from nbformat import NotebookNode

from tools import project

WORKERS = 2
CELL_TIMEOUT = 600  # seconds
INPUTS = ["dgm_teach/**/*.py", "book/data/**/*", "requirements.txt", "constraints.txt"]


def input_files(root: Path = project.ROOT) -> Iterator[Path]:
    """Files that every notebook may depend on, in a fixed order."""
    for pattern in INPUTS:
        yield from sorted(path for path in root.glob(pattern) if path.is_file())


def cache_key(root: Path = project.ROOT) -> str:
    """Hash of the names and the contents of the input files."""
    digest = hashlib.sha256()
    for path in input_files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def cache_path() -> Path:
    """Folder of the cache for the package and the requirements as they stand."""
    return project.BUILD / ".jupyter_cache" / cache_key()


def open_cache() -> JupyterCacheAbstract:
    """Open the cache, making its folder if needed."""
    return get_cache(str(cache_path()))


def read(page: Path) -> NotebookNode:
    """Read a page as the notebook that the Sphinx build makes of it."""
    return myst_nb_reader_plugin(str(page))


def is_cached(cache: JupyterCacheAbstract, page: Path) -> bool:
    """Whether the cache holds the page's cells, executed."""
    try:
        cache.match_cache_notebook(read(page))
    except KeyError:
        return False
    return True


def run(page: Path) -> ExecutionResult:
    """Execute one page in its own folder."""
    return single_nb_execution(
        read(page),
        cwd=str(page.parent),
        timeout=CELL_TIMEOUT,
        allow_errors=False,
        extra_arguments=["--log-level=ERROR"],  # the kernel's remarks about itself
    )


def keep(cache: JupyterCacheAbstract, page: Path, result: ExecutionResult) -> None:
    """Put an executed page into the cache."""
    bundle = CacheBundleIn(result.nb, str(page), data={"execution_seconds": result.time})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def execute(pages: list[Path]) -> list[Path]:
    """Execute pages that the cache lacks; return those that failed, their traceback printed."""
    cache = open_cache()
    failed = []
    with ThreadPoolExecutor(WORKERS) as pool:
        running = {pool.submit(run, page): page for page in pages if not is_cached(cache, page)}
        for future in as_completed(running):
            page, result = running[future], future.result()
            print(f"  {page.stem}: {result.time:.0f} s", flush=True)
            if result.err:
                print(f"{page} failed:\n{result.exc_string}", file=sys.stderr)
                failed.append(page)
            else:
                keep(cache, page, result)
    return failed


def main() -> int:
    """Execute the notebooks of the table of contents."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two notebooks at a time on two cores
    pages = project.notebooks()
    print(f"Executing {len(pages)} notebooks, those in the cache excepted")
    return 1 if execute(pages) else 0


if __name__ == "__main__":
    sys.exit(main())
