"""A fence around a submission: what its Python code may open, start and connect to.

The fence is an audit hook, which code that has put it up cannot take down. It stops what students
do by mistake or out of curiosity. It is no wall: native code can pass it. Where submissions may be
hostile, grade in containers; the instructor's guide says how.
"""

import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

STARTS = {
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.startfile/2", "os.system", "pty.spawn", "subprocess.Popen", "webbrowser.open",
}  # fmt: skip
CONNECTS = {"socket.bind", "socket.connect", "socket.sendto", "socket.sendmsg"}
SIGNALS = {"os.kill", "os.killpg", "signal.pthread_kill"}
# Events whose first arguments are paths that are changed, with the number of those arguments.
CHANGES = {
    "os.chflags": 1, "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.mkdir": 1, "os.remove": 1,
    "os.removexattr": 1, "os.rename": 2, "os.rmdir": 1, "os.setxattr": 1, "os.symlink": 2,
    "os.truncate": 1, "os.utime": 1, "shutil.rmtree": 1, "shutil.move": 2, "shutil.chown": 1,
    "sqlite3.connect": 1,
}  # fmt: skip
LISTS = {"os.listdir", "os.scandir", "os.walk", "glob.glob"}
SYSTEM = (
    "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero", "/etc", "/lib", "/lib64", "/Library",
    "/opt", "/proc/cpuinfo", "/proc/meminfo", "/proc/self/status", "/proc/stat", "/sys", "/usr",
)  # fmt: skip


class FenceError(PermissionError):
    """Graded code tried something that it may not do."""


def readable(project: Path) -> list[str]:
    """Folders that Python, its packages and the system's libraries are read from."""
    places = [sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *SYSTEM]
    packages = [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    return [*places, *packages, str(project / "dgm_teach")]


def resolved(places: Iterable[str | Path]) -> tuple[str, ...]:
    """Folders with links followed and a separator at the end."""
    return tuple(os.path.join(os.path.realpath(place), "") for place in places)


def make_fence(writes: tuple[str, ...], reads: tuple[str, ...]) -> Callable[[str, tuple], None]:
    """Make the hook. All that it uses is bound here, where graded code cannot replace it."""
    realpath, fsdecode, join, separator = os.path.realpath, os.fsdecode, os.path.join, os.sep
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    error, text, number, raw, pathlike = FenceError, str, int, bytes, os.PathLike
    instance, enough = isinstance, len
    starts, connects, signals = frozenset(STARTS), frozenset(CONNECTS), frozenset(SIGNALS)
    changes, lists, null = dict(CHANGES), frozenset(LISTS), os.devnull

    def refuse(what: str) -> None:
        raise error(f"a submission may not {what}")

    def is_within(path: Any, places: tuple[str, ...]) -> bool:
        if path is None or instance(path, number):
            return True
        if not instance(path, (text, raw, pathlike)):
            return False
        return join(realpath(fsdecode(path)), "").startswith(places)

    def fence(event: str, arguments: tuple) -> None:
        if event == "open":
            path, _, flags = arguments
            if instance(flags, number) and flags & writing:
                if not is_within(path, writes) and path != null:
                    refuse(f"write outside its folder: {path}")
            elif not is_within(path, reads):
                refuse(f"read {path}")
        elif event in changes:
            for path in arguments[: changes[event]]:
                if not is_within(path, writes):
                    refuse(f"change something outside its folder: {path}")
        elif event in lists:
            if enough(arguments) and not is_within(arguments[0], reads):
                refuse(f"list {arguments[0]}")
        elif event in starts:
            refuse("start another program")
        elif event in connects:
            refuse("use the network")
        elif event in signals:
            refuse("send signals")
        elif event == "ctypes.dlopen" and not (
            instance(arguments[0], text) and separator in arguments[0]
        ):
            refuse(f"load the system's library {arguments[0]}")

    return fence


def put_up(folder: Path, project: Path) -> None:
    """Let this process write in ``folder`` alone, and read there and what Python needs."""
    tempfile.tempdir = str(folder)
    sys.addaudithook(make_fence(resolved([folder]), resolved([folder, *readable(project)])))


def limit_resources(memory_mb: float, file_mb: float) -> None:
    """Ask the system to refuse more memory, larger files and dumps; only where it knows how."""
    try:
        import resource
    except ImportError:  # Windows: the watcher ends a process that grows too large
        return
    megabyte = 2**20
    # The address space holds libraries and reserved pages too: the watcher looks at what is used.
    space = int((3 * memory_mb + 8000) * megabyte)
    for kind, value in (
        (resource.RLIMIT_AS, space),
        (resource.RLIMIT_FSIZE, int(file_mb * megabyte)),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        hard = resource.getrlimit(kind)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (allowed, allowed))
