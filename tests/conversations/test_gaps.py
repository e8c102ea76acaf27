"""An entry that was stored and never announced, because its writer lost sight of it, is told with the next one."""

from __future__ import annotations

from bson import ObjectId

from store.log.documents import MESSAGES, message_document
from tests.harness.devices import device
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.store.writing import a_message


async def test_nobody_misses_it(running: RunningNode, people: People) -> None:
    client, trainer, conversation = await people.pair()
    async with device(running.url, client) as phone, device(running.url, trainer) as other:
        await phone.send(conversation, "1")
        unannounced = message_document(a_message(conversation, client.id, "2", "two")) | {"seq": 2}
        await running.node.database.collection(MESSAGES).insert_one(unannounced)
        repeated = await phone.send(conversation, "2", "two")
        assert ObjectId(repeated["id"]) == unannounced["_id"]
        await phone.send(conversation, "3")
        for each in (phone, other):
            received = await each.receive("message:new", 3)
            assert [event["seq"] for event in received] == [1, 2, 3]
