"""The one port that all workers listen on. Reserved here, so that it stays theirs while workers come and go."""

from __future__ import annotations

import errno
import os
import socket


class SharedPort:
    """HOST:PORT, kept for processes of this user that ask to share it. Raises RuntimeError when it is taken."""

    def __init__(self, listen: str) -> None:
        """Port 0: any free one."""
        host, _, port = listen.rpartition(":")
        self._sockets: list[socket.socket] = []
        try:
            wanted = int(port)
            for family, _, _, _, address in socket.getaddrinfo(
                host.strip("[]"), wanted, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            ):
                try:
                    wanted = self._reserve(family, (address[0], wanted, *address[2:]))
                except OSError as error:
                    # A name may stand for addresses that this machine does not have.
                    if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                        raise
            if not self._sockets:
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        except OSError as error:
            self.close()
            raise RuntimeError(f"cannot listen on {listen}: {error.strerror or error}") from error
        self.address = f"{host}:{wanted}"
        """HOST:PORT as it is."""

    def _reserve(self, family: int, address: tuple[object, ...]) -> int:
        """The port. Raises OSError."""
        # Without sharing first: nobody else may be there, sharing or not.
        with _bound(family, address, shared=False) as alone:
            taken = alone.getsockname()
        self._sockets.append(_bound(family, taken, shared=True))
        return int(taken[1])

    def close(self) -> None:
        """Gives it free."""
        for one in self._sockets:
            one.close()


def _bound(family: int, address: tuple[object, ...], *, shared: bool) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made
