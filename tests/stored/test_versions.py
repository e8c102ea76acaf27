"""What earlier versions stored of keyed commands: a repeat after the deploy is answered as it was, and does nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from bson import json_util

from domain.booking_changes import BookingChange
from domain.messages import body_digest
from domain.stored import StoredFormat
from domain.wire.bookings import CreateBooking
from handlers.bookings import outbox
from handlers.request_digests import digest_of, first_version
from store.outbox import FORMAT
from tests.bookings.market import Data, Market, Somebody
from tests.harness.clock import StandingClock
from tests.harness.databases import own_database
from tests.harness.nodes import running_node
from tests.harness.people import Person
from tests.harness.work import work_off
from tests.stored.requests import Request, Surfaces, comparable, connected

STOP_SECONDS = 10.0
FIXTURES = sorted((Path(__file__).resolve().parents[1] / "fixtures" / "stored").glob("*.json"))


@dataclass
class Deployed:
    """A node of today's code over what an earlier version left."""

    surfaces: Surfaces
    kept: Data

    @property
    def collections(self) -> Any:
        return self.surfaces.market.nodes[0].database.db

    async def contents(self) -> Data:
        """What commands change. Revocations and the like go by themselves."""
        by_themselves = ("outbox", "sessions", "conversations", "revocations")
        names = [n for n in self.kept["collections"] if n not in by_themselves]
        return {name: await self.collections[name].find().sort("_id", 1).to_list(None) for name in names}


@pytest.fixture(params=FIXTURES, ids=lambda path: path.stem)
async def deployed(
    request: pytest.FixtureRequest, mongo_url: str, redis_url: str, tmp_path: Path
) -> AsyncIterator[Deployed]:
    kept = json_util.loads(request.param.read_text())
    clock = StandingClock(kept["recordedAt"].astimezone(UTC) + timedelta(minutes=1))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(own_database(mongo_url))
        running = await stack.enter_async_context(running_node(url, redis_url, tmp_path, clock))
        # What it would do of durable work by itself, spellings among it, is not the commands'.
        await running.node.durable_work.stop(STOP_SECONDS)
        database = running.node.database.db
        for name, documents in kept["collections"].items():
            await database[name].delete_many({})
            await database[name].insert_many(documents)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        market = Market([running.node], [running.url], http, clock)
        surfaces = Surfaces(market)
        for label, one in kept["people"].items():
            user = await market.store.users.by_id(one["id"])
            assert user is not None
            person = Person(user.id, user.role, user.email, "", one["session"])
            surfaces.people[label] = Somebody(person, user, user.profile_id)
        await stack.enter_async_context(connected(surfaces))
        yield Deployed(surfaces, kept)


def about(answer: Data) -> Any:
    """Messages and conversations are answered as they now stand."""
    data = answer.get("data", answer.get("body"))
    for name in ("message", "conversation"):
        if isinstance(data, dict) and name in data:
            return data[name]["id"]
    return comparable(answer)


async def settle_outbox(deployed: Deployed) -> None:
    market = deployed.surfaces.market
    market.clock.advance(seconds=30)
    context = market.nodes[0].context
    await context.store.outbox.queue.date_undated()
    await work_off(outbox.outbox_job(context), market.clock)


async def test_every_repeat_is_answered_as_it_was_and_another_body_is_a_conflict(deployed: Deployed) -> None:
    await settle_outbox(deployed)
    before = await deployed.contents()
    for one in deployed.kept["requests"]:
        request = Request(**one["request"])
        assert about(await deployed.surfaces.send(request)) == about(one["answer"]), request
        refused = await deployed.surfaces.send(Request(**one["changed"]))
        assert "idempotency_conflict" in str(refused), (one["changed"], refused)
    assert await deployed.contents() == before


async def test_the_outbox_is_settled(deployed: Deployed) -> None:
    rows = deployed.kept["collections"]["outbox"]
    await settle_outbox(deployed)
    assert await deployed.collections.outbox.count_documents({}) == 0
    for row in rows:
        effect = f"\x1fbooking:{row['booking']}:{row['version']}"
        assert await deployed.collections.messages.count_documents({"clientMessageId": effect}) == 1


async def test_keys_are_kept_under_the_names_of_the_wire(deployed: Deployed) -> None:
    """And so that a node of the version before finds them as well."""
    await deployed.collections.idempotency.delete_many({})
    for one in deployed.kept["requests"]:
        request = Request(**one["request"])
        await deployed.surfaces.send(request)
        if request.event is None:
            continue
        row = await deployed.collections.idempotency.find_one({"key": request.key})
        if row is not None:
            old = next(r for r in deployed.kept["collections"]["idempotency"] if r["key"] == request.key)
            # Version 1 knew the class name alone.
            scopes = old["command"] if isinstance(old["command"], list) else [request.event, old["command"]]
            assert (row["command"], row["digest"]) == (scopes, old["digest"])


KEYED: Data = {"trainer_id": "a" * 24, "pay_with": "credit", "idempotency_key": "k"}


@pytest.mark.parametrize(
    "starts_at", ["2026-12-01T09:00:00.000Z", "2026-12-01T09:00:00+00:00", "2026-12-01t11:00:00+02:00"]
)
def test_spellings_of_an_instant_are_one(starts_at: str) -> None:
    first = CreateBooking(starts_at="2026-12-01T09:00:00Z", **KEYED)
    again = CreateBooking(starts_at=starts_at, **KEYED)
    assert digest_of(first) == digest_of(again)
    assert first_version("booking:create", first)[0] in first_version("booking:create", again)


class Optional(CreateBooking, frozen=True, kw_only=True):
    gift: bool = False


class Required(CreateBooking, frozen=True, kw_only=True):
    place: str


def test_a_command_may_grow() -> None:
    first = CreateBooking(starts_at="2026-12-01T09:00:00Z", **KEYED)
    grown = Optional(starts_at="2026-12-01T09:00:00Z", **KEYED)
    assert digest_of(grown) == digest_of(first)
    assert first_version("booking:create", grown) == first_version("booking:create", first)
    for other in (
        msgspec.structs.replace(grown, gift=True),
        Required(starts_at="2026-12-01T09:00:00Z", place="park", **KEYED),
    ):
        assert digest_of(other) != digest_of(first)
        assert first_version("booking:create", other) == ()


class GrownChange(BookingChange, frozen=True, kw_only=True):
    optional: int = 1
    required: str


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_a_stored_record_may_grow(path: Path) -> None:
    grown = StoredFormat(GrownChange, msgspec.msgpack, [lambda value: {**value, "required": "then", "gone": 1}])
    for row in json_util.loads(path.read_text())["collections"]["outbox"]:
        change = FORMAT.decode(row["change"], row.get("format", 1))
        found = grown.decode(row["change"], row.get("format", 1))
        assert (found.booking, found.optional, found.required) == (change.booking, 1, "then")
        assert grown.decode(grown.encode(found), grown.version) == found


def test_digests_of_messages_are_frozen() -> None:
    """Rows of the log keep them for ever."""
    files = (("a",), (), ("b",))
    found = [body_digest(*one).hex() for one in (("hello", ((), (), ()), None), ("hello", files, "c"))]
    assert found == ["8ed7252f4b03f9e8376db5b2", "95c3586e6700d4c52c3ad36a"]
