"""Deaths are handed out until they are handled, each by itself; a lost lease is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from server.cluster.lease import DEAD, LEASES, QUIET, RENEW, LeaseTiming
from server.cluster.membership import ClusterMembership, DeadNode
from server.cluster.scripts import Script, ScriptCall, Scripts
from tests.harness.waiting import until

# Leases run out when a test says so, no clocks differ, and Redis was never away.
BY_HAND = LeaseTiming(lease_ms=600_000, margin_ms=0, quiet_after_ms=10**13)

# A killed node is soon known to be dead, though one of a busy machine may be late.
FORGETFUL = LeaseTiming(lease_ms=2_000, margin_ms=500, renew_seconds=0.1, quiet_after_ms=1_000, resign_seconds=0.6)


class Subscriber:
    """Notes whom it was told of; fails or waits when a test wants it to."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failing = False
        self.may_return = asyncio.Event()
        self.may_return.set()

    async def __call__(self, dead: DeadNode) -> None:
        self.told.append(dead.incarnation)
        if self.failing:
            raise RuntimeError("cannot be handled now")
        await self.may_return.wait()


async def expire(redis: Redis, membership: ClusterMembership) -> str:
    """The lease runs out, as for a node that is frozen or dead; answers its name."""
    await membership.lease.renew()
    membership.lease.deadline = 1
    await redis.zadd(LEASES, {membership.lease.incarnation: 1}, xx=True)
    return membership.lease.incarnation


async def hand_out(membership: ClusterMembership) -> list[bool]:
    dead = await membership.lease.renew()
    return [await membership.hand_out(DeadNode(name, ran_out)) for name, ran_out in dead.items()]


async def test_a_death_is_handed_out_until_all_have_handled_it(redis: Redis) -> None:
    gone, living, other = [ClusterMembership(redis, BY_HAND) for _ in range(3)]
    willing, failing = Subscriber(), Subscriber()
    failing.failing = True
    living.on_node_dead(willing)
    living.on_node_dead(failing)
    name = await expire(redis, gone)
    assert await hand_out(living) == [False]
    assert await hand_out(living) == [False]
    # Its node may end meanwhile: whoever else lives is handed it too.
    elsewhere = Subscriber()
    other.on_node_dead(elsewhere)
    failing.failing = False
    assert await hand_out(living) == [True]
    assert willing.told == failing.told == [name] * 3
    assert await hand_out(other) == []
    assert elsewhere.told == []
    assert living.deaths == 1


async def test_a_node_that_ends_between_noticing_and_doing_loses_nothing(redis: Redis) -> None:
    gone, doomed, living = [ClusterMembership(redis, BY_HAND) for _ in range(3)]
    stuck, subscriber = Subscriber(), Subscriber()
    stuck.may_return.clear()
    doomed.on_node_dead(stuck)
    living.on_node_dead(subscriber)
    name = await expire(redis, gone)
    doomed.start()
    async with asyncio.timeout(30):
        while not stuck.told:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await doomed.stop()
    await hand_out(living)
    assert subscriber.told == [name]
    assert await redis.zcard(DEAD) == 0


async def test_two_that_handle_a_death_at_once_count_it_once(redis: Redis) -> None:
    gone, *both = [ClusterMembership(redis, BY_HAND) for _ in range(3)]
    subscribers = [Subscriber(), Subscriber()]
    for membership, subscriber in zip(both, subscribers, strict=True):
        membership.on_node_dead(subscriber)
    name = await expire(redis, gone)
    await both[0].lease.renew()
    assert await asyncio.gather(*(membership.hand_out(DeadNode(name, 1)) for membership in both)) == [True, True]
    assert [subscriber.told for subscriber in subscribers] == [[name], [name]]
    assert sum(membership.deaths for membership in both) == 1


async def test_a_death_that_cannot_be_handled_does_not_hold_up_another(redis: Redis) -> None:
    living = ClusterMembership(redis, BY_HAND)
    concluded: list[str] = []
    await living.lease.renew()
    stuck = await expire(redis, ClusterMembership(redis, BY_HAND))

    async def look_after(dead: DeadNode) -> None:
        if dead.incarnation == stuck:
            await asyncio.Event().wait()
        concluded.append(dead.incarnation)

    living.on_node_dead(look_after)
    living.start()
    other = await expire(redis, ClusterMembership(redis, BY_HAND))
    async with asyncio.timeout(30):
        while concluded != [other]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await living.stop()
    assert await redis.zrange(DEAD, 0, -1) == [stuck.encode()]


async def test_a_frozen_node_that_was_declared_dead_goes_by_a_new_name(redis: Redis) -> None:
    frozen, living = ClusterMembership(redis, BY_HAND), ClusterMembership(redis, BY_HAND)
    told: list[str] = []
    frozen.on_lease_lost(lambda: told.append(1 / 0))  # type: ignore[arg-type]
    frozen.on_lease_lost(lambda: told.append(frozen.lease.incarnation))
    name = await expire(redis, frozen)
    await living.lease.renew()
    await frozen.lease.renew()
    # One callback that raises keeps neither the others nor the lease.
    assert told == [frozen.lease.incarnation] != [name]
    assert (frozen.losses, living.losses) == (1, 0)
    await frozen.lease.renew()
    assert frozen.losses == 1


