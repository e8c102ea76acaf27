"""How long others' sends take while all sockets of a node sync at once: ``python -m bench.resuming [--sockets 2000]``.

As after an interruption of Redis: each asks for everything upon ``sync:required``, and again after a while when it is
answered ``unavailable``. ``--over 0``: all in the same moment. The server is a real process with MongoDB beside it; ten
people send all the while.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from bson import ObjectId

from bench.contestants import ROOT
from bench.searching_beside import WORDS, message
from domain.times import whole_milliseconds
from domain.wire.events import CONVERSATIONS
from server import embedded
from server.app import utc_now
from server.fanout.subscriptions import RESYNC_SPREAD_SECONDS
from server.security.tokens import AccessTokens
from store.conversations import PARTICIPANTS, _new_conversation, _new_participants
from store.database import Database
from store.log.documents import CONVERSATIONS as TALKS
from store.log.documents import MESSAGES, message_document
from store.store import Store
from tests.harness.light_sockets import Light, open_sockets
from tests.harness.nodes import SECRET
from tests.harness.people import People, Person
from tests.together.processes import served

SENDERS = 10
PAUSE_SECONDS = 0.02
ACK = f"3{CONVERSATIONS},"


async def fill(store: Store, persons: list[Person], talks: int, messages: int) -> None:
    """Conversations of each person with somebody, and their messages."""
    now = whole_milliseconds(datetime.now(UTC))
    for person in persons:
        made = [_new_conversation(person.id, str(ObjectId()), now) for _ in range(talks)]
        await store.database.collection(TALKS).insert_many(made)
        await store.database.collection(PARTICIPANTS).insert_many([p for one in made for p in _new_participants(one)])
        entries = [
            message_document(message(str(one["_id"]), str(one["members"][1]), seq, WORDS)) | {"seq": seq}
            for one in made
            for seq in range(1, messages + 1)
        ]
        await store.database.collection(MESSAGES).insert_many(entries)


class Figures:
    def __init__(self) -> None:
        self.sends: list[float] = []
        self.answered: list[float] = []
        self.refused = 0


async def answer(light: Light, ack_id: int, event: str, data: object) -> str:
    light.say(f"2{CONVERSATIONS},{ack_id}{json.dumps([event, data])}")
    found = await light.until(f"{ACK}{ack_id}[")
    light.received.clear()
    return found


async def send(light: Light, conversation_id: str, figures: Figures, stop: asyncio.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        command = {"conversationId": conversation_id, "clientMessageId": f"{number}", "text": "hello"}
        began = time.perf_counter()
        reply = await answer(light, number, "message:send", command)
        assert '"ok":true' in reply, reply
        figures.sends.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)


async def resume(light: Light, figures: Figures, began: float, over: float) -> None:
    attempt = 0
    await asyncio.sleep(random.uniform(0.0, over))
    while True:
        attempt += 1
        reply = await answer(light, attempt, "sync", {"cursors": {}})
        if reply.startswith('{"ok":true'):
            figures.answered.append(time.perf_counter() - began)
            return
        figures.refused += 1
        after: int = json.loads(reply.removesuffix("]"))["error"]["retryAfterMs"]
        await asyncio.sleep(random.uniform(1, 2) * after / 1000)


async def measure(chosen: argparse.Namespace, data: Path) -> None:
    async with AsyncExitStack() as stack:
        urls = await stack.enter_async_context(embedded.servers(data))
        assert urls.mongo_url is not None
        assert urls.redis_url is not None
        node = await stack.enter_async_context(served(urls.mongo_url, urls.redis_url, data / "node"))
        database = Database(urls.mongo_url)
        store = Store(database)
        people = People(store, AccessTokens(SECRET), utc_now)
        persons = [await people.make() for _ in range(chosen.people)]
        await fill(store, persons, chosen.conversations, chosen.messages)
        pairs = [await people.pair() for _ in range(SENDERS)]
        senders = await stack.enter_async_context(open_sockets(node.url, [client.token for client, _, _ in pairs]))
        tokens = [persons[at % len(persons)].token for at in range(chosen.sockets)]
        lights = await stack.enter_async_context(open_sockets(node.url, tokens))
        figures, stop = Figures(), asyncio.Event()
        sending = [
            asyncio.create_task(send(light, conversation, figures, stop))
            for light, (_, _, conversation) in zip(senders, pairs, strict=True)
        ]
        await asyncio.sleep(2)
        print(f"before: {line(figures.sends)}", flush=True)
        figures.sends.clear()
        began, cpu = time.perf_counter(), node.cpu_seconds()
        resuming = [asyncio.create_task(resume(light, figures, began, chosen.over)) for light in lights]
        await asyncio.wait(resuming, timeout=chosen.seconds)
        took, cpu = time.perf_counter() - began, node.cpu_seconds() - cpu
        print(f"meanwhile: {line(figures.sends)}")
        print(
            f"{len(figures.answered)} of {chosen.sockets} synced in {took:.1f} s, {figures.refused} answers "
            f"`unavailable`; {cpu / max(1, len(figures.answered)) * 1000:.1f} ms of the server's CPU each",
            flush=True,
        )
        stop.set()
        await asyncio.gather(*sending)
        for light, task in zip(lights, resuming, strict=True):
            light.leave()
            task.cancel()
        await asyncio.gather(*resuming, return_exceptions=True)
        database.close()


def line(times: list[float]) -> str:
    if len(times) < 2:
        return f"{len(times)} sends"
    median, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    return f"{len(times)} sends: median {median:.1f} ms, p99 {p99:.1f} ms, slowest {max(times):.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.resuming", description=__doc__)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--conversations", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--over", type=float, default=RESYNC_SPREAD_SECONDS, help="seconds over which they come")
    parser.add_argument("--seconds", type=float, default=25.0, help="how long to wait for all of them")
    with tempfile.TemporaryDirectory(dir=ROOT, prefix=".bench-") as data:
        asyncio.run(measure(parser.parse_args(), Path(data)))


if __name__ == "__main__":
    main()
