"""Who plays: whether the other end of a played device's socket is somebody whose keys and buttons may count.

Touches a connected Unix socket, asks the kernel and nobody else. It must not look at the path: a name may have changed hands since.
"""

from __future__ import annotations

import errno
import os
import socket
import struct

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


def require_own(peer: socket.socket) -> None:
    """Raise PermissionError unless our own user or root serves this socket: whoever plays a button can raise, and cancel by a keypad."""
    _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    if uid not in {0, os.geteuid()}:
        raise PermissionError(errno.EPERM, "it is played by another user")
