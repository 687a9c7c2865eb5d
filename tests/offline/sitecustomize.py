"""Cut this Python off from every other machine: Python imports this file when it starts.

``tools.run_notebooks`` puts this folder on PYTHONPATH, so that it holds in the kernels and in the
processes that they start.
"""

import errno
import ipaddress
import sys

NAMES = {"", "localhost"}
CONNECTING = {"socket.connect", "socket.sendto", "socket.sendmsg"}
LOOKING_UP = {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"}


def is_local(host: object) -> bool:
    """Whether a host is this machine; the unspecified address is, for a server that listens."""
    if isinstance(host, bytes):
        host = host.decode()
    if host is None or host in NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(host))
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def refuse(event: str, arguments: tuple) -> None:
    """Raise before Python connects, sends or looks a name up elsewhere."""
    if event in CONNECTING:
        address = arguments[1]
        remote = isinstance(address, tuple) and not is_local(address[0])
    else:
        address = arguments[0] if event in LOOKING_UP else None
        remote = not is_local(address)
    if remote:
        raise OSError(errno.ENETUNREACH, f"notebooks run offline: {event} {address} was refused")


sys.addaudithook(refuse)
