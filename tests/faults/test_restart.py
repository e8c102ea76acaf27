"""What was said is there after a restart, however the end came."""

from __future__ import annotations

from pathlib import Path

from tests.faults.embedded import kill, mongod_pid, residents
from tests.faults.phones import phone
from tests.faults.served import Served, serving
from tests.server.embedded.observed import is_alive, parent_of

SAID = 5


async def assert_said(served: Served, token: str, conversation: str, count: int) -> None:
    async with phone(served.url, "again", token, conversation) as one:
        entries = await one.sync()
        assert [entry["seq"] for entry in entries] == list(range(1, count + 1))
        assert entries[0]["message"]["text"] == "first-0 says something"
        assert (await one.send(count))["seq"] == count + 1


async def test_the_conversation_is_still_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with residents(tmp_path) as people:
            client, trainer, conversation = await people.pair()
        async with phone(served.url, "first", client.token, conversation) as one:
            for number in range(SAID):
                await one.send(number)
        mongod = mongod_pid(tmp_path)
        assert (await served.terminate())[0] == 0
        assert not is_alive(mongod)

    async with serving(tmp_path) as served:
        await assert_said(served, trainer.token, conversation, SAID)
        # Power is lost: everything ends at once, and nobody says goodbye.
        daemon = parent_of(mongod_pid(tmp_path))
        await served.kill()
        await kill(daemon)

    async with serving(tmp_path) as served:
        await assert_said(served, client.token, conversation, SAID + 1)
