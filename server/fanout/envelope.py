"""What nodes publish to each other: a finished Socket.IO packet, and what is needed to put it in its place."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple

import msgspec

from domain.presence import Choice
from domain.slots import SlotHint
from domain.wire.events import NAMESPACES

_VERSION: Final = 1
_HEADER: Final = Struct("!B8sBBQ12s")
_pack, _unpack, _SIZE = _HEADER.pack, _HEADER.unpack_from, _HEADER.size
_encode_hint: Final = msgspec.msgpack.Encoder().encode
_hint_decoder: Final[msgspec.msgpack.Decoder[SlotHint]] = msgspec.msgpack.Decoder(SlotHint)
_choice_decoder: Final[msgspec.msgpack.Decoder[Choice]] = msgspec.msgpack.Decoder(Choice)
_NOBODY: Final = bytes(12)
_NAMESPACES: Final = {name.encode(): name for name in NAMESPACES}
# The bytes of the publishing node's id: one's own messages are recognised by a comparison.
NODE: Final = slice(1, 9)


class EnvelopeKind(IntEnum):
    # The next entry of a conversation.
    ENTRY = 1
    # Anything without a number; with a number, what comes before that entry.
    EVENT = 2
    # A conversation has got this far; its entries may have been lost on the way.
    HEAD = 3
    # Something without a number may have been lost on the way.
    RESYNC = 4
    # A trainer's slots may have changed.
    SLOTS = 5
    # What a person chose for all devices.
    CHOICE = 6


# Plain numbers, as every message passes here and an enumeration's take longer to find and to compare.
_ENTRY, _EVENT = int(EnvelopeKind.ENTRY), int(EnvelopeKind.EVENT)
_LAST: Final = int(max(EnvelopeKind))
# What follows the header: a Socket.IO packet, a record of ours, or else nothing.
_OF_A_PACKET: Final = frozenset((_ENTRY, _EVENT))
_OF_A_RECORD: Final = frozenset(map(int, (EnvelopeKind.SLOTS, EnvelopeKind.CHOICE)))


class InvalidEnvelope(Exception):
    """Not an envelope of ours, or one of a newer kind."""


class Envelope(NamedTuple):
    """``chained``: the sender published the entry before this one too, earlier on the same connection.

    ``subject``: the conversation, the trainer or the person; ``packet``: of ``SLOTS`` the hint, of ``CHOICE`` it.
    """

    node: bytes
    kind: int
    chained: bool
    seq: int
    subject: str
    namespace: str
    packet: bytes


def entry(node: bytes, conversation_id: str, seq: int, chained: bool, packet: bytes) -> bytes:
    return _pack(_VERSION, node, _ENTRY, chained, seq, bytes.fromhex(conversation_id)) + packet


def event(node: bytes, packet: bytes) -> bytes:
    return _pack(_VERSION, node, _EVENT, 0, 0, _NOBODY) + packet


def first_entry_event(node: bytes, conversation_id: str, packet: bytes) -> bytes:
    """An event to nodes of versions that do not know of these."""
    return _pack(_VERSION, node, _EVENT, 0, 1, bytes.fromhex(conversation_id)) + packet


def head(node: bytes, conversation_id: str, seq: int) -> bytes:
    return _pack(_VERSION, node, EnvelopeKind.HEAD, 0, seq, bytes.fromhex(conversation_id))


def resync(node: bytes) -> bytes:
    return _pack(_VERSION, node, EnvelopeKind.RESYNC, 0, 0, _NOBODY)


def slots(node: bytes, trainer_id: str, hint: SlotHint) -> bytes:
    return _pack(_VERSION, node, EnvelopeKind.SLOTS, 0, 0, bytes.fromhex(trainer_id)) + _encode_hint(hint)


def choice(node: bytes, user_id: str, chosen: Choice) -> bytes:
    return _pack(_VERSION, node, EnvelopeKind.CHOICE, 0, 0, bytes.fromhex(user_id)) + _encode_hint(chosen)


def read_choice(packet: bytes) -> Choice:
    """Raises ``InvalidEnvelope``."""
    try:
        return _choice_decoder.decode(packet)
    except msgspec.MsgspecError:
        raise InvalidEnvelope from None


def read_hint(packet: bytes) -> SlotHint:
    """Raises ``InvalidEnvelope``."""
    try:
        return _hint_decoder.decode(packet)
    except msgspec.MsgspecError:
        raise InvalidEnvelope from None


def read(payload: bytes) -> Envelope:
    """Raises ``InvalidEnvelope``."""
    try:
        version, node, kind, chained, seq, conversation = _unpack(payload)
    except StructError:
        raise InvalidEnvelope from None
    if version != _VERSION or not 1 <= kind <= _LAST or chained > 1:
        raise InvalidEnvelope
    packet = payload[_SIZE:]
    namespace = ""
    if kind in _OF_A_PACKET:
        # "2/conversations,[...]": the packet names its namespace itself.
        found = _NAMESPACES.get(packet[1 : packet.find(b",")])
        if found is None or packet[:1] != b"2":
            raise InvalidEnvelope
        namespace = found
    elif packet and kind not in _OF_A_RECORD:
        raise InvalidEnvelope
    return Envelope(node, kind, bool(chained), seq, conversation.hex(), namespace, packet)
