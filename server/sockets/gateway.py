"""The Socket.IO gateway: python-socketio with our own transport, rooms and dispatch."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import socketio

from domain.errors import Code, DomainError
from domain.wire.events import ConnectionFault
from server.engineio import close_reasons
from server.engineio.server import EngineServer
from server.engineio.socket import EngineSocket
from server.protocol import packets
from server.protocol.packets import BadPacket, Packet
from server.sockets.admission import Admission, Attendance
from server.sockets.clients import Client, Registry
from server.sockets.dispatcher import Dispatcher
from server.sockets.rooms import Rooms
from store.concurrency import Tasks

# python-socketio would let whoever opens a socket and never connects a namespace stay for ever.
CONNECT_WITHIN_SECONDS = 10.0
PING_INTERVAL_SECONDS = 20
PING_TIMEOUT_SECONDS = 10
MAX_PAYLOAD_BYTES = 1_000_000


class Gateway(socketio.AsyncServer):  # type: ignore[misc]
    """One dispatcher for all namespaces. Which parts of python-socketio are used, and why its event path is not:
    ``docs/decisions/0019-python-socketio.md``."""

    def __init__(
        self,
        rooms: Rooms,
        admission: Admission,
        dispatcher: Dispatcher,
        registry: Registry,
        attendance: Attendance,
        *,
        namespaces: Sequence[str],
        origins: Sequence[str] | str,
        **engine: Any,
    ) -> None:
        """``engine``: further options of ``EngineServer``."""
        super().__init__(
            async_handlers=False,
            namespaces=list(namespaces),
            cors_allowed_origins=origins,
            ping_interval=PING_INTERVAL_SECONDS,
            ping_timeout=PING_TIMEOUT_SECONDS,
            max_http_buffer_size=MAX_PAYLOAD_BYTES,
            http_compression=False,
            monitor_clients=False,
            logger=False,
            engineio_logger=False,
            **engine,
        )
        self._namespaces = frozenset(namespaces)
        self.rooms_index = rooms
        self._admission, self._dispatcher, self._registry = admission, dispatcher, registry
        self._attendance = attendance
        self.bad_packets = 0
        self.connect_within = CONNECT_WITHIN_SECONDS
        self._clients: set[Client] = set()
        self._tasks = Tasks()
        # python-socketio's own would keep every client's request for ever: what takes it away again is replaced here.
        self.eio.handlers.clear()
        self.eio.on_open = self._opened
        self.eio.on_message = self._received
        self.eio.on_too_large = self._too_large
        self.eio.on_close = self._closed

    def _engineio_server_class(self) -> type[EngineServer]:
        return EngineServer

    async def emit(self, *_: Any, **__: Any) -> None:
        """Not for our rooms, which the library does not know: it would send nothing, and say nothing."""
        raise RuntimeError("events are published, to all nodes: server/fanout/publisher.py")

    # --- the life of a socket ---

    def _opened(self, socket: EngineSocket) -> None:
        client = socket.context = Client(socket)
        self._clients.add(client)
        socket.restrict()
        if self.eio.draining:
            client.hold("drain")
        self._reap_later(client)

    def _reap_later(self, client: Client) -> None:
        client.stop_timer()
        client.timer = asyncio.get_running_loop().call_later(self.connect_within, self._reap, client)

    def _reap(self, client: Client) -> None:
        if client.admitting:
            # It waits for us, and is answered within the budget of a command.
            self._reap_later(client)
        elif not client.connections:
            client.socket.close(close_reasons.NEVER_CONNECTED)

    def _closed(self, socket: EngineSocket, reason: str) -> None:
        client: Client = socket.context
        client.stop_timer()
        for connection in client.connections.values():
            self._attendance.left(client, connection)
            self.rooms_index.remove(connection.namespace, connection.sid)
        client.connections.clear()
        self._attendance.gone(client)
        client.admitting.clear()
        self._registry.remove(client)
        self._clients.discard(client)
        # They refer to each other: apart, both are freed now and not some day by the collector.
        socket.context = None

    # --- what arrives ---

    def _received(self, socket: EngineSocket, data: str | bytes) -> None:
        client: Client = socket.context
        try:
            if isinstance(data, bytes):
                self._attachment(client)
            elif client.attachments_due:
                raise BadPacket
            else:
                self._packet(client, packets.parse(data))
        except BadPacket:
            self.bad_packets += 1
            socket.close(close_reasons.BAD_PACKET)

    @staticmethod
    def _too_large(socket: EngineSocket) -> None:
        client: Client = socket.context
        message = f"A message has at most {MAX_PAYLOAD_BYTES} bytes; the connection is closed."
        client.send_event(ConnectionFault(code=Code.PAYLOAD_TOO_LARGE, message=message))

    def _packet(self, client: Client, packet: Packet) -> None:
        kind, namespace = packet.kind, packet.namespace
        if kind == packets.EVENT:
            connection = client.connections.get(namespace)
            if connection is not None:
                self._dispatcher.dispatch(client, connection, packet.id, packet.payload)
            else:
                self._not_connected(client, packet)
        elif kind == packets.CONNECT:
            self._connect(client, namespace, packet.payload)
        elif kind == packets.DISCONNECT:
            self._leave(client, namespace)
        elif kind in (packets.BINARY_EVENT, packets.BINARY_ACK):
            self._binary(client, packet)
        elif not client.connections and not client.admitting:
            # An ACK answers nothing, for the server asks for none; but nobody sends one before anything else.
            raise BadPacket

    def _not_connected(self, client: Client, packet: Packet) -> None:
        if not client.connections and not client.admitting:
            raise BadPacket
        error = DomainError(Code.UNAUTHENTICATED, "Connect this namespace first.")
        self._dispatcher.refuse(client, packet.namespace, packet.id, error)

    def _connect(self, client: Client, namespace: str, auth: str) -> None:
        # The official client says so again when its program calls ``connect`` twice, or ``disconnect`` while it waits.
        # What it was connected as goes on until the answer: its program may have been told of the first by now.
        if (error := self._admission.refusal(client)) is not None:
            self._leave(client, namespace)
            client.socket.send_text(packets.refused(namespace, error.message, error.code, error.retry_after_ms))
        elif namespace not in self._namespaces:
            # In the words of other Socket.IO servers.
            error = self._admission.failed(client, DomainError(Code.NOT_FOUND, "Invalid namespace"))
            client.socket.send_text(packets.refused(namespace, error.message, error.code, error.retry_after_ms))
        else:
            attempt = client.admitting[namespace] = partial(self._leave, client, namespace)
            self._tasks.spawn(self._admission.connect(client, namespace, auth, attempt))

    def _leave(self, client: Client, namespace: str) -> None:
        """The socket itself stays; without any namespace it is nobody's, and reaped."""
        client.admitting.pop(namespace, None)
        connection = client.connections.pop(namespace, None)
        if connection is None:
            return
        self._attendance.left(client, connection)
        self.rooms_index.remove(namespace, connection.sid)
        if not client.connections:
            self._attendance.gone(client)
            client.expires_at, client.renewal_requested = None, False
            self._registry.release(client)
            client.socket.restrict()
            self._reap_later(client)

    def _binary(self, client: Client, packet: Packet) -> None:
        if packet.namespace not in client.connections:
            raise BadPacket
        client.attachments_due = packet.attachments
        client.binary = (packet.namespace, packet.id if packet.kind == packets.BINARY_EVENT else None)
        if packet.attachments == 0:
            self._refuse_binary(client)

    def _attachment(self, client: Client) -> None:
        """Swallowed, so that the event it belongs to can be refused by an acknowledgement."""
        if not client.attachments_due:
            raise BadPacket
        client.attachments_due -= 1
        if not client.attachments_due:
            self._refuse_binary(client)

    def _refuse_binary(self, client: Client) -> None:
        namespace, ack_id = client.binary
        message = "Commands take no binary data: upload a file (POST /v1/files) and send its id."
        error = DomainError(Code.VALIDATION_FAILED, message)
        self._dispatcher.refuse(client, namespace, ack_id, error)

    # --- the end ---

    def stop_reading(self) -> None:
        """Take nothing new: no socket, no command."""
        self.eio.draining = True
        for client in self._clients:
            client.hold("drain")

    @property
    def clients(self) -> Collection[Client]:
        """Everybody whose socket is open."""
        return self._clients
