"""What one socket sends without waiting is stored and acknowledged in that order, and each sender receives it first."""

from __future__ import annotations

import json

from domain.wire.events import CONVERSATIONS
from tests.harness.service import Service
from tests.server.sockets.raw import Raw, admitted

COUNT = 200


async def submit(raw: Raw, conversation: str, n: int, **more: object) -> int:
    command = {"conversationId": conversation, "clientMessageId": f"m{n}", "text": f"number {n}", **more}
    return await raw.submit(f'["message:send",{json.dumps(command)}]')


async def texts(service: Service, conversation: str) -> list[str | None]:
    return [record.text for record in await service.store.log.read.before(conversation, None, COUNT * 2)]


async def test_two_hundred_without_waiting(service: Service) -> None:
    client, trainer, conversation = await service.people.pair()
    async with admitted(service.url, client.token) as raw, service.device(trainer) as other:
        ids = [await submit(raw, conversation, n) for n in range(COUNT)]
        acknowledged = [(await raw.answer_to(ack_id))["data"]["message"] for ack_id in ids]
        assert [message["seq"] for message in acknowledged] == list(range(1, COUNT + 1))
        received = await other.receive("message:new", COUNT)
        assert [event["message"]["text"] for event in received] == [f"number {n}" for n in range(COUNT)]
    assert await texts(service, conversation) == [f"number {n}" for n in range(COUNT)]


async def test_replies_that_have_to_be_looked_up_keep_their_place(service: Service) -> None:
    client, _, conversation = await service.people.pair()
    async with admitted(service.url, client.token) as raw:
        first = (await raw.answer_to(await submit(raw, conversation, 0)))["data"]["message"]["id"]
        # Every third is a reply: the handler asks the database before it can submit it.
        ids = [
            await submit(raw, conversation, n, **({"replyTo": first} if n % 3 == 0 else {})) for n in range(1, COUNT)
        ]
        found = [(await raw.answer_to(ack_id))["data"]["message"] for ack_id in ids]
    assert [(m["seq"], m["text"]) for m in found] == [(n + 1, f"number {n}") for n in range(1, COUNT)]
    assert [m["replyTo"] for m in found] == [first if n % 3 == 0 else None for n in range(1, COUNT)]
    assert await texts(service, conversation) == [f"number {n}" for n in range(COUNT)]


async def test_edits_follow_what_they_were_sent_after(service: Service) -> None:
    client, _, conversation = await service.people.pair()
    async with admitted(service.url, client.token) as raw:
        message = (await raw.answer_to(await submit(raw, conversation, 0)))["data"]["message"]["id"]
        ids = []
        for n in range(1, 41):
            ids.append(await submit(raw, conversation, n))
            edit = json.dumps({"messageId": message, "text": f"edit {n}"})
            ids.append(await raw.submit(f'["message:edit",{edit}]'))
        answers = [(await raw.answer_to(ack_id))["data"]["message"] for ack_id in ids]
        entries = (await raw.ask("sync", json.dumps({"cursors": {conversation: 1}, "limit": 500})))["data"]
    assert [entry["change"] for entry in entries["conversations"][0]["entries"]] == ["new", "edit"] * 40
    assert answers[-1]["text"] == "edit 40"


async def test_what_is_refused_holds_nobody_up(service: Service) -> None:
    client, _, conversation = await service.people.pair()
    async with admitted(service.url, client.token) as raw:
        ids = []
        for n in range(50):
            ids.append(await submit(raw, conversation, n))
            ids.append(await submit(raw, "f" * 24, n))
            ids.append(await submit(raw, conversation, n, replyTo="f" * 24))
        answers = [await raw.answer_to(ack_id) for ack_id in ids]
        good, foreign, broken = answers[::3], answers[1::3], answers[2::3]
        assert [answer["data"]["message"]["seq"] for answer in good] == list(range(1, 51))
        assert {answer["error"]["code"] for answer in foreign} == {"not_found"}
        assert {answer["error"]["code"] for answer in broken} == {"validation_failed"}


async def test_the_senders_own_event_precedes_its_acknowledgement(service: Service) -> None:
    client, _, conversation = await service.people.pair()
    async with admitted(service.url, client.token) as raw:
        ids = [await submit(raw, conversation, n) for n in range(50)]
        packets = [await raw.receive() for _ in range(101)]
    events = [json.loads(p.partition(",")[2]) for p in packets if p.startswith(f"2{CONVERSATIONS}")]
    assert events[0][0] == "conversation:new"
    place = {event[1]["seq"]: packets.index(f"2{CONVERSATIONS}," + dumps(event)) for event in events[1:]}
    for seq, ack_id in enumerate(ids, 1):
        (acknowledged,) = (at for at, packet in enumerate(packets) if packet.startswith(f"3{CONVERSATIONS},{ack_id}["))
        assert place[seq] < acknowledged


def dumps(event: object) -> str:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False)
