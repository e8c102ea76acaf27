"""IPC between the workers of one parent: bytes, and open files with them.

Each worker has a pair of connected sockets of which the parent keeps both ends: what lies in it outlives the worker and
is read by its successor. Between connected pairs the kernel bounds the bytes, not the number of messages.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

_INLINE_BYTES: Final = 16 * 1024
_BUFFER_BYTES: Final = 1024 * 1024
_AT_ONCE: Final = 32
_MOST_FILES: Final = 2
_HERE, _IN_FILE = b".", b"+"

Receive = Callable[[bytes, list[int]], None]


class IpcQueueFull(Exception):
    """The worker it belongs to did not read in time."""


def make_pair() -> tuple[socket.socket, socket.socket]:
    """The end that its worker reads, and the one all others write to."""
    receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (receiver, sender):
        end.setblocking(False)
    # As much as the kernel grants; its default holds some 200 requests.
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
    return receiver, sender


class IpcSender:
    """Where others write."""

    def __init__(self, end: socket.socket, timeout_seconds: float) -> None:
        self._end = end
        self._timeout_seconds = timeout_seconds
        self._sending = asyncio.Lock()

    async def send(self, data: bytes, files: Sequence[int] = ()) -> None:
        """Returns when the kernel has the message and its own references to ``files``.

        Raises ``IpcQueueFull``, or ``OSError`` when nobody will ever read it.
        """
        if len(data) <= _INLINE_BYTES:
            await self._send(_HERE + data, files)
            return
        memfd = _written(data)
        try:
            await self._send(_IN_FILE, [*files, memfd])
        finally:
            os.close(memfd)

    async def _send(self, message: bytes, files: Sequence[int]) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds), self._sending:
                while not self._sent(message, files):
                    await self._writable()
        except TimeoutError:
            raise IpcQueueFull from None

    def _sent(self, message: bytes, files: Sequence[int]) -> bool:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        try:
            self._end.sendmsg([message], rights)
        except BlockingIOError:
            return False
        return True

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_writer(self._end, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_writer(self._end)


class IpcReceiver:
    """Where its worker reads, and nobody else."""

    def __init__(self, end: socket.socket, receive: Receive) -> None:
        """``receive`` owns the files it is given."""
        self._end = end
        self._receive = receive

    def open(self) -> None:
        asyncio.get_running_loop().add_reader(self._end, self._read)

    def close(self) -> None:
        """What arrives from now on is for the successor."""
        asyncio.get_running_loop().remove_reader(self._end)

    def _read(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                message, files, flags, _ = socket.recv_fds(
                    self._end, _INLINE_BYTES + 1, _MOST_FILES, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            if not message:  # every other end is closed
                self.close()
                return
            self._unpack(message, files, whole=not flags & socket.MSG_CTRUNC)

    def _unpack(self, message: bytes, files: list[int], *, whole: bool) -> None:
        """A message that is not whole lost files because this process has no room for more: the peers try again."""
        data = message[1:]
        if whole and message[:1] == _IN_FILE:
            data = _read(files.pop())
        if whole:
            self._receive(data, files)
            return
        for file in files:
            with suppress(OSError):
                os.close(file)


def _written(data: bytes) -> int:
    """A file in memory; only its descriptor has to fit into a message."""
    memfd = os.memfd_create("message")
    with os.fdopen(memfd, "wb", closefd=False) as writing:
        writing.write(data)
    return memfd


def _read(memfd: int) -> bytes:
    with os.fdopen(memfd, "rb") as reading:
        # The position is the writer's.
        reading.seek(0)
        return reading.read()
