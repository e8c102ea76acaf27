"""Presence over two nodes: devices, statuses, the grace, and who may see whom."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest
from bson import ObjectId

from domain.times import whole_milliseconds
from domain.wire.events import CONVERSATIONS, PRESENCE
from server.app import utc_now
from server.cluster.lease import LEASES
from server.cluster.membership import DeadNode
from server.presence.devices import Devices
from tests.harness.devices import TIMEOUT_SECONDS, Refused, device
from tests.harness.nodes import running_node
from tests.harness.waiting import eventually
from tests.together.presence_nodes import CHANGED, Fleet, changes, say, sees, watch, watcher


async def test_coming_and_leaving_is_told_on_every_node(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with watcher(here, trainer) as near, watcher(there, trainer) as far:
        nobody = {"userId": client.id, "status": "offline", "lastSeenAt": None}
        assert await watch(near, client) == await watch(far, client) == {client.id: nobody}
        # Any namespace makes somebody present.
        async with device(here, client, (CONVERSATIONS,)):
            for phone in (near, far):
                await sees(phone, client, "online")
                assert phone.events(CHANGED)[0] == {"userId": client.id, "status": "online", "lastSeenAt": None}
        for phone in (near, far):
            await sees(phone, client, "online", "offline")
            assert phone.events(CHANGED)[1]["lastSeenAt"] is not None
        told = near.events(CHANGED)[1]
        assert far.events(CHANGED)[1] == told
        # The same is answered to whoever asks now, and is durable.
        assert await watch(far, client) == {client.id: told}
        await two_presence_nodes.nodes[0].node.presence.last_seen.drain()
        stored = await two_presence_nodes.nodes[1].node.store.presences.last_seen([client.id])
        assert stored[client.id] is not None


async def test_the_most_present_device_counts(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with (
        watcher(there, trainer, client) as seeing,
        device(here, client, (PRESENCE,)) as phone,
        device(there, client, (PRESENCE,)) as laptop,
    ):
        for one in (phone, laptop):
            await say(one, "online")
        await sees(seeing, client, "online")
        await say(phone, "away")
        await say(laptop, "away")
        await sees(seeing, client, "online", "away")
        await say(laptop, "online")
        await sees(seeing, client, "online", "away", "online")


async def test_nobody_sees_somebody_invisible_type(two_presence_nodes: Fleet) -> None:
    client, trainer, conversation = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with (
        watcher(there, trainer, client) as seeing,
        device(there, trainer) as other,
        device(here, client, (PRESENCE, CONVERSATIONS)) as phone,
        device(there, client, (PRESENCE, CONVERSATIONS)) as laptop,
    ):
        await sees(seeing, client, "online")
        typing = {"conversationId": conversation, "active": True}
        await laptop.do("typing", typing)
        await other.receive("typing")
        await say(phone, "invisible")
        await sees(seeing, client, "online", "offline")
        for one in (phone, laptop):
            await one.do("typing", typing)
        await laptop.send(conversation, "told behind")
        await other.receive("message:new")
        # It ended when its author was no longer to be seen.
        assert [event["active"] for event in other.events("typing")] == [True, False]
        await say(laptop, "online")
        await sees(seeing, client, "online", "offline", "online")

        async def is_seen_here() -> bool:
            """What the watcher was told is the other node's view."""
            return not two_presence_nodes.nodes[0].node.presence.hides(client.id)

        await eventually(is_seen_here)
        await phone.do("typing", typing)
        assert [event["active"] for event in await other.receive("typing", 3)] == [True, False, True]


