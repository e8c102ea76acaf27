"""Reports of users and of messages, and how administrators resolve them."""

from __future__ import annotations

import secrets

from bson import ObjectId

from tests.bookings.market import Data, Market, Somebody
from tests.harness.devices import device

REASON = {"reason": "rude"}


async def said(market: Market, who: Somebody, whom: Somebody, text: str) -> Data:
    opened = await market.store.conversations.open(who.id, whom.id, market.clock())
    path = f"/conversations/{opened.membership.conversation_id}/messages"
    answer = await market.call("POST", path, {"clientMessageId": secrets.token_hex(8), "text": text}, who)
    assert answer.status == 201, answer
    message: Data = answer.body["message"]
    return message


async def newest(market: Market, admin: Somebody, status: str = "open") -> Data:
    found: Data = (await market.call("GET", "/admin/reports", None, admin, query={"status": status})).body["items"][0]
    return found


async def test_a_message_is_reported_read_and_resolved(market: Market) -> None:
    client, trainer, admin = [await market.somebody(role) for role in ("client", "trainer", "admin")]
    message = await said(market, trainer, client, "something rude")
    body = {"userId": trainer.id, "messageId": message["id"], **REASON}
    reported = await market.call("POST", "/reports", body, client, key="once")
    assert (reported.status, reported.body["status"], reported.body["messageId"]) == (201, "open", message["id"])
    assert (await market.call("POST", "/reports", body, client, key="once")).body == reported.body
    # What is taken back afterwards can still be judged.
    async with device(market.urls[1], trainer.person) as phone:
        await phone.do("message:delete", {"messageId": message["id"]})
    found = await newest(market, admin)
    assert (found["id"], found["reporterId"], found["userId"]) == (reported.body["id"], client.id, trainer.id)
    assert (found["messageText"], found["reason"], found["resolution"]) == ("something rude", "rude", None)
    path = f"/admin/reports/{found['id']}/resolve"
    resolved = await market.call("POST", path, {"resolution": "warned"}, admin)
    assert (resolved.status, resolved.body["status"], resolved.body["resolution"]) == (200, "resolved", "warned")
    assert (resolved.body["resolvedBy"], (await newest(market, admin, "resolved"))["id"]) == (admin.id, found["id"])
    assert (await market.call("POST", path, {"resolution": "again"}, admin)).code == "conflict"
    assert (await market.call("POST", f"/admin/reports/{'0' * 24}/resolve", {"resolution": "x"}, admin)).code == (
        "not_found"
    )
    (entry,) = (await market.call("GET", "/admin/audit", None, admin, query={"target": found["id"]})).body["items"]
    assert (entry["action"], entry["actor"], entry["address"]) == ("report.resolve", admin.id, "127.0.0.1")
    assert (entry["before"], entry["after"]) == ({"status": "open"}, {"status": "resolved", "resolution": "warned"})


async def test_what_cannot_be_reported(market: Market) -> None:
    client, trainer, other = [await market.somebody(role) for role in ("client", "trainer", "trainer")]
    message = await said(market, trainer, client, "hello")
    for body, code in (
        ({"userId": client.id}, "validation_failed"),
        ({"userId": "0" * 24}, "not_found"),
        ({"userId": trainer.id, "messageId": "0" * 24}, "not_found"),
        ({"userId": other.id, "messageId": message["id"]}, "validation_failed"),
        ({"userId": trainer.id, "reason": " "}, "validation_failed"),
    ):
        assert (await market.call("POST", "/reports", REASON | body, client)).code == code, body
    # Nobody reports, or finds, what was said between others.
    body = {"userId": trainer.id, "messageId": message["id"], **REASON}
    assert (await market.call("POST", "/reports", body, other)).code == "not_found"


async def test_open_reports_of_one_user_have_an_end(market: Market) -> None:
    client, trainer = await market.somebody("client"), await market.somebody("trainer")
    rows = market.nodes[0].database.collection("reports")
    mine = {"reporterId": ObjectId(client.id), "status": "open"}
    await rows.insert_many([dict(mine) for _ in range(50)])
    assert (await market.call("POST", "/reports", {"userId": trainer.id, **REASON}, client)).code == "conflict"
    await rows.delete_many(mine)


async def test_pages_go_from_the_newest_to_the_oldest(market: Market) -> None:
    client, trainer, admin = [await market.somebody(role) for role in ("client", "trainer", "admin")]
    made = [
        (await market.call("POST", "/reports", {"userId": trainer.id, **REASON}, client)).body["id"] for _ in range(3)
    ]
    found: list[str] = []
    cursor = None
    while len(found) < 3:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await market.call("GET", "/admin/reports", None, admin, query=query)).body
        found += [one["id"] for one in page["items"]]
        cursor = page["nextCursor"]
    assert found[:3] == made[::-1]


async def test_words_of_the_erased_go(market: Market) -> None:
    client, trainer, admin = [await market.somebody(role) for role in ("client", "trainer", "admin")]
    message = await said(market, trainer, client, "something rude")
    body = {"userId": trainer.id, "messageId": message["id"], **REASON}
    report = (await market.call("POST", "/reports", body, client)).body["id"]
    for who in (trainer, client):
        user = await market.store.users.by_id(who.id)
        assert user is not None
        await market.store.erasures.erase(user, market.clock())
    found = await newest(market, admin)
    assert (found["id"], found["messageText"], found["reason"]) == (report, None, None)
