"""Whatever order nodes act, die, freeze and forget in: what was said last is true, and versions only rise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from domain.presence import NO_CHOICE, Choice, Status, View, combined, public
from server.cluster.lease import DEAD
from server.cluster.scripts import Scripts
from server.presence import redis_scripts as names
from server.presence import watches
from server.presence.watches import Reading
from tests.server.presence.bare import PresenceNode

NODES, USERS = 3, ("u1", "u2")
_node, _user = st.integers(0, NODES - 1), st.sampled_from(USERS)
_step = st.one_of(
    st.tuples(st.just("put"), _node, _user, st.sampled_from(("online", "away", "invisible"))),
    st.tuples(st.just("take"), _node, _user),
    st.tuples(st.just("choose"), _node, _user, st.sampled_from(("online", "away", "invisible"))),
    st.tuples(st.sampled_from(("align", "renew", "lapse", "kill")), _node),
    st.tuples(st.just("flush")),
)
Steps = Sequence[tuple[object, ...]]
STEPS = st.lists(_step, max_size=40)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Fleet:
    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.seen: dict[str, int] = {}
        self.nodes: list[PresenceNode | None] = [PresenceNode(redis, seen=self.seen) for _ in range(NODES)]
        # As MongoDB has them, and whose newest Redis was given.
        self.choices: dict[str, Choice] = {}
        self.written: set[str] = set()

    async def do(self, what: str, *rest: object) -> None:
        if what == "flush":
            await self.redis.flushall()
            self.written.clear()
            return
        number = rest[0]
        assert isinstance(number, int)
        node = self.nodes[number]
        if node is None:
            # A killed one is started again by whatever is next asked of it.
            node = self.nodes[number] = PresenceNode(self.redis, seen=self.seen)
        if what == "kill":
            await node.lapse()
            self.nodes[number] = None
        elif what == "put":
            node.put(*rest[1:])  # type: ignore[arg-type]
        elif what == "take":
            node.take(*rest[1:])  # type: ignore[arg-type]
        elif what == "choose":
            await self.choose(node, *rest[1:])  # type: ignore[arg-type]
        else:
            await {"align": node.flush, "renew": node.renew, "lapse": node.lapse}[what]()

    async def choose(self, node: PresenceNode, user_id: str, status: Status) -> None:
        """One of the user's devices here says it; the other nodes have yet to receive it."""
        version = self.choices.get(user_id, NO_CHOICE).version + 1
        choice = self.choices[user_id] = Choice(status=status, version=version)
        self.written.discard(user_id)
        node.put(user_id, status)
        node.choose(user_id, choice)
        await node.renew()
        await node.flush()
        self.written.add(user_id)

    async def nobody_who_hides_is_shown(self) -> None:
        for user_id in self.written:
            if self.choices[user_id].hides:
                assert await self.redis.hget(names.user(user_id), "s") in (b"offline", None)

    async def come_to_rest(self) -> None:
        """Everybody alive does what it has to do in time, in the order in which loops would."""
        for node in filter(None, self.nodes):
            for user_id, choice in self.choices.items():
                node.choose(user_id, choice)
        for _ in range(2):
            for node in filter(None, self.nodes):
                await node.renew()
                await node.flush()

    def truth(self, user_id: str) -> str:
        here = [status for node in filter(None, self.nodes) if (status := node.devices.status(user_id))]
        return public(combined(here))


@settings(relaxed, max_examples=60)
@given(steps=STEPS)
async def test_what_was_said_last_is_true(redis: Redis, steps: Steps) -> None:
    await the_last_is_true(redis, steps)


@pytest.mark.verify
@settings(relaxed, max_examples=150)
@given(steps=STEPS)
async def test_what_was_said_last_is_true_more_often(redis: Redis, steps: Steps) -> None:
    await the_last_is_true(redis, steps)


async def the_last_is_true(redis: Redis, steps: Steps) -> None:
    await redis.flushall()
    fleet = Fleet(redis)
    async with redis.pubsub() as listener:
        await listener.subscribe(*map(names.user, USERS), "end")
        for step in steps:
            await fleet.do(*step)  # type: ignore[arg-type]
            await fleet.nobody_who_hides_is_shown()
        await fleet.come_to_rest()
        said = await received(redis, listener)
    for user_id in USERS:
        now = (await Reading(Scripts(redis)).of([user_id]))[user_id]
        assert now.status == fleet.truth(user_id)
        live = {node.lease.incarnation for node in fleet.nodes if node and node.devices.status(user_id)}
        assert now.holders == live
        versions = [view.version for view in said[user_id]]
        assert versions == sorted(set(versions)), "each version once, rising"
        if said[user_id] and now.version:
            assert said[user_id][-1] == now
    assert await redis.zcard(DEAD) == 0


async def received(redis: Redis, listener: PubSub) -> dict[str, list[View]]:
    """Everything published so far, by user."""
    await redis.publish("end", b"")
    said: dict[str, list[View]] = {user_id: [] for user_id in USERS}
    async for message in listener.listen():
        channel = message["channel"].decode()
        if message["type"] == "message" and channel == "end":
            break
        with suppress(StopIteration):
            if message["type"] == "message":
                user_id = next(u for u in USERS if names.user(u) == channel)
                said[user_id].append(watches.from_message(message["data"]))
    return said
