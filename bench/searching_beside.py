"""How long others' sends take while many search a large conversation: ``python -m bench.searching_beside``.

In one process, by the store's own calls: what is measured is who waits for a thread of the driver and for MongoDB.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bson import ObjectId

from domain.messages import MessageRecord
from domain.times import whole_milliseconds
from server import embedded
from store.command_budget import Budget, begin
from store.database import Database
from store.log.documents import MESSAGES, message_document
from store.store import Store

WORDS = "the quick brown fox jumps over the lazy dog and runs through the wood to the river where it drinks "
SENDERS = 10
BATCH = 2000


def message(conversation_id: str, sender_id: str, seq: int, text: str) -> MessageRecord:
    now = whole_milliseconds(datetime.now(UTC))
    return MessageRecord(
        id=str(ObjectId()), conversation_id=conversation_id, sender_id=sender_id, client_message_id=str(seq), seq=seq,
        text=text, created_at=now, updated_at=now,
    )  # fmt: skip


async def fill(store: Store, conversation_id: str, count: int) -> None:
    sender = str(ObjectId())
    for start in range(0, count, BATCH):
        many = [
            message_document(message(conversation_id, sender, seq + 1, f"{WORDS * 5} {seq}"))
            | {"seq": seq + 1}
            for seq in range(start, min(count, start + BATCH))
        ]
        await store.database.collection(MESSAGES).insert_many(many)


async def search(store: Store, conversation_id: str, owner: str) -> None:
    begin(Budget(owner, bulk=True, seconds=60.0))
    await store.log.search.page([conversation_id], "no such words", None, 20)


async def send(store: Store, times: list[float], stop: asyncio.Event) -> None:
    """One message after the other, as fast as they are acknowledged but for a short pause."""
    conversation_id, sender, seq = str(ObjectId()), str(ObjectId()), 0
    while not stop.is_set():
        seq += 1
        begun = time.perf_counter()
        await store.log.append_message(message(conversation_id, sender, seq, "hello"), lambda record: record)
        times.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0.02)


async def measure(store: Store, conversation_id: str, searches: int, searchers: int) -> str:
    times: list[float] = []
    stop = asyncio.Event()
    senders = [asyncio.create_task(send(store, times, stop)) for _ in range(SENDERS)]
    begun = time.perf_counter()
    owners = [str(number % searchers) for number in range(searches)]
    results = await asyncio.gather(
        *(asyncio.create_task(search(store, conversation_id, owner)) for owner in owners), return_exceptions=True
    )
    took = time.perf_counter() - begun
    if not searches:
        await asyncio.sleep(3)
    stop.set()
    await asyncio.gather(*senders)
    failed = sum(isinstance(result, BaseException) for result in results)
    p99 = statistics.quantiles(times, n=100)[98]
    return (
        f"{searches} searches of {searchers} users in {took:.1f} s ({failed} ran out of time); {len(times)} sends: "
        f"median {statistics.median(times):.1f} ms, p99 {p99:.1f} ms, slowest {max(times):.1f} ms"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--searches", type=int, default=48)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        async with embedded.servers(Path(folder), redis=False) as urls:
            assert urls.mongo_url is not None
            database = Database(urls.mongo_url)
            store = Store(database)
            await store.prepare()
            conversation_id = str(ObjectId())
            await fill(store, conversation_id, chosen.messages)
            print(await measure(store, conversation_id, 0, 1))
            print(await measure(store, conversation_id, chosen.searches, 1))
            print(await measure(store, conversation_id, chosen.searches, chosen.searches))
            await store.drain()
            database.close()


if __name__ == "__main__":
    asyncio.run(main())
