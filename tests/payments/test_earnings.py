"""What a trainer earned, by month and status; and what administrators see of all payments."""

from __future__ import annotations

import csv
import io

import pytest

from tests.bookings.market import Data, Somebody
from tests.harness.waiting import eventually
from tests.payments.shop import PRICES, Shop


async def bought(shop: Shop, trainer: Somebody, client: Somebody, pack: str) -> Data:
    purchase = await shop.bought(client, trainer, pack)
    await shop.pay(purchase)
    return await shop.purchase(client, purchase)


async def earnings(shop: Shop, trainer: Somebody, query: str = "") -> Data:
    answer = await shop.market.call("GET", f"/me/earnings{query}", None, trainer)
    assert answer.status == 200, answer
    found: Data = answer.body
    return found


async def test_sums_by_month_and_status(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    admin = await shop.market.somebody("admin")
    await shop.bought(client, trainer, "single")
    first = await bought(shop, trainer, client, "five")
    path = f"/admin/transactions/{first['id']}/refund"
    assert (await shop.market.call("POST", path, {"credits": 2}, admin, key="two")).status == 200
    # Within what a session lasts; of a month and status there may be one sum or two.
    shop.market.clock.advance(days=28)
    second = await bought(shop, trainer, client, "ten")
    third = await bought(shop, trainer, client, "single")
    await shop.control("POST", "/disputes", payment_intent=third["transactionId"])

    async def is_disputed() -> bool:
        return bool((await shop.purchase(client, third))["dispute"] == "open")

    await eventually(is_disputed)
    found = await earnings(shop, trainer)
    kept = PRICES["five"] * 3 // 5
    expected = {
        (third["paidAt"][:7], "disputed"): (1, PRICES["single"], 0, 0),
        (second["paidAt"][:7], "paid"): (1, PRICES["ten"], 0, PRICES["ten"] - 4000),
        (first["paidAt"][:7], "partially_refunded"): (1, PRICES["five"], PRICES["five"] - kept, kept - kept // 10),
    }
    sums = found["sums"]
    assert {
        (one["month"], one["status"]): (one["count"], one["amount"], one["amountRefunded"], one["net"]) for one in sums
    } == expected
    assert [one["month"] for one in sums] == sorted((one["month"] for one in sums), reverse=True)
    assert [one["id"] for one in found["items"]] == [third["id"], second["id"], first["id"]]
    for name in ("amount", "amountRefunded", "amountDisputed", "fee", "net"):
        assert sum(one[name] for one in found["items"]) == sum(one[name] for one in found["sums"]), name
    # Of one day, and page by page.
    day = second["paidAt"][:10]
    assert len((await earnings(shop, trainer, f"?from={day}&to={day}"))["items"]) == 2
    page = await earnings(shop, trainer, "?limit=2")
    rest = await earnings(shop, trainer, f"?limit=2&cursor={page['nextCursor']}")
    assert [*page["items"], *rest["items"]] == found["items"]
    assert rest["nextCursor"] is None


async def test_as_a_table(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    assert (await shop.market.call("PATCH", "/me/profile", {"name": "=1+1"}, client)).status == 200
    purchase = await bought(shop, trainer, client, "five")
    headers = {"Accept": "text/csv", "Authorization": f"Bearer {await shop.market.token(trainer)}"}
    async with shop.market.http.get(f"{shop.market.urls[0]}/v1/me/earnings", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
    (item,) = (await earnings(shop, trainer))["items"]
    assert item["id"] == purchase["id"]
    assert rows == [{name: str(value) for name, value in item.items()} | {"clientName": "'=1+1"}]
    headers["Accept"] = "text/csv;q=0.5, application/json"
    async with shop.market.http.get(f"{shop.market.urls[0]}/v1/me/earnings", headers=headers) as answer:
        assert answer.content_type == "application/json"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?from=2026-02-02&to=2026-02-01", "to"),
        ("?from=2020-01-01&to=2026-02-01", "to"),
        ("?from=yesterday", "from"),
        ("?to=0001-01-01", "to"),
        ("?cursor=abc", "cursor"),
    ],
)
async def test_a_range_that_is_none(shop: Shop, query: str, field: str) -> None:
    trainer = await shop.market.trainer()
    answer = await shop.market.call("GET", f"/me/earnings{query}", None, trainer)
    assert answer.status == 422
    assert [error["field"] for error in answer.body["errors"]] == [field]


async def test_administrators_see_all_payments(shop: Shop) -> None:
    trainer, client = await shop.seller(), await shop.market.client()
    admin = await shop.market.somebody("admin")
    open_one = await shop.bought(client, trainer, "single")
    paid = await bought(shop, trainer, client, "five")

    async def ids(query: str) -> list[str]:
        answer = await shop.market.call("GET", f"/admin/transactions{query}", None, admin)
        assert answer.status == 200, answer
        return [one["id"] for one in answer.body["items"]]

    assert await ids(f"?client={client.profile}") == [paid["id"], open_one["id"]]
    assert await ids(f"?trainer={trainer.profile}&status=paid") == [paid["id"]]
    assert (await ids(""))[:2] == [paid["id"], open_one["id"]]
    assert await ids("?limit=1&status=pending") == [open_one["id"]]
    assert (await shop.market.call("GET", "/admin/transactions", None, client)).code == "forbidden"
