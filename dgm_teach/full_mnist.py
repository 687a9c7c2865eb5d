"""The full MNIST set, fetched only when asked for; no chapter needs it."""

import gzip
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pooch
import requests
import torch
from jaxtyping import UInt8
from torch import Tensor

from dgm_teach.data import Split, _check_binarise, _pixels

MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
OTHER_MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"

SHA256 = {
    f"{part}-ubyte.gz": digest
    for part, digest in (
        ("train-images-idx3", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
}


def full_mnist(
    *,
    binarise: str | None = "threshold",
    generator: torch.Generator | None = None,
    cache_dir: str | Path | None = None,
    base_url: str = MIRROR,
    checksums: Mapping[str, str] = SHA256,
) -> Split:
    r"""All of MNIST: 60,000 digits to train on and 10,000 held out, downloaded once (12 MB).

    A file reaches the cache only whole and with the right checksum. After an interruption, call
    again: files that are complete are kept, the others start afresh.

    Parameters
    ----------
    binarise, generator
        As in :func:`dgm_teach.data.mnist5k`.
    cache_dir
        Folder whose subfolder ``mnist`` keeps the four files; by default the user's cache folder.
        A file put there by hand is used if its checksum is right, and replaced if not.
    base_url
        Address of the folder to download from, beginning with ``http://`` or ``https://``.
    checksums
        SHA-256 of each of the four files.

    Returns
    -------
    The :class:`~dgm_teach.data.Split`, on the CPU, with 784 pixels an image, in the files' order.

    Raises
    ------
    ConnectionError
        If a file cannot be downloaded.
    OSError
        If what arrives has another checksum, or the folder cannot be written.
    ValueError
        If ``binarise`` or ``base_url`` is not as described.

    Notes
    -----
    LeCun, Bottou, Bengio and Haffner (1998).
    """
    _check_binarise(binarise, generator)
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"base_url must begin with http:// or https://, got {base_url!r}")
    if set(checksums) != set(SHA256):
        raise ValueError(f"checksums must be for {sorted(SHA256)}, got {sorted(checksums)}")
    folder = Path(cache_dir or pooch.os_cache("dgm_teach")).expanduser() / "mnist"
    x_train, y_train, x_test, y_test = (
        _read_idx(_fetch(f"{base_url.rstrip('/')}/{name}", folder / name, checksums[name]), axes)
        for name, axes in zip(SHA256, (3, 1, 3, 1), strict=True)
    )
    return Split(
        _pixels(x_train.flatten(1), 255, binarise, generator),
        y_train.long(),
        _pixels(x_test.flatten(1), 255, binarise, generator),
        y_test.long(),
    )


def _fetch(url: str, path: Path, sha256: str) -> Path:
    """Path of the file, downloaded unless it is there with the right checksum."""
    if path.exists() and pooch.file_hash(str(path)) != sha256:
        path.unlink()
    download = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16)
    try:
        pooch.retrieve(url, f"sha256:{sha256}", path.name, path.parent, downloader=download)
    except requests.RequestException as error:
        raise ConnectionError(
            f"could not download {url}: {error}. Check the network and call again; or pass "
            f"another base_url, such as {OTHER_MIRROR}; or put {path.name} into {path.parent}"
        ) from error
    except ValueError as error:
        raise OSError(
            f"refused {url}: what arrived does not have the SHA-256 {sha256}; nothing was kept. "
            f"Call again, or pass another base_url, such as {OTHER_MIRROR}"
        ) from error
    return path


def _read_idx(path: Path, num_axes: int) -> UInt8[Tensor, "n *size"]:
    """Tensor in a compressed idx file: 0, 0, type, number of axes, their sizes, then the bytes."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}") from error
    start = 4 + 4 * num_axes
    magic = bytes([0, 0, 8, num_axes])
    if raw[:4] != magic or len(raw) < start:
        raise ValueError(f"{path} must begin with {magic!r} and {num_axes} sizes, got {raw[:4]!r}")
    shape = np.frombuffer(raw[4:start], ">u4").tolist()
    if len(raw) - start != math.prod(shape):
        raise ValueError(f"{path} must hold {shape} bytes, got {len(raw) - start}")
    return torch.tensor(np.frombuffer(raw, np.uint8, offset=start)).view(shape)
