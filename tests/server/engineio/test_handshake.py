"""Opening a session, and the requests that get none."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest

from tests.server.engineio.conftest import Harnesses
from tests.server.engineio.harness import Harness, text


@pytest.mark.parametrize(("transport", "upgrades"), [("polling", ["websocket"]), ("websocket", [])])
async def test_the_open_packet_is_exact(serve: Harnesses, transport: str, upgrades: list[str]) -> None:
    server = await serve(ping_interval=0.3, ping_timeout=0.2, max_http_buffer_size=1_000_000)
    if transport == "polling":
        status, packet = await server.get("EIO=4&transport=polling")
        assert status == 200
    else:
        packet = await text(await server.websocket())
    facts = json.loads(packet[1:])
    sid = (await server.socket()).sid
    assert packet[0] == "0"
    assert facts == {
        "sid": sid, "upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=4", 0),
        ("EIO=4&transport=abc", 0),
        ("transport=polling", 5),
        ("EIO=abc&transport=polling", 5),
        ("EIO=3&transport=polling", 5),
        ("EIO=4&transport=polling&sid=nobody", 1),
        ("EIO=4&transport=polling&j=0", 3),
        ("EIO=4&transport=websocket", 3),
    ],
)
async def test_a_bad_query_is_refused(echo: Harness, query: str, code: int) -> None:
    status, body = await echo.get(query)
    assert status == 400
    assert json.loads(body)["code"] == code
    assert not echo.engine.sockets


@pytest.mark.parametrize(
    "query", ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]
)
async def test_a_websocket_with_a_bad_query_is_refused(echo: Harness, query: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await echo.http.ws_connect(echo.url(query))
    assert refused.value.status == 400


async def test_a_known_session_still_needs_version_and_transport(echo: Harness) -> None:
    sid = await echo.open_polling()
    assert (await echo.get(f"transport=polling&sid={sid}"))[0] == 400
    assert (await echo.get(f"EIO=4&sid={sid}"))[0] == 400
    assert (await echo.get(f"EIO=4&transport=websocket&sid={sid}"))[0] == 400
    assert (await echo.post(sid, "4on"))[0] == 200


async def test_an_unknown_session_is_told_in_the_words_clients_know(echo: Harness) -> None:
    assert await echo.poll("nobody") == (400, '{"code":1,"message":"Session ID unknown"}')
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await echo.websocket("nobody")
    assert refused.value.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_only_get_opens_a_session(echo: Harness, method: str) -> None:
    async with echo.http.request(method, echo.url("EIO=4&transport=polling")) as response:
        assert response.status == 400
        assert await response.json() == {"code": 2, "message": "Bad handshake method"}


async def test_a_websocket_request_for_polling_is_refused(echo: Harness) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await echo.http.ws_connect(echo.url("EIO=4&transport=polling"))


async def test_origins_are_an_explicit_list(serve: Harnesses) -> None:
    server = await serve(cors_allowed_origins=["https://app.example"])
    query = "EIO=4&transport=polling"
    async with server.http.get(server.url(query), headers={"Origin": "https://app.example"}) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "https://app.example"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Vary"] == "Origin"
    assert (await server.get(query))[0] == 200  # native clients name none
    own = f"http://127.0.0.1:{server.port}"
    for stranger in ("https://evil.example", "https://app.example.evil.example", "null", own):
        assert (await server.get(query, headers={"Origin": stranger}))[0] == 403
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await server.http.ws_connect(server.url("EIO=4&transport=websocket"), origin="https://evil.example")


async def test_without_a_list_only_the_own_host_is_accepted(echo: Harness) -> None:
    query = "EIO=4&transport=polling"
    assert (await echo.get(query, headers={"Origin": f"http://127.0.0.1:{echo.port}"}))[0] == 200
    assert (await echo.get(query, headers={"Origin": "http://127.0.0.1:1"}))[0] == 403
    assert (await echo.get(query, headers={"Origin": "null"}))[0] == 403


async def test_errors_can_be_read_by_an_accepted_page(serve: Harnesses) -> None:
    server = await serve(cors_allowed_origins="*")
    async with server.http.get(server.url("EIO=4"), headers={"Origin": "https://any.example"}) as response:
        assert response.status == 400
        assert response.headers["Access-Control-Allow-Origin"] == "https://any.example"


async def test_preflight(serve: Harnesses) -> None:
    server = await serve(cors_allowed_origins=["https://app.example"])
    asked = {"Origin": "https://app.example", "Access-Control-Request-Headers": "content-type, x-tried"}
    async with server.http.options(server.url("EIO=4&transport=polling&sid=any"), headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, OPTIONS"
        assert response.headers["Access-Control-Allow-Headers"] == "content-type, x-tried"


async def test_an_address_may_have_so_many_sockets(serve: Harnesses) -> None:
    server = await serve(max_sockets_per_address=2, client_address=lambda request: request.headers["X-Who"])
    query = "EIO=4&transport=polling"
    for _ in range(2):
        assert (await server.get(query, headers={"X-Who": "a"}))[0] == 200
    assert (await server.get(query, headers={"X-Who": "a"}))[0] == 429
    assert (await server.get(query, headers={"X-Who": "b"}))[0] == 200
    first = await server.socket()
    assert first.remote_address == "a"
    first.close()
    assert (await server.get(query, headers={"X-Who": "a"}))[0] == 200


async def test_a_site_may_have_as_many_sockets_as_eight_networks(serve: Harnesses) -> None:
    server = await serve(max_sockets_per_address=1, client_address=lambda request: request.headers["X-Who"])
    query = "EIO=4&transport=polling"
    for number in range(8):
        assert (await server.get(query, headers={"X-Who": f"2001:db8:1:{number}::1"}))[0] == 200
    assert (await server.get(query, headers={"X-Who": "2001:db8:1:8::1"}))[0] == 429
    assert (await server.get(query, headers={"X-Who": "2001:db8:2:8::1"}))[0] == 200
    first = await server.socket()
    first.close()
    assert (await server.get(query, headers={"X-Who": "2001:db8:1:8::1"}))[0] == 200


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_the_connect_handler_may_refuse(serve: Harnesses, transport: str) -> None:
    server = await serve()
    seen: list[dict[str, object]] = []

    async def refuse(sid: str, environ: dict[str, object]) -> bool:
        seen.append(environ)
        await asyncio.sleep(0)
        return False

    server.engine.on("connect", refuse)
    if transport == "polling":
        assert (await server.get("EIO=4&transport=polling", headers={"X-Try": "1"}))[0] == 401
    else:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await server.websocket(headers={"X-Try": "1"})
        assert refused.value.status == 401
    assert seen[0]["HTTP_X_TRY"] == "1"
    assert seen[0]["REMOTE_ADDR"] == "127.0.0.1"
    assert not server.engine.sockets
    assert not len(server.engine.heartbeat)


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_what_the_connect_handler_sends_follows_the_open_packet(serve: Harnesses, transport: str) -> None:
    server = await serve()
    engine = server.engine
    engine.on("connect", lambda sid, environ: engine.sockets[sid].send_text("early"))
    if transport == "polling":
        packets = (await server.get("EIO=4&transport=polling"))[1].split("\x1e")
    else:
        websocket = await server.websocket()
        packets = [await text(websocket), await text(websocket)]
    assert packets[0].startswith("0{")
    assert packets[1:] == ["4early"]
