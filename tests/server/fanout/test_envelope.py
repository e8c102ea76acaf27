"""What travels between nodes reads back as it was written, and nothing else reads at all."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.availability import Absence, Schedule, WeekWindow
from domain.slots import BookingHint, Busy, ScheduleHint, SlotHint
from domain.wire.events import NAMESPACES
from server.fanout import envelope
from server.fanout.envelope import EnvelopeKind, InvalidEnvelope

NODE = bytes(range(8))
ids = st.binary(min_size=12, max_size=12).map(bytes.hex)
seqs = st.integers(1, 2**53)
packets = st.tuples(st.sampled_from(NAMESPACES), st.text()).map(lambda p: f'2{p[0]},["x",{p[1]}]'.encode())


@given(ids, seqs, st.booleans(), packets)
def test_an_entry(conversation_id: str, seq: int, chained: bool, packet: bytes) -> None:
    payload = envelope.entry(NODE, conversation_id, seq, chained, packet)
    read = envelope.read(payload)
    assert payload[envelope.NODE] == NODE == read.node
    assert (read.kind, read.subject, read.seq, read.chained) == (EnvelopeKind.ENTRY, conversation_id, seq, chained)
    assert read.packet == packet
    assert packet.startswith(f"2{read.namespace},".encode())


@given(packets)
def test_an_event(packet: bytes) -> None:
    read = envelope.read(envelope.event(NODE, packet))
    assert (read.kind, read.seq, read.packet) == (EnvelopeKind.EVENT, 0, packet)


@given(ids, packets)
def test_what_comes_before_a_first_entry(conversation_id: str, packet: bytes) -> None:
    """A node that knows nothing of these takes it for any event."""
    read = envelope.read(envelope.first_entry_event(NODE, conversation_id, packet))
    assert (read.kind, read.subject, read.seq, read.packet) == (EnvelopeKind.EVENT, conversation_id, 1, packet)


@given(ids, seqs)
def test_a_head(conversation_id: str, seq: int) -> None:
    read = envelope.read(envelope.head(NODE, conversation_id, seq))
    assert (read.kind, read.subject, read.seq) == (EnvelopeKind.HEAD, conversation_id, seq)


def test_a_resync() -> None:
    assert envelope.read(envelope.resync(NODE)).kind == EnvelopeKind.RESYNC


_moments = st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC))
# A week's edges, as the schema of stored weeks and absences has them: multiples of five, up to the end of the day.
_minutes = st.integers(0, 288).map(lambda n: 5 * n)
_windows = st.builds(WeekWindow, start=_minutes, end=_minutes)
_absences = st.builds(Absence, start=st.none() | _minutes, end=st.none() | _minutes)
_schedules = st.builds(
    Schedule,
    time_zone=st.text(max_size=40),
    duration=st.integers(5, 1440),
    break_mins=st.integers(0, 240),
    windows=st.lists(_windows, max_size=3).map(tuple),
    absences=st.lists(_absences, max_size=3).map(tuple),
)


@given(
    ids,
    st.builds(BookingHint, spans=st.lists(st.builds(Busy, _moments, _moments, st.integers(0, 240))).map(tuple))
    | st.builds(ScheduleHint, before=st.none() | _schedules),
)
def test_a_hint(trainer_id: str, hint: SlotHint) -> None:
    read = envelope.read(envelope.slots(NODE, trainer_id, hint))
    assert (read.kind, read.subject, envelope.read_hint(read.packet)) == (EnvelopeKind.SLOTS, trainer_id, hint)


@given(st.binary(max_size=200))
def test_a_spoilt_hint(packet: bytes) -> None:
    with suppress(InvalidEnvelope):
        envelope.read_hint(packet)


@given(st.binary(max_size=200))
def test_garbage(payload: bytes) -> None:
    if payload[:1] != b"\x01" or int.from_bytes(payload[9:10], "big") not in [*EnvelopeKind]:
        with pytest.raises(InvalidEnvelope):
            envelope.read(payload)


def test_every_kind_is_read_and_no_other() -> None:
    payload = bytearray(envelope.event(NODE, b"2/conversations,[]"))
    for kind in range(256):
        payload[9] = kind
        bare = kind in (EnvelopeKind.HEAD, EnvelopeKind.RESYNC)
        if kind in [*EnvelopeKind]:
            assert envelope.read(bytes(payload[: -len(b"2/conversations,[]")] if bare else payload)).kind == kind
        else:
            with pytest.raises(InvalidEnvelope):
                envelope.read(bytes(payload))


@given(st.binary(max_size=80), st.integers(0, 60))
def test_a_spoilt_envelope_is_read_or_refused(noise: bytes, at: int) -> None:
    payload = envelope.entry(NODE, "a" * 24, 7, True, b'2/conversations,["message:new",{}]')
    try:
        envelope.read(payload[:at] + noise + payload[at + len(noise) :])
    except InvalidEnvelope:
        return
