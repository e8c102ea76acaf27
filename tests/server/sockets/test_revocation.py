"""The end of a session cuts its sockets, with a reason, and nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import pytest

from domain.wire.events import NAMESPACES
from server.app import utc_now
from tests.harness.call_gates import CallGate
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.harness.waiting import until
from tests.server.sockets.phones import PASSWORD, Account, Tokens
from tests.server.sockets.raw import UNKNOWN_NAMESPACE, Raw, admitted, raw_socket

# What a namespace is told that was just about to be connected: a client library does not try again then.
ENDED = '4{},{{"message":"This session has ended; sign in again.","data":{{"code":"unauthenticated"}}}}'


@pytest.fixture
async def account(shared: RunningNode, fresh_people: People) -> AsyncIterator[Account]:
    async with aiohttp.ClientSession() as http:
        yield await Account.make(shared, fresh_people, http)
    await until(lambda: not shared.node.gateway.clients)


@asynccontextmanager
async def connected(url: str, *tokens: str) -> AsyncIterator[list[Raw]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(admitted(url, token, *NAMESPACES)) for token in tokens]


async def assert_cut(raw: Raw, reason: str) -> None:
    await raw.closed()
    said = [packet for packet in raw.received if "session:revoked" in packet]
    assert said == [f'2{namespace},["session:revoked",{{"reason":"{reason}"}}]' for namespace in NAMESPACES]


async def assert_alive(*raws: Raw) -> None:
    for raw in raws:
        for namespace in NAMESPACES:
            assert await raw.is_usable(namespace)
        assert raw.received == []


async def logout(account: Account, first: Tokens, second: Tokens) -> str:
    await account.post("logout", token=first["accessToken"], status=204)
    return "logout"


async def end_from_afar(account: Account, first: Tokens, second: Tokens) -> str:
    """The first phone was lost: its session is ended from the second."""
    session_id = first["refreshToken"].partition(".")[0]
    await account.call("DELETE", f"sessions/{session_id}", token=second["accessToken"], status=204)
    return "session_ended"


async def reuse(account: Account, first: Tokens, second: Tokens) -> str:
    """A refresh token is used for the third time: somebody copied it."""
    stolen = {"refreshToken": first["refreshToken"]}
    successor = (await account.post("refresh", stolen))["refreshToken"]
    await account.post("refresh", {"refreshToken": successor})
    await account.post("refresh", stolen, status=401)
    return "session_ended"


async def logout_all(account: Account, first: Tokens, second: Tokens) -> str:
    await account.post("logout-all", token=first["accessToken"], status=204)
    return "logout_all"


async def change_password(account: Account, first: Tokens, second: Tokens) -> str:
    body = {"currentPassword": PASSWORD, "newPassword": PASSWORD + "!"}
    tokens = await account.post("change-password", body, token=first["accessToken"])
    async with admitted(account.running.url, tokens["accessToken"]) as raw:
        assert await raw.is_usable()
    return "password_changed"


Way = Callable[[Account, Tokens, Tokens], Awaitable[str]]


@pytest.mark.parametrize("way", [logout, end_from_afar, reuse])
async def test_one_session_ends(account: Account, fresh_people: People, way: Way) -> None:
    first, second = await account.login(), await account.login()
    mine, others = (
        first["accessToken"],
        (second["accessToken"], account.person.token, (await fresh_people.make()).token),
    )
    async with connected(account.running.url, mine, mine, *others) as (one, same, *rest):
        reason = await way(account, first, second)
        await assert_cut(one, reason)
        await assert_cut(same, reason)
        await assert_alive(*rest)
        async with raw_socket(account.running.url) as again:
            assert (await again.connect(mine))["data"] == {"code": "unauthenticated"}


@pytest.mark.parametrize("way", [logout_all, change_password])
async def test_all_sessions_end(account: Account, fresh_people: People, way: Way) -> None:
    first, second = await account.login(), await account.login()
    tokens = first["accessToken"], second["accessToken"], (await fresh_people.make()).token
    async with connected(account.running.url, *tokens) as (one, two, other):
        reason = await way(account, first, second)
        await assert_cut(one, reason)
        await assert_cut(two, reason)
        await assert_alive(other)


async def test_a_refresh_cuts_nothing(account: Account) -> None:
    first = await account.login()
    async with connected(account.running.url, first["accessToken"]) as (raw,):
        renewed = await account.post("refresh", {"refreshToken": first["refreshToken"]})
        await assert_alive(raw)
        # A phone that lost the answer asks once more.
        await account.post("refresh", {"refreshToken": first["refreshToken"]})
        await assert_alive(raw)
        async with connected(account.running.url, renewed["accessToken"]) as (newer,):
            await assert_alive(newer)


async def test_a_socket_of_two_sessions_ends_with_either(account: Account) -> None:
    first, second = await account.login(), await account.login()
    for ended in (first, second):
        async with raw_socket(account.running.url) as raw:
            fresh = await account.login()
            await raw.connect(fresh["accessToken"], "/conversations")
            assert "sid" in await raw.connect(ended["accessToken"], "/presence")
            await account.post("logout", token=ended["accessToken"], status=204)
            await raw.closed()


@pytest.mark.parametrize("after", [False, True], ids=["before the look-up", "after the look-up"])
async def test_a_session_that_ends_while_its_token_is_looked_up_is_cut(
    account: Account, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    first = await account.login()
    node = account.running.node
    session_id = first["refreshToken"].partition(".")[0]
    async with raw_socket(account.running.url) as raw:
        gate = CallGate(node.authenticator.authenticate, after=after)
        with monkeypatch.context() as patched:
            patched.setattr(node.authenticator, "authenticate", gate)
            await raw.send(f'0/conversations,{{"token":"{first["accessToken"]}"}}')
            await gate.entered.wait()
            assert await node.store.sessions.revoke(account.person.id, session_id, "logout", utc_now())
            node.registry.cut(account.person.id, "logout", session_id)
            gate.opened.set()
            await raw.closed()
        assert raw.received == [ENDED.format("/conversations")]
    assert node.rooms.connections == 0


async def test_a_second_namespace_is_looked_up_when_the_first_is_cut(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await account.login()
    node = account.running.node
    async with admitted(account.running.url, first["accessToken"], "/conversations") as raw:
        gate = CallGate(node.authenticator.authenticate)
        with monkeypatch.context() as patched:
            patched.setattr(node.authenticator, "authenticate", gate)
            await raw.send(f'0/presence,{{"token":"{first["accessToken"]}"}}')
            await gate.entered.wait()
            node.registry.cut(account.person.id, "logout")
            gate.opened.set()
            await raw.closed()
        told = '2/conversations,["session:revoked",{"reason":"logout"}]'
        assert raw.received == [told, ENDED.format("/presence")]


async def test_leaving_while_connect_is_pending_takes_it_back(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = account.running.node
    async with raw_socket(account.running.url) as raw:
        gate = CallGate(node.authenticator.authenticate)
        with monkeypatch.context() as patched:
            patched.setattr(node.authenticator, "authenticate", gate)
            await raw.send(f'0/conversations,{{"token":"{account.person.token}"}}')
            await gate.entered.wait()
            await raw.send("1/conversations,")
            # An answer to something else says that the leaving was taken.
            await raw.send("0/nowhere,")
            assert await raw.receive() == UNKNOWN_NAMESPACE.format("/nowhere,")
            await raw.send(f'0/conversations,{{"token":"{account.person.token}"}}')
            await until(lambda: gate.calls == 2)
            gate.opened.set()
            assert "sid" in await raw.answer_to_connect()
        assert await raw.is_usable()
        assert raw.received == []
        assert node.rooms.connections == 1


async def test_what_was_asked_before_the_cut_is_still_done(account: Account, fresh_people: People) -> None:
    client, _, conversation = await fresh_people.pair()
    node = account.running.node
    async with admitted(account.running.url, client.token) as raw:
        body = f'"conversationId":"{conversation}","text":"last words"'
        for n in range(20):
            await raw.submit(f'["message:send",{{"clientMessageId":"{n}",{body}}}]')
        assert (await raw.answer_to(1))["ok"]
        node.registry.cut(client.id, "logout")
        await raw.closed()
    await asyncio.wait_for(node.dispatcher.drain(), 10)
    stored = await node.store.log.read.heads([conversation])
    acknowledged = 1 + sum(packet.startswith("3/conversations,") for packet in raw.received)
    assert stored[conversation] >= acknowledged
