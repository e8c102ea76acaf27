"""The same on a Redis cluster: keys, channels and scripts of one user in one slot, sharded pub/sub."""

from __future__ import annotations

from pathlib import Path

from domain.wire.events import PRESENCE
from tests.harness.devices import device
from tests.server.pubsub.deployments import cluster
from tests.together.presence_nodes import fleet, say, sees, watch, watcher

PEOPLE = 6


async def test_presence_on_a_cluster(database_url: str, tmp_path: Path) -> None:
    async with cluster(tmp_path / "redis") as found, fleet(database_url, found.url, tmp_path, 3) as nodes:
        trainer = await nodes.people.make("trainer")
        clients = [await nodes.people.make("client") for _ in range(PEOPLE)]
        for client in clients:
            await nodes.people.acquaint(client.id, trainer.id)
        here, there, doomed = nodes.urls
        async with watcher(there, trainer, *clients) as seeing:
            for client in clients:
                async with device(here, client, (PRESENCE,)) as phone:
                    await sees(seeing, client, "online")
                    await say(phone, "away")
                    await sees(seeing, client, "online", "away")
            for client in clients:
                await sees(seeing, client, "online", "away", "offline")
            assert {one["status"] for one in (await watch(seeing, *clients)).values()} == {"offline"}
            # Taking over: as if the process were gone. The session is still away.
            async with device(doomed, clients[0], (PRESENCE,)):
                await sees(seeing, clients[0], "online", "away", "offline", "away")
                await nodes.nodes[2].node.presence.stop_registering()
                await nodes.nodes[2].node.membership.stop()
                await sees(seeing, clients[0], "online", "away", "offline", "away", "offline", within=45)
