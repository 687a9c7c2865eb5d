"""Execute every notebook of the book into a cache, two at a time.

``python -m tools.execute`` runs what the cache does not hold yet. The cache folder is named after
a hash of everything a cell can depend on beside its own text, so that a change of the package or
of the requirements runs the notebooks again.
"""

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from myst_nb.core.read import myst_nb_reader_plugin
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from nbformat import NotebookNode

from tools import project

WORKERS = 2
CELL_TIMEOUT = 600  # seconds
INPUTS = ["dgm_teach/**/*.py", "dgm_teach/runs/*.json", "requirements.txt", "constraints.txt"]


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


def client(page: Path, notebook: NotebookNode) -> NotebookClient:
    """Make what executes a page, in the page's own folder."""
    return NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        record_timing=False,  # would change the cells, by which the cache knows them
        resources={"metadata": {"path": str(page.parent)}},
        extra_arguments=["--log-level=ERROR"],  # the kernel's remarks about itself
    )


def keep(cache: JupyterCacheAbstract, page: Path, notebook: NotebookNode, seconds: float) -> None:
    """Put an executed page into the cache."""
    bundle = CacheBundleIn(notebook, str(page), data={"execution_seconds": seconds})
    cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


async def run(cache: JupyterCacheAbstract, page: Path, slots: asyncio.Semaphore) -> bool:
    """Execute one page; keep it if it succeeds, print what failed if not."""
    notebook = read(page)
    async with slots:
        start = time.perf_counter()
        try:
            await client(page, notebook).async_execute()
        except (CellControlSignal, DeadKernelError) as error:
            print(f"{page} failed: {error}", file=sys.stderr)
            return False
        seconds = time.perf_counter() - start
    print(f"  {page.stem}: {seconds:.0f} s", flush=True)
    keep(cache, page, notebook, seconds)
    return True


async def execute(pages: list[Path]) -> list[Path]:
    """Execute the pages that the cache lacks; return those that failed."""
    cache, slots = open_cache(), asyncio.Semaphore(WORKERS)
    missing = [page for page in pages if not is_cached(cache, page)]
    succeeded = await asyncio.gather(*(run(cache, page, slots) for page in missing))
    return [page for page, success in zip(missing, succeeded, strict=True) if not success]


def main() -> int:
    """Execute the notebooks of the table of contents."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two notebooks at a time on two cores
    pages = project.notebooks()
    print(f"Executing {len(pages)} notebooks, those in the cache excepted")
    return 1 if asyncio.run(execute(pages)) else 0


if __name__ == "__main__":
    sys.exit(main())
