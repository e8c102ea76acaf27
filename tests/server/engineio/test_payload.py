"""Polling bodies, without a server."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.protocol.frames import BadPayload, decode

SEP = "\x1e"


@given(
    st.lists(
        st.one_of(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=SEP)), st.binary()), min_size=1
    )
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_packets_survive_a_body(packets: list[str | bytes]) -> None:
    parts = [b"4" + p.encode() if isinstance(p, str) else b"b" + b64encode(p) for p in packets]
    assert decode(b"\x1e".join(parts), 4096) == [f"4{p}" if isinstance(p, str) else p for p in packets]


@given(st.binary())
@settings(max_examples=60, deadline=None)
def test_no_body_breaks_the_decoder(body: bytes) -> None:
    with suppress(BadPayload):
        decode(body, 4096)
