"""What a stranger sends, in whatever place of a request and at whatever level, is in no line of the log."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.harness.loud_server import loud
from tests.server.sockets.raw import raw_socket

CANARY = "canary7f3a"
HEADERS = (
    "Host", "Origin", "Authorization", "Cookie", "User-Agent", "Content-Type", "Content-Encoding", "Content-Length",
    "Transfer-Encoding", "Accept", "Accept-Language", "Accept-Encoding", "Expect", "Range", "If-None-Match",
    "If-Modified-Since", "Idempotency-Key", "Referer", "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto",
    "X-Real-IP", "X-Request-Id", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Access-Control-Request-Method",
    "Access-Control-Request-Headers", "X-Other",
)  # fmt: skip
VALUES = (f"bearer, {CANARY}", f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}", f'{CANARY}="{CANARY}; ' * 200)
WEBSOCKET = {
    "Host": "localhost",
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
SOCKET = "/socket.io/?EIO=4&transport="


def request(method: str, target: str, headers: dict[str, str], body: str = "") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n{body}".encode()


def requests() -> Iterator[bytes]:
    posted = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": "20", "Connection": "close"}
    for value in VALUES:
        for name in HEADERS:
            yield request("GET", f"{SOCKET}websocket", {**WEBSOCKET, name: value})
            yield request("POST", "/v1/auth/login", {**posted, name: value}, "{" + CANARY * 2)
    closing = {"Host": "localhost", "Connection": "close"}
    for target in (
        f"{SOCKET}{CANARY}", f"{SOCKET}polling&sid={CANARY}", f"{SOCKET}polling&j={CANARY}",
        f"/socket.io/?EIO={CANARY}", f"/v1/{CANARY}", f"/v1/me?token={CANARY}", f"/v1/calendar/{CANARY}.ics",
        f"/v1/files/{CANARY}?sig={CANARY}", f"/v1/unsubscribe/{CANARY}", f"/v1/me/devices/{CANARY}",
        f"/{CANARY}%00%ff", f"http://{CANARY}@{CANARY}:99999/{CANARY}", f"/{CANARY}" * 2_000,
    ):  # fmt: skip
        yield request("GET", target, closing)
        yield request("GET", target, WEBSOCKET)
        yield request("POST", target, {**closing, "Content-Length": "10"}, CANARY)
        yield request(CANARY, target, closing)
    yield request("GET", "/v1/me", {**closing, "Cookie": CANARY * 2_000})
    yield f"{CANARY}\r\n\r\n".encode()
    yield f"GET / HTTP/{CANARY}\r\n\r\n".encode()
    yield f"GET / HTTP/1.1\r\n{CANARY}\r\n\r\n".encode()
    yield request("POST", "/v1/auth/login", {**closing, "Transfer-Encoding": "chunked"}, f"{CANARY}\r\n{CANARY}\r\n")


async def tell(url: str, data: bytes) -> bytes:
    """The beginning of the answer."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(data)
        async with asyncio.timeout(20):
            return await reader.read(1024)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def test_nothing_that_a_stranger_sends_is_logged(tmp_path: Path, database_url: str, redis_url: str) -> None:
    async with loud(tmp_path, MONGO_URL=database_url, REDIS_URL=redis_url) as server:
        many = asyncio.Semaphore(8)

        async def send(data: bytes) -> bytes:
            async with many:
                return await tell(server.url, data)

        answers = await asyncio.gather(*(send(data) for data in requests()))
        async with raw_socket(server.url) as raw:
            await raw.connect(f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}")
            await raw.send(f"4{CANARY}")
            await raw.closed()
        await server.terminate()
    assert sum(answer.startswith(b"HTTP/1.1 101") for answer in answers) > len(HEADERS)
    # It was as loud as it should be: the library did log those handshakes.
    assert "overlap server-known ones" in server.logged
    lines = server.logged.splitlines()
    assert [line for line in lines if CANARY in line] == []
    assert max(map(len, lines)) < 20_000