async def test_a_new_name_is_reported_though_the_answer_to_it_was_lost(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has it: the next renewal finds nothing wrong."""
    node, living = ClusterMembership(redis, BY_HAND), ClusterMembership(redis, BY_HAND)
    names: list[str] = []
    node.on_lease_lost(lambda: names.append(node.lease.incarnation))
    before = await expire(redis, node)
    await hand_out(living)
    run, renewals = Scripts.run, count(1)

    async def losing_an_answer(scripts: Scripts, script: Script, call: ScriptCall) -> object:
        answer = await run(scripts, script, call)
        if script is RENEW and next(renewals) == 2:
            raise RedisConnectionError
        return answer

    monkeypatch.setattr(Scripts, "run", losing_an_answer)
    with pytest.raises(RedisConnectionError):
        await node.lease.renew()
    await node.lease.renew()
    await node.lease.renew()
    assert names == [node.lease.incarnation] and names != [before]
    assert node.losses == 1
    assert await redis.zscore(LEASES, names[0]) is not None


async def test_who_resigns_is_handed_out_when_that_time_is_over(redis: Redis) -> None:
    leaving, living = ClusterMembership(redis, BY_HAND), ClusterMembership(redis, BY_HAND)
    subscriber = Subscriber()
    living.on_node_dead(subscriber)
    await leaving.lease.renew()
    assert await leaving.stop()
    await hand_out(living)
    assert subscriber.told == []
    await redis.zadd(LEASES, {leaving.lease.incarnation: 1}, xx=True)
    await hand_out(living)
    assert subscriber.told == [leaving.lease.incarnation]


async def test_after_redis_was_emptied_nobody_is_declared_dead_for_one_lease(redis: Redis) -> None:
    one, other = [ClusterMembership(redis, LeaseTiming(lease_ms=600_000, margin_ms=0)) for _ in range(2)]
    subscriber = Subscriber()
    other.on_node_dead(subscriber)
    await one.lease.renew()
    await other.lease.renew()
    await redis.flushall()
    await other.lease.renew()
    assert other.losses == 1
    name = await expire(redis, one)
    await hand_out(other)
    assert subscriber.told == []
    await redis.hset(QUIET, "until", "0")
    await hand_out(other)
    assert subscriber.told == [name]


async def test_a_death_in_hand_is_handled_though_redis_has_forgotten_it(redis: Redis) -> None:
    gone, living = ClusterMembership(redis, BY_HAND), ClusterMembership(redis, BY_HAND)
    subscriber, other = Subscriber(), Subscriber()
    living.on_node_dead(subscriber)
    living.on_node_dead(other)
    await living.lease.renew()
    name = await expire(redis, gone)
    subscriber.failing = True
    living.start()
    await until(lambda: bool(subscriber.told))
    await redis.flushall()
    before = len(subscriber.told)
    subscriber.failing = False
    await until(lambda: len(subscriber.told) > before)
    await living.stop()
    assert set(subscriber.told) == set(other.told) == {name}


async def test_who_was_known_when_redis_was_emptied_and_does_not_come_back_is_dead(redis: Redis) -> None:
    """And nobody else: those who live come back, if under another name."""
    gone, *living = [ClusterMembership(redis, FORGETFUL) for _ in range(4)]
    subscribers = await started(living)
    await gone.lease.renew()
    await until(lambda: all(node.alive == 4 for node in living))
    await redis.flushall()
    await until(lambda: all(subscriber.told for subscriber in subscribers))
    # What is known of all lasts equally long: whoever else was to be taken for dead would be by now.
    await until(lambda: all(node.alive == 3 for node in living))
    assert [subscriber.told for subscriber in subscribers] == [[gone.lease.incarnation]] * 3
    assert [node.losses for node in living] == [1, 1, 1]
    await stopped(living)


async def test_who_resigned_is_not_dead_once_more_when_redis_is_emptied(redis: Redis) -> None:
    leaving, gone, *living = [ClusterMembership(redis, FORGETFUL) for _ in range(4)]
    subscribers = await started(living)
    await leaving.lease.renew()
    await until(lambda: all(node.alive == 3 for node in living))
    assert await leaving.stop()
    await until(lambda: all(node.alive == 2 for node in living))
    await gone.lease.renew()
    await until(lambda: all(node.alive == 3 for node in living))
    told = [name for subscriber in subscribers for name in subscriber.told]
    assert set(told) == {leaving.lease.incarnation}
    await redis.flushall()
    await until(lambda: all(gone.lease.incarnation in subscriber.told for subscriber in subscribers))
    again = [name for subscriber in subscribers for name in subscriber.told if name != gone.lease.incarnation]
    assert again == told
    await stopped(living)


async def started(living: Sequence[ClusterMembership]) -> list[Subscriber]:
    subscribers = [Subscriber() for _ in living]
    for node, subscriber in zip(living, subscribers, strict=True):
        node.on_node_dead(subscriber)
        node.start()
    return subscribers


async def stopped(living: Sequence[ClusterMembership]) -> None:
    for node in living:
        await node.stop()
