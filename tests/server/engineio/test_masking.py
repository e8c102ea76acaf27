"""A client masks its frames; one that does not is closed, wherever in the stream that is."""

from __future__ import annotations

import pytest
from aiohttp import WebSocketError
from hypothesis import given
from hypothesis import strategies as st

from server.engineio.frame_walk import FrameWalk
from tests.server.engineio.harness import CLOSE, PING, TEXT, Harness, masked

SIZES = st.sampled_from([0, 1, 5, 124, 125, 126, 127, 300, 65_535, 65_536])


def _bare(opcode: int, payload: bytes) -> bytes:
    assert len(payload) < 126
    return bytes([0x80 | opcode, len(payload)]) + payload


@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("opcode", [TEXT, PING, CLOSE])
async def test_a_frame_without_a_mask_closes(echo: Harness, before: int, opcode: int) -> None:
    raw = await echo.raw_websocket()
    for number in range(before):
        raw.send(TEXT, b"4%d" % number)
        assert await raw.frame() == (TEXT, b"4%d" % number)
    raw.writer.write(_bare(opcode, b"4x" if opcode == TEXT else b""))
    assert await raw.frame() == (CLOSE, (1002).to_bytes(2, "big"))
    assert await echo.ended() == "transport error"
    assert echo.engine.counters.bad_packets == 1
    raw.close()


async def test_behind_a_good_one_in_the_same_piece(echo: Harness) -> None:
    raw = await echo.raw_websocket()
    raw.writer.write(masked(TEXT, b"4good") + _bare(TEXT, b"4bad"))
    opcode, payload = await raw.frame()
    if (opcode, payload) == (TEXT, b"4good"):
        opcode, payload = await raw.frame()
    assert (opcode, payload) == (CLOSE, (1002).to_bytes(2, "big"))
    raw.close()


@given(sizes=st.lists(SIZES, max_size=5), data=st.data())
def test_however_the_stream_is_cut(sizes: list[int], data: st.DataObject) -> None:
    stream = b"".join(masked(TEXT, b"\x00" * size) for size in sizes)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    walk = FrameWalk(65_536)
    whole = b""
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        piece = stream[start:end]
        whole += piece if walk.is_whole(piece) else walk.follow(piece)
    assert (whole, walk.held) == (stream, 0)
    assert not walk.is_whole(_bare(TEXT, b"4x"))
    with pytest.raises(WebSocketError) as error:
        walk.follow(_bare(TEXT, b"4x"))
    assert error.value.code == 1002
