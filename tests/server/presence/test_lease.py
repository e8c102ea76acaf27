"""Who may take over whom, and when."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from redis.asyncio import Redis

from domain.presence import Choice
from server.cluster.lease import DEAD, LEASES, QUIET
from server.cluster.membership import DeadNode
from server.cluster.scripts import Scripts
from server.presence import redis_scripts as names
from server.presence.redis_scripts import CHANGE
from server.presence.watches import Reading
from tests.server.presence.bare import BARE, PresenceNode


async def status(redis: Redis, user_id: str) -> str:
    return (await Reading(Scripts(redis)).of([user_id]))[user_id].status


async def test_the_users_of_a_lapsed_lease_are_taken_over_with_the_time_it_ran_out(redis: Redis) -> None:
    one, other = PresenceNode(redis), PresenceNode(redis)
    await one.renew()
    one.put("u1", "online")
    await one.flush()
    ran_out = int(time.time() * 1000) - 5_000
    await redis.zadd(LEASES, {one.lease.incarnation: ran_out})
    await other.renew()
    assert await status(redis, "u1") == "offline"
    assert other.seen == {"u1": ran_out}
    assert other.dead == [ran_out]
    assert not await redis.exists(names.held_by(one.lease.incarnation))


async def test_a_lease_that_ran_out_unnoticed_is_renewed(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    incarnation = node.lease.incarnation
    await node.lapse()
    await node.renew()
    assert node.lease.incarnation == incarnation


async def test_a_lease_in_an_older_state_of_redis_is_another(redis: Redis) -> None:
    """It is left to run out, and with it who has left since that state."""
    node = PresenceNode(redis)
    await node.renew()
    incarnation, deadline = node.lease.incarnation, node.lease.deadline
    await redis.zadd(LEASES, {incarnation: deadline - 1})
    await node.renew()
    assert node.lease.incarnation != incarnation
    assert await redis.zscore(LEASES, incarnation) == deadline - 1


async def test_the_dead_take_another_name_and_register_again(redis: Redis) -> None:
    one, other = PresenceNode(redis), PresenceNode(redis)
    await one.renew()
    one.put("u1", "away")
    await one.flush()
    incarnation = one.lease.incarnation
    await one.lapse()
    await other.renew()
    await one.renew()
    assert one.lease.incarnation != incarnation
    await one.flush()
    assert await status(redis, "u1") == "away"
    assert await redis.hkeys(names.user("u1")) != []
    assert not await redis.hexists(names.user("u1"), f"n:{incarnation}")


async def test_who_is_taken_for_dead_after_redis_lost_leases_takes_another_name(redis: Redis) -> None:
    """Its own was not lost, and would be renewed."""
    one, other = PresenceNode(redis), PresenceNode(redis)
    await one.renew()
    one.put("u1", "online")
    await one.flush()
    incarnation, deadline = one.lease.incarnation, one.lease.deadline
    await other.membership.hand_out(DeadNode(incarnation, deadline, deadline))
    assert await status(redis, "u1") == "offline"
    await one.renew()
    assert one.lease.incarnation != incarnation
    await one.flush()
    assert await status(redis, "u1") == "online"


async def test_nobody_takes_over_after_an_interruption(redis: Redis) -> None:
    timing = replace(BARE, quiet_after_ms=4_000)
    one, other = PresenceNode(redis, timing), PresenceNode(redis, timing)
    await one.renew()
    one.put("u1", "online")
    await one.flush()
    await one.lapse()
    # Nobody had renewed for longer than that: it was Redis that was away, not the others.
    await redis.hset(QUIET, mapping={"last": int(time.time() * 1000) - 5_000, "until": 0})
    await other.renew()
    assert await status(redis, "u1") == "online"
    assert await redis.zscore(LEASES, one.lease.incarnation) == one.lease.deadline
    await redis.hset(QUIET, "until", 0)
    await other.renew()
    assert await status(redis, "u1") == "offline"


async def test_a_write_that_was_long_on_its_way_is_refused(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    key = names.user("u1")
    late = int(time.time() * 1000) - 1
    call = names.change("u1", node.lease.incarnation, "online", "PUBLISH", left_at=0, deadline=late)
    answer = await node.scripts.run(CHANGE, call)
    assert answer is None
    assert not await redis.exists(key)


async def test_the_forgotten_cannot_register(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    incarnation = node.lease.incarnation
    await redis.delete(LEASES)
    node.put("u1", "online")
    await node.flush()
    assert not await redis.exists(names.held_by(incarnation))
    assert node.lease.incarnation != incarnation
    assert await status(redis, "u1") == "online"


async def test_survivors_share_the_work_and_do_it_once(redis: Redis) -> None:
    dead, *survivors = [PresenceNode(redis) for _ in range(4)]
    await dead.renew()
    users = [f"u{number}" for number in range(1_000)]
    for user_id in users:
        dead.put(user_id, "online")
    await dead.flush()
    await dead.lapse()
    buried = await survivors[0].lease.renew()
    await asyncio.gather(*(survivor.hand_out(buried) for survivor in survivors))
    assert {await status(redis, user_id) for user_id in users} == {"offline"}
    assert set().union(*(survivor.seen for survivor in survivors)) == set(users)
    assert await redis.zcard(DEAD) == 0


async def test_an_orderly_end_is_taken_over_after_the_grace(redis: Redis) -> None:
    timing = replace(BARE, margin_ms=1_000, resign_seconds=3.0)
    node = PresenceNode(redis, timing)
    await node.renew()
    await node.lease.resign()
    ends_at = await redis.zscore(LEASES, node.lease.incarnation)
    assert ends_at is not None
    assert abs(ends_at - time.time() * 1000 - 2_000) < 1_000


async def test_what_was_registered_while_redis_forgot_is_replaced(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    node.put("u1", "online")
    await node.flush()
    # As if everything had been forgotten after the name was noted and before the user was registered.
    await redis.delete(LEASES, names.held_by(node.lease.incarnation))
    await node.renew()
    await node.flush()
    view = (await Reading(Scripts(redis)).of(["u1"]))["u1"]
    assert view.holders == {node.lease.incarnation}


async def test_who_is_back_before_the_departure_is_durable_stays_on_the_list(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    for there in (True, False, True):
        if there:
            node.put("u1", "online")
        else:
            node.take("u1")
        await node.registrar.flush()
    await node.last_seen.drain()
    await node.registrar.flush()
    assert await redis.smismember(names.held_by(node.lease.incarnation), ["u1"]) == [1]


async def test_a_node_knows_whether_others_will_take_over(redis: Redis) -> None:
    node = PresenceNode(redis)
    assert not await node.lease.resign()
    await node.renew()
    assert await node.lease.resign()
    await redis.flushall()
    assert not await node.lease.resign()


async def test_of_an_older_state_of_redis_nobody_takes_over_who_came_since(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    await redis.zadd(LEASES, {node.lease.incarnation: node.lease.deadline - 1})
    assert not await node.lease.resign()


async def test_who_redis_does_not_know_of_was_seen(redis: Redis) -> None:
    """Those whom nobody can take over: registered under no name, or under one that Redis has forgotten."""
    node = PresenceNode(redis)
    await node.renew()
    node.put("known", "online")
    await node.flush()
    node.put("new", "away")
    node.devices.connect("unseen", "unseen", "invisible")
    node.registrar.note_seen(7, everybody=False)
    await node.last_seen.drain()
    assert node.seen == {"new": 7}
    await redis.flushall()
    await node.lease.renew()
    node.registrar.note_seen(8, everybody=False)
    await node.last_seen.drain()
    assert node.seen == {"known": 8, "new": 8}


async def test_who_left_before_redis_received_it_was_seen_then(redis: Redis) -> None:
    node = PresenceNode(redis)
    await node.renew()
    node.put("u1", "online")
    node.take("u1")
    node.registrar.changed("u1", 5)
    node.registrar.note_seen(9, everybody=False)
    await node.last_seen.drain()
    assert node.seen == {"u1": 5}


async def test_what_the_account_has_holds_for_those_who_are_taken_over(redis: Redis) -> None:
    """They ended it at nodes of an earlier version, whose script leaves the fields of the choice as they are."""
    accounts = {"u1": Choice(status="online", version=2)}
    one, ending, survivor = (PresenceNode(redis, accounts=accounts) for _ in range(3))
    for node in (one, ending, survivor):
        await node.renew()
        node.put("u1", "online")
        await node.flush()
    await redis.hset(names.user("u1"), mapping={"choice": 1, "hides": 1})
    await ending.lapse()
    await survivor.renew()
    assert not await redis.hexists(names.user("u1"), f"n:{ending.lease.incarnation}")
    assert await status(redis, "u1") == "online"
