"""An export holds everything that somebody left anywhere; once erased, none of it is found in any collection."""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from datetime import timedelta
from typing import Any
from zipfile import ZipFile

import aiohttp
import pytest
from bson import ObjectId, json_util

from domain.times import to_wire
from handlers.accounts.exports import exports_job
from handlers.accounts.me import erasures_job
from handlers.accounts.sessions import sign_in_notices_job
from handlers.bookings.due import due_bookings_job
from handlers.bookings.mailing import booking_mails_job, reminder_mails_job
from handlers.files.uses import file_sweeps_job
from handlers.notifications.digests import digests_job
from handlers.notifications.receipts import receipts_job
from store.personal_data import NOT_EXPORTED, PARTS
from store.store import SCHEMAS
from tests.bookings.market import Answer, Data, Market, Somebody
from tests.files.samples import PDF
from tests.harness.work import work_off


class Canaries:
    """Words that are nowhere else, each with where it was put."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    def new(self, where: str) -> str:
        word = f"canary{secrets.token_hex(6)}"
        self.words[word] = where
        return word

    def url(self, where: str) -> str:
        return f"https://example.com/{self.new(where)}"

    def short(self, where: str) -> str:
        """For fields of a few characters."""
        word = secrets.token_hex(5)
        self.words[word] = where
        return word

    def found_in(self, text: str) -> set[str]:
        return {where for word, where in self.words.items() if word in text}


async def made(market: Market, who: Somebody, method: str, path: str, body: Any) -> Data:
    answer = await market.call(method, path, body, who, key=secrets.token_hex(8))
    assert answer.status < 300, (path, answer)
    return answer.body if isinstance(answer.body, dict) else {}


async def uploaded(market: Market, who: Somebody, canaries: Canaries) -> str:
    form = aiohttp.FormData()
    form.add_field("file", PDF + canaries.new("a file's bytes").encode(), filename=f"{canaries.new('a file name')}.pdf")
    headers = {"Authorization": f"Bearer {await market.token(who)}"}
    async with market.http.post(f"{market.urls[0]}/v1/files", data=form, headers=headers) as response:
        assert response.status == 201, await response.text()
        return str((await response.json())["id"])


async def lived(market: Market, who: Somebody, other: Somebody, canaries: Canaries) -> None:
    """Whatever either role may write, with a word of its own in each field."""
    new = canaries.new
    profile: Data = {
        "name": new("name"), "address": new("address"), "city": new("city"), "country": new("country"),
    }  # fmt: skip
    if who.person.role == "trainer":
        profile |= {name: new(name) for name in ("bio", "studioName", "studioAddress", "studioCity", "studioCountry")}
        profile |= {name: canaries.url(name) for name in ("instagramUrl", "websiteUrl")}
        profile |= {"zipCode": canaries.short("zipCode"), "studioZipCode": canaries.short("studioZipCode")}
        certificate = {"certificateName": new("certificateName"), "aboutYou": new("aboutYou")}
        certificate["certificateDocument"] = await uploaded(market, who, canaries)
        await made(market, who, "POST", "/me/certificates", certificate)
        day = (market.clock() + timedelta(days=40)).date().isoformat()
        await made(market, who, "POST", "/me/availability/exceptions", {"date": day, "reason": new("day off")})
    else:
        profile["postalCode"] = canaries.short("postalCode")
    await made(market, who, "PATCH", "/me/profile", profile)
    client, trainer = (who, other) if who.person.role == "client" else (other, who)
    note = {"note": new("note")} if who is client else {}
    start = {"trainerId": trainer.profile, "startsAt": to_wire(market.at(9, days=3)), "payWith": "credit"}
    booked = await made(market, client, "POST", "/bookings", {**start, **note})
    await made(market, who, "POST", f"/bookings/{booked['id']}/cancel", {"reason": new("reason of a cancellation")})
    conversation = booked["conversationId"]
    if who is client:
        await reviewed(market, client, trainer, new("a review"))
    talk = f"/conversations/{conversation}/messages"
    for text in (new("a message"), new("another message")):
        await made(market, who, "POST", talk, {"clientMessageId": secrets.token_hex(8), "text": text})
    pdf = await uploaded(market, who, canaries)
    said = {"clientMessageId": secrets.token_hex(8), "text": new("a caption"), "pdfUrls": [pdf]}
    await made(market, who, "POST", talk, said)
    await uploaded(market, who, canaries)
    await made(market, who, "POST", "/reports", {"userId": other.id, "reason": new("reason of a report")})
    device = f"/me/devices/{new('device id')}"
    await made(market, who, "PUT", device, {"platform": "ios", "token": secrets.token_hex(32)})
    quiet = {"startTime": "22:00", "endTime": "07:00", "timeZone": "Antarctica/Troll"}
    await made(market, who, "PUT", "/me/notifications", {"quietHours": quiet})
    users = market.nodes[0].database.collection("users")
    canaries.words[who.user.email] = "email"
    await users.update_one({"_id": ObjectId(who.id)}, {"$set": {"timeZone": "Antarctica/Troll"}})
    sessions = market.nodes[0].database.collection("sessions")
    named = {"$set": {"device": new("device"), "kindOfDevice": new("kind of device")}}
    await sessions.update_many({"userId": ObjectId(who.id)}, named)


async def reviewed(market: Market, client: Somebody, trainer: Somebody, words: str) -> None:
    past = await market.booked(client, trainer, market.at(9, days=2))
    market.clock.advance(days=4)
    async with asyncio.timeout(30):
        while True:
            await work_off(due_bookings_job(market.nodes[0].context), market.clock)
            found = await market.call("GET", f"/bookings/{past['id']}", None, client)
            if found.body["status"] == "completed":
                break
            await asyncio.sleep(0.02)
    await made(market, client, "POST", f"/bookings/{past['id']}/review", {"rating": 4, "comment": words})


async def exported(market: Market, who: Somebody) -> tuple[Answer, dict[str, bytes]]:
    """By whichever node takes it up."""
    begun = await market.call("POST", "/me/export", None, who)
    assert begun.status == 202, begun
    async with asyncio.timeout(30):
        while True:
            await work_off(exports_job(market.nodes[0].context), market.clock)
            found = await market.call("GET", "/me/export", None, who, node=1)
            if found.body["status"] == "ready":
                break
            await asyncio.sleep(0.02)
    async with market.http.get(market.urls[1] + found.body["url"]) as response:
        assert (response.status, response.content_type) == (200, "application/zip")
        assert response.headers["Content-Disposition"].startswith("attachment")
        content = await response.read()
    with ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return found, {name: archive.read(name) for name in archive.namelist()}


async def everything(market: Market) -> dict[str, str]:
    """All that the database holds, by collection; bytes of files as they are."""
    database, found = market.nodes[0].database, {}
    for name in await database.db.list_collection_names():
        documents = await database.collection(name).find().to_list(None)
        raw = b"".join(bytes(one["data"]) for one in documents) if name == "fs.chunks" else b""
        found[name] = json_util.dumps(documents) + raw.decode("latin-1")
    return found


@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_an_export_has_it_all_and_an_erasure_leaves_nothing(
    market: Market, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = await market.trainer()
    client = await market.client(trainer)
    who, other = (client, trainer) if role == "client" else (trainer, client)
    canaries, others = Canaries(), Canaries()
    await lived(market, who, other, canaries)
    theirs = {"clientMessageId": secrets.token_hex(8), "text": others.new("what the other said")}
    (conversation,) = await market.store.conversations.all_ids(who.id)
    await made(market, other, "POST", f"/conversations/{conversation}/messages", theirs)
    printed = io.StringIO()
    for node in market.nodes:
        monkeypatch.setattr(node.context.mailer, "_out", printed)
    answer, archive = await exported(market, who)
    text = b"\n".join(archive.values()).decode("latin-1") + "\n".join(archive)
    assert canaries.found_in(text) == set(canaries.words.values())
    assert others.found_in(text) and "Antarctica/Troll" in text
    for name, content in archive.items():
        if name.endswith(".jsonl"):
            for line in content.splitlines():
                assert not json.loads(line).keys() & {"password", "nonce", "token", "blockedBy"}
    # Told by mail, which holds no way to the archive.
    mails = [one for one in printed.getvalue().split("-" * 72) if "Your Spotter data is ready" in one]
    assert len(mails) == 1 and "signature" not in mails[0] and who.user.email in mails[0]
    # Nobody else gets at it: not the other side, not an administrator.
    path = answer.body["url"].partition("?")[0].removeprefix("/v1")
    for stranger in (other, await market.somebody("admin")):
        assert (await market.call("GET", path, None, stranger)).status == 404
    # A day's export is answered again.
    again = await market.call("POST", "/me/export", None, who)
    assert (again.status, again.body["status"]) == (202, "ready")

    before = await sequence(market, conversation)
    # The walk does find them where they are.
    assert canaries.found_in("".join((await everything(market)).values())) == set(canaries.words.values())
    assert await market.store.erasures.erase(who.user, market.clock()) is not None
    printed.seek(0)
    printed.truncate()
    market.clock.advance(minutes=3)
    of_mails = booking_mails_job, reminder_mails_job, receipts_job, sign_in_notices_job, digests_job
    for job in (erasures_job, file_sweeps_job, *of_mails, due_bookings_job):
        await worked(market, job)
    # Whatever was still to be mailed, to the other side too.
    assert canaries.found_in(printed.getvalue()) == set()
    left = {name: canaries.found_in(stored) for name, stored in (await everything(market)).items()}
    assert {name: words for name, words in left.items() if words} == {}
    async with market.http.get(market.urls[0] + answer.body["url"]) as response:
        assert response.status == 404
    # The log has no holes, and what the other said is there.
    entries = await sequence(market, conversation)
    assert entries == list(range(1, len(entries) + 1)) and len(entries) > len(before)
    listed = await market.call("GET", f"/conversations/{conversation}/messages", None, other)
    shown = {one["senderId"]: one["text"] for one in listed.body["messages"] if one["kind"] == "text"}
    assert shown == {who.id: None, other.id: theirs["text"]}


async def worked(market: Market, job: Any) -> None:
    """Until nothing is due, whichever node does it."""
    made_of = job(market.nodes[0].context)
    async with asyncio.timeout(30):
        while True:
            await work_off(made_of, market.clock)
            backlog = await made_of.queue.backlog(market.clock())
            if backlog.waiting == 0:
                return
            await asyncio.sleep(0.02)


async def sequence(market: Market, conversation: str) -> list[int]:
    found = market.nodes[0].database.collection("messages").find({"conversationId": ObjectId(conversation)})
    return sorted([one["seq"] async for one in found])


async def test_an_archive_goes_after_its_days(market: Market) -> None:
    client = await market.somebody("client")
    await exported(market, client)
    market.clock.advance(days=6)
    assert (await market.call("GET", "/me/export", None, client)).body["status"] == "ready"
    market.clock.advance(days=2)
    assert (await market.call("GET", "/me/export", None, client)).body == {"status": "none"}
    await worked(market, file_sweeps_job)
    files = market.nodes[0].database.collection("files")
    assert await files.find_one({"owner": ObjectId(client.id)}) is None


async def test_a_new_export_takes_the_place_of_the_last(market: Market) -> None:
    client = await market.somebody("client")
    first, _ = await exported(market, client)
    market.clock.advance(hours=25)
    second, _ = await exported(market, client)
    assert first.body["url"].partition("?")[0] != second.body["url"].partition("?")[0]
    await worked(market, file_sweeps_job)
    archives = market.nodes[0].database.collection("files").find({"owner": ObjectId(client.id)})
    assert len(await archives.to_list(None)) == 1


async def test_an_export_that_an_erasure_overtakes_leaves_nothing(market: Market) -> None:
    client = await market.somebody("client")
    store = market.store
    assert await store.exports.request(client.id, market.clock(), timedelta(days=1))
    assert await store.erasures.erase(client.user, market.clock()) is not None
    await worked(market, exports_job)
    files = market.nodes[0].database.collection("files")
    async with asyncio.timeout(30):
        # A node may have begun before the erasure; what it made goes when it finds that nobody wants it.
        while True:
            if await files.find_one({"owner": ObjectId(client.id)}) is None:
                return
            await asyncio.sleep(0.02)


def test_every_collection_is_exported_or_said_not_to_be() -> None:
    exported_ones = {part.collection for part in PARTS}
    assert exported_ones | NOT_EXPORTED.keys() >= {schema.name for schema in SCHEMAS}
    assert not exported_ones & NOT_EXPORTED.keys()
