"""``kill -9`` in the middle of a command with a key: a repeat elsewhere is settled soon, by what the log shows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bson import ObjectId

from domain.wire.events import CONVERSATIONS
from store.log.documents import MESSAGES
from tests.faults.tap import tapped
from tests.harness.devices import Data, Device, Refused, device
from tests.harness.nodes import RunningNode
from tests.harness.people import People
from tests.together.processes import served

COLLECTIONS = frozenset({"idempotency", MESSAGES, "conversationParticipants"})
# Three times what is promised.
SETTLED_WITHIN_SECONDS = 30.0
# A claim is its collection's first write.
CLAIMED, STORED, APPLIED = ("update", "idempotency"), ("insert", MESSAGES), ("update", MESSAGES)
CHANGES: dict[str, Data] = {
    "message:edit": {"text": "keyed"},
    "message:react": {"emoji": "👍"},
    "message:delete": {},
}


async def until_settled(phone: Device, event: str, said: Data) -> Data:
    """A node waits by itself before it says that it cannot."""
    async with asyncio.timeout(SETTLED_WITHIN_SECONDS):
        while True:
            try:
                return await phone.do(event, said)
            except Refused as refused:
                assert refused.code == "unavailable"


@pytest.mark.parametrize(
    ("event", "step"),
    [
        ("message:edit", CLAIMED),
        ("message:edit", STORED),
        ("message:react", STORED),
        ("message:react", APPLIED),
        ("message:delete", APPLIED),
        ("conversation:mute", CLAIMED),
    ],
)
async def test_a_repeat_is_settled(
    running: RunningNode,
    people: People,
    database_url: str,
    redis_url: str,
    tmp_path: Path,
    event: str,
    step: tuple[str, str],
) -> None:
    client, _, conversation = await people.pair()
    place = urlsplit(database_url)
    async with (
        device(running.url, client) as phone,
        tapped(place.hostname or "", place.port or 0, COLLECTIONS) as tap,
    ):
        message = await phone.send(conversation, "m")
        said = {"messageId": message["id"], **CHANGES[event]} if event in CHANGES else {"conversationId": conversation}
        said["idempotencyKey"] = "key"
        url = f"mongodb://127.0.0.1:{tap.port}{place.path}?directConnection=true"
        async with served(url, redis_url, tmp_path / "doomed") as doomed, device(doomed.url, client) as other:
            tap.arm(step, doomed.process.kill)
            await other.io.emit(event, said, CONVERSATIONS)
            await doomed.process.wait()
            tap.disarm()
        expected = CHANGES.get(event, {}).get("text", "hello")
        if event == "message:edit" and step == STORED:
            # The repeat must not undo what came after.
            await phone.do("message:edit", {"messageId": message["id"], "text": "later"})
            expected = "later"
        answer = await until_settled(phone, event, said)
        if event in CHANGES:
            assert answer["message"]["text"] == (None if event == "message:delete" else expected)
            assert len(answer["message"]["reactions"]) == (event == "message:react")
            entries = {"target": ObjectId(message["id"]), "digest": {"$exists": True}}
            assert await running.node.database.collection(MESSAGES).count_documents(entries) == 1
            if event == "message:edit":
                with pytest.raises(Refused, match="idempotency_conflict"):
                    await phone.do(event, {**said, "text": "other"})
