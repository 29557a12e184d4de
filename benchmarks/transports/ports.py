"""A place on this machine for a publisher: ZeroMQ's two sockets have ports side by side."""

import socket


def free_pair() -> int:
    """Return a free port, the next one free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