async def test_flapping_is_silent(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with watcher(here, trainer, client) as seeing:
        for url in (here, there, here):
            async with device(url, client, (PRESENCE,)):
                await sees(seeing, client, "online")
        async with device(there, client, (PRESENCE,)) as back:
            # Longer than the grace: what could be told has been.
            for running in two_presence_nodes.nodes:
                await grace_over(running.node.presence.devices)
            await watch(back, client)
            assert changes(seeing, client) == ["online"]
        await sees(seeing, client, "online", "offline")


@pytest.mark.parametrize("status", ["invisible", pytest.param("away", marks=pytest.mark.verify)])
async def test_a_status_outlasts_the_connection(two_presence_nodes: Fleet, status: str) -> None:
    """It is the session's: nobody sees a flash of somebody who is invisible, whichever node they come back to."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    seen = ["online", "offline"] if status == "invisible" else ["online", "away"]
    async with watcher(here, trainer, client) as near, watcher(there, trainer, client) as far:
        async with device(here, client, (CONVERSATIONS, PRESENCE)) as phone:
            await say(phone, "online")
            await say(phone, status)
        # At once, and when nobody remembers the earlier connection.
        for url in (there, here):
            async with device(url, client, (CONVERSATIONS, PRESENCE)) as back:
                for running in two_presence_nodes.nodes:
                    await grace_over(running.node.presence.devices)
                    await running.node.presence.registrar.flushed(client.id)
                await watch(back, client)
                for seeing in (near, far):
                    await watch(seeing, client)
                    assert changes(seeing, client) == seen
        async with device(here, client, (PRESENCE,)) as back:
            await say(back, "online")
            for seeing in (near, far):
                await seeing.until(lambda seeing: changes(seeing, client)[-1] == "online")
        await near.until(lambda near: changes(near, client)[-1] == "offline")
        async with device(there, client, (PRESENCE,)):
            await near.until(lambda near: changes(near, client)[-1] == "online")


async def test_away_is_that_of_one_session_and_invisible_the_persons(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with watcher(there, trainer, client) as seeing:
        async with device(here, client, (PRESENCE,)) as phone:
            await say(phone, "away")
        async with device(here, await two_presence_nodes.people.another_device(client), (PRESENCE,)) as laptop:
            await seeing.until(lambda seeing: changes(seeing, client)[-1:] == ["online"])
            await say(laptop, "invisible")
            await seeing.until(lambda seeing: changes(seeing, client)[-1:] == ["offline"])
        told = changes(seeing, client)
        for url in two_presence_nodes.urls:
            async with device(url, await two_presence_nodes.people.another_device(client), (PRESENCE,)) as new:
                for running in two_presence_nodes.nodes:
                    await grace_over(running.node.presence.devices)
                await watch(new, client)
        assert changes(seeing, client) == told
        async with device(here, client, (PRESENCE,)) as phone:
            await say(phone, "away")
            await seeing.until(lambda seeing: changes(seeing, client)[-1:] == ["away"])
            # The one that hid its owner no longer does.
            async with device(there, client, (PRESENCE,)):
                pass


async def test_the_erased_are_seen_leaving_and_never_again(two_presence_nodes: Fleet) -> None:
    """Who may see somebody may do so for as long as there is somebody: a shared conversation does not end."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with watcher(there, trainer, client) as seeing, watcher(here, client, trainer) as erased:
        await sees(seeing, client, "online")
        store = two_presence_nodes.nodes[1].node.store
        user = await store.users.by_id(client.id)
        assert user is not None
        await store.erasures.erase(user, whole_milliseconds(utc_now()))
        await erased.disconnected.wait()
        await sees(seeing, client, "online", "offline")
        nobody = {"userId": client.id, "status": "offline", "lastSeenAt": None}
        async with watcher(here, trainer) as asking:
            assert await watch(asking, client) == {client.id: nobody}
        assert two_presence_nodes.nodes[0].node.presence.watches.users == 0


async def grace_over(devices: Devices) -> None:
    """Wait until no device that left counts any more."""

    async def over() -> bool:
        return not devices.leaving

    await eventually(over)


async def test_another_device_elsewhere_keeps_somebody_online(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    async with watcher(there, trainer, client) as seeing, device(there, client, (PRESENCE,)) as laptop:
        async with device(here, client, (CONVERSATIONS,)):
            await sees(seeing, client, "online")
        await grace_over(two_presence_nodes.nodes[0].node.presence.devices)
        assert (await watch(laptop, client))[client.id]["status"] == "online"
        assert changes(seeing, client) == ["online"]


async def test_outsiders_learn_nothing(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    outsider = await two_presence_nodes.people.make("trainer")
    here, there = two_presence_nodes.urls
    nowhere = "f" * 24
    async with watcher(here, outsider) as stranger, watcher(here, trainer, client) as seeing:
        asked = {"userIds": [client.id, nowhere, outsider.id]}
        answer = await stranger.do("presence:watch", asked, PRESENCE)
        assert [presence["userId"] for presence in answer["presences"]] == [outsider.id]
        async with device(there, client, (PRESENCE,)):
            await sees(seeing, client, "online")
        await sees(seeing, client, "online", "offline")
        await watch(stranger, outsider)
        assert stranger.events(CHANGED) == []
    # A conversation that begins later opens eyes; to open one is not to begin it, whoever does.
    other = await two_presence_nodes.people.make("client")
    async with (
        device(there, outsider, (CONVERSATIONS, PRESENCE)) as met,
        device(here, other, (CONVERSATIONS, PRESENCE)) as its,
    ):
        assert await watch(met, other) == {}
        conversation = (await met.do("conversation:open", {"userId": other.id}))["conversation"]["id"]
        assert await watch(met, other) == await watch(its, outsider) == {}
        await its.do("conversation:open", {"userId": outsider.id})
        assert await watch(met, other) == await watch(its, outsider) == {}
        await met.do("message:send", {"conversationId": conversation, "clientMessageId": "m", "text": "hello"})
        assert (await watch(its, outsider))[outsider.id]["status"] == "online"
        assert (await watch(met, other))[other.id]["status"] == "online"


async def test_unwatching_and_leaving_forget_everything(two_presence_nodes: Fleet) -> None:
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    here, there = two_presence_nodes.urls
    node = two_presence_nodes.nodes[0].node
    async with watcher(here, trainer, client) as seeing, watcher(here, trainer, client, trainer) as other:
        assert node.presence.watches.users == 2
        await seeing.do("presence:unwatch", {"userIds": [client.id]}, PRESENCE)
        async with device(there, client, (PRESENCE,)):
            await sees(other, client, "online")
            await watch(seeing, trainer)
            assert changes(seeing, client) == []
            await other.do("presence:unwatch", {"userIds": [client.id, trainer.id]}, PRESENCE)
    async with watcher(here, trainer):
        pass
    async with watcher(here, trainer) as last:
        await last.do("presence:set", {"status": "away"}, PRESENCE)
        assert node.presence.watches.users == 0
        assert node.audience.watched == 0


async def test_a_connection_watches_a_thousand_people_at_most(two_presence_nodes: Fleet) -> None:
    trainer = await two_presence_nodes.people.make("trainer")
    clients = [f"{number:024x}" for number in range(1, 1002)]
    store, now = two_presence_nodes.nodes[0].node.store, whole_milliseconds(utc_now())
    await store.database.collection("users").insert_many([{"_id": ObjectId(i), "email": i} for i in clients])
    for start in range(0, 1001, 100):
        batch = clients[start : start + 100]
        await asyncio.gather(*(store.conversations.open(trainer.id, client, now) for client in batch))
    # As their first entries would have left them.
    begun = {"$set": {"head": 1}}
    await store.database.collection("conversations").update_many({"members": ObjectId(trainer.id)}, begun)
    async with watcher(two_presence_nodes.urls[0], trainer) as phone:

        async def ask(*user_ids: str) -> int:
            answer = await phone.do("presence:watch", {"userIds": user_ids}, PRESENCE)
            return len(answer["presences"])

        for start in range(0, 1000, 200):
            assert await ask(*clients[start : start + 200]) == 200
        for too_many in (clients[:201], clients[1000:], []):
            with pytest.raises(Refused, match="validation_failed") as refused:
                await ask(*too_many)
            assert [error["field"] for error in refused.value.error["errors"]] == ["userIds"]
        await phone.do("presence:unwatch", {"userIds": clients[:1]}, PRESENCE)
        assert await ask(*clients[1000:]) == 1


async def test_a_takeover_that_begins_while_the_node_stops_ends_with_it(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it does if the cancellation was taken for a connection that failed."""
    asked, begun, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def renew() -> dict[str, int]:
        asked.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        return {"dead": 1}

    async def take_over(_: object) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with running_node(database_url, redis_url, tmp_path) as running:
        membership = running.node.membership
        await membership.stop()
        monkeypatch.setattr(membership.lease, "renew", renew)
        membership.on_node_dead(take_over)
        membership.start()
        await asked.wait()
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await membership.stop()
        assert begun.is_set() == ended.is_set()
        assert begun.is_set()


async def test_a_node_that_ends_as_it_starts_gives_up_its_lease(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Whatever it is doing at that moment."""
    for turns in range(0, 40, 2):
        async with running_node(database_url, redis_url, tmp_path) as running:
            for _ in range(turns):
                await asyncio.sleep(0)
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await running.node.membership.stop()


async def test_who_left_while_their_node_was_taken_for_dead_is_not_registered_again(two_presence_nodes: Fleet) -> None:
    """Their last change is still to be written: what becomes of a write whose answer a frozen process did not read."""
    client, trainer, _ = await two_presence_nodes.people.pair(begun=True)
    first, second = (running.node for running in two_presence_nodes.nodes)
    async with (
        watcher(two_presence_nodes.urls[1], trainer, client) as seeing,
        device(two_presence_nodes.urls[1], trainer),
    ):
        async with device(two_presence_nodes.urls[0], client, (PRESENCE,)):
            await sees(seeing, client, "online")
            await first.presence.registrar.flushed(client.id)

        async def noticed() -> bool:
            return first.presence.devices.leaving == 1

        await eventually(noticed)
        dead = DeadNode(first.presence.lease.incarnation, int(utc_now().timestamp() * 1000))
        await first.bus.redis.zrem(LEASES, dead.incarnation)
        first.presence.lease.deadline = 1
        await second.presence.reaper.reap(dead)
        await sees(seeing, client, "online", "offline")
        first.presence.registrar.changed(client.id, 0)
        await first.presence.registrar.flushed(client.id)
        assert changes(seeing, client) == ["online", "offline"]
        assert (await watch(seeing, client))[client.id]["status"] == "offline"
        assert changes(seeing, client) == ["online", "offline"]
        assert first.membership.losses > 0
