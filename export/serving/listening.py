"""Sockets that the commands with a --host listen on."""

import errno
import socket

from tfgan_models.errors import FailureError, UsageError


def listen(host: str, port: int, port_flag: str) -> socket.socket:
    """Returns a listening socket; clients wait until they are accepted.

    Args:
        host: A name or an address, of IPv4 or IPv6.
        port: 0: any free one.
        port_flag: The flag of the port, for messages.

    Raises:
        UsageError: `host` is not an address.
        FailureError: It cannot listen there.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(
            f"--host={host} is not an address: {error.strerror}"
        ) from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError as error:
        listener.close()
        advice = f"Choose another port with --{port_flag} (0: any free one)."
        if error.errno == errno.EADDRNOTAVAIL:
            advice = "Give an address of this machine as --host."
        raise FailureError(
            f"Cannot listen on {host}:{port}: {error.strerror}. {advice}"
        ) from error
    return listener


def bracketed(host: str) -> str:
    """Returns a host as written before a port: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
