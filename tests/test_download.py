"""Downloading the full MNIST set, against a small made one on a local server."""

import gzip
import hashlib
import http.server
import inspect
import socket
import struct
import threading

import numpy as np
import pooch
import pytest
import torch
from tqdm import tqdm

from dgm_teach.full_mnist import MIRROR, SHA256, full_mnist
from dgm_teach.rng import make_generator

NAMES = list(SHA256)
SIZES = {"train": 300, "t10k": 100}


def idx_file(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes())


def made_arrays():
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in SIZES.items():
        arrays[f"{part}-images-idx3-ubyte.gz"] = rng.integers(0, 256, (n, 28, 28), np.uint8)
        arrays[f"{part}-labels-idx1-ubyte.gz"] = rng.integers(0, 10, n, np.uint8)
    return arrays


ARRAYS = made_arrays()
BODIES = {name: idx_file(ARRAYS[name]) for name in NAMES}


def sums(bodies):
    return {name: hashlib.sha256(bodies[name]).hexdigest() for name in NAMES}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        self.server.asked.append(name)
        body = self.server.bodies.get(name)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if name in self.server.cut else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as running:
        running.bodies, running.cut, running.asked = dict(BODIES), set(), []
        running.url = f"http://127.0.0.1:{running.server_port}/mnist"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def load(server, tmp_path):
    def call(**changes):
        arguments = {"cache_dir": tmp_path, "base_url": server.url, "checksums": sums(BODIES)}
        return full_mnist(**arguments | changes)

    return call


@pytest.fixture
def dead_url():
    """Address of a port that nobody listens on any more."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    return f"http://127.0.0.1:{port}/mnist"


def kept(tmp_path):
    folder = tmp_path / "mnist"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_arrives_as_sent(load, server, tmp_path):
    split = load(binarise=None)
    for part, x, y in [("train", *split[:2]), ("t10k", *split[2:])]:
        images, labels = (
            ARRAYS[f"{part}-{kind}-ubyte.gz"] for kind in ("images-idx3", "labels-idx1")
        )
        assert x.dtype == torch.float32
        assert y.dtype == torch.int64
        np.testing.assert_array_equal((x * 255).round(), images.reshape(-1, 784))
        np.testing.assert_array_equal(y, labels)
    assert server.asked == NAMES
    assert kept(tmp_path) == sorted(NAMES)


def test_binarised_like_the_small_set(load):
    bright = ARRAYS[NAMES[0]].reshape(-1, 784) > 127.5
    np.testing.assert_array_equal(load().x_train, bright)
    drawn = load(binarise="stochastic", generator=make_generator(0)).x_train
    assert ((drawn == 0) | (drawn == 1)).all()
    assert not np.array_equal(drawn, bright)


def test_second_call_asks_for_nothing(load, server):
    first = load()
    server.asked.clear()
    second = load()
    assert server.asked == []
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_works_from_the_cache_without_a_server(load, dead_url):
    load()
    assert load(base_url=dead_url).x_test.shape == (100, 784)


def test_each_download_shows_a_progress_bar(load, capfd):
    load()
    shown = capfd.readouterr().err
    assert shown.count("100%") == len(NAMES)
    assert "B/s]" in shown
    load()
    assert capfd.readouterr().err == ""


def test_interrupted_then_fetched_by_calling_again(load, server, tmp_path):
    server.cut.add(NAMES[2])
    with pytest.raises(ConnectionError, match=NAMES[2]):
        load()
    assert kept(tmp_path) == sorted(NAMES[:2])
    server.cut.clear()
    server.asked.clear()
    assert load().x_test.shape == (100, 784)
    assert server.asked == NAMES[2:]


def test_stopped_by_the_reader_leaves_nothing_half_written(load, monkeypatch, tmp_path):
    def stop(self, amount=1):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tqdm, "update", stop)
        with pytest.raises(KeyboardInterrupt):
            load()
    assert kept(tmp_path) == []
    assert load().x_train.shape == (300, 784)


def short(body):
    return body[:-10]


def altered(body):
    return body[:50] + bytes([body[50] ^ 1]) + body[51:]


@pytest.mark.parametrize("spoil", [short, altered])
@pytest.mark.parametrize("name", NAMES)
def test_spoilt_file_is_refused_and_not_kept(load, server, tmp_path, spoil, name):
    server.bodies[name] = spoil(BODIES[name])
    with pytest.raises(OSError, match="does not have the SHA-256") as caught:
        load()
    assert isinstance(caught.value.__cause__, ValueError)
    assert kept(tmp_path) == sorted(NAMES[: NAMES.index(name)])
    server.bodies[name] = BODIES[name]
    assert load().x_train.shape == (300, 784)


def test_missing_on_the_server(load, server, tmp_path):
    del server.bodies[NAMES[0]]
    with pytest.raises(ConnectionError, match=r"404.*pass another base_url.*put train-images"):
        load()
    assert kept(tmp_path) == []


def test_no_server(load, dead_url, tmp_path):
    with pytest.raises(ConnectionError, match=f"could not download {dead_url}"):
        load(base_url=dead_url)
    assert kept(tmp_path) == []


@pytest.mark.parametrize("spoil", [short, altered])
def test_spoilt_cache_is_healed(load, server, tmp_path, spoil):
    load()
    path = tmp_path / "mnist" / NAMES[0]
    path.write_bytes(spoil(BODIES[NAMES[0]]))
    server.asked.clear()
    load()
    assert server.asked == [NAMES[0]]
    assert path.read_bytes() == BODIES[NAMES[0]]


def test_spoilt_cache_is_not_kept_when_it_cannot_be_healed(load, server, tmp_path):
    load()
    (tmp_path / "mnist" / NAMES[0]).write_bytes(b"spoilt")
    server.bodies.clear()
    with pytest.raises(ConnectionError):
        load()
    assert kept(tmp_path) == sorted(NAMES[1:])


def test_cache_folder_that_cannot_be_made(load, tmp_path):
    (tmp_path / "mnist").write_text("in the way")
    with pytest.raises(OSError, match="mnist"):
        load()
    assert (tmp_path / "mnist").read_text() == "in the way"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_url": "ftp://example.org"}, "base_url must begin with http"),
        ({"binarise": "otsu"}, "binarise must be"),
        ({"binarise": "stochastic"}, "generator must be given"),
        ({"checksums": {}}, "checksums must be for"),
    ],
)
def test_bad_arguments_are_refused_before_any_request(load, server, changes, message):
    with pytest.raises(ValueError, match=message):
        load(**changes)
    assert server.asked == []


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        (NAMES[1], b"not gzip", "not a whole gzip file"),
        (NAMES[1], BODIES[NAMES[1]][:-10], "not a whole gzip file"),
        (NAMES[1], BODIES[NAMES[0]], "must begin with"),
        (NAMES[0], BODIES[NAMES[1]], "must begin with"),
        (NAMES[1], gzip.compress(bytes([0, 0, 8, 1, 0])), "must begin with"),
        (NAMES[1], gzip.compress(bytes([0, 0, 13, 1, 0, 0, 0, 1, 7])), "must begin with"),
        (
            NAMES[1],
            gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7])),
            r"must hold \[3\] bytes, got 1",
        ),
    ],
    ids=["text", "cut short", "images", "labels", "short head", "floats", "too few labels"],
)
def test_file_that_is_no_idx_file_is_refused(load, server, name, body, message):
    server.bodies[name] = body
    with pytest.raises(ValueError, match=message):
        load(checksums=sums(server.bodies))


def test_default_is_the_published_set():
    # The checksums themselves were compared with several independent published lists.
    assert MIRROR.startswith("https://")
    assert all(len(digest) == 64 for digest in SHA256.values())
    assert inspect.signature(full_mnist).parameters["checksums"].default == SHA256


def test_default_folder_is_the_users_cache(server, monkeypatch, tmp_path):
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    full_mnist(base_url=server.url, checksums=sums(BODIES))
    assert kept(tmp_path / "dgm_teach") == sorted(NAMES)
