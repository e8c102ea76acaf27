"""Who blocks whom. A block stands between two people whichever of them made it.

Every message asks, so what was read is remembered for a moment, and what several ask at once is one read. Whoever
blocks is answered only when that moment is over: from then on no node lets anything pass.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Iterable
from datetime import datetime
from time import monotonic

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from domain.conversations import pair_key
from store.bookings import CHANGED
from store.bookings import NAME as BOOKINGS
from store.command_budget import BUDGET_SECONDS, detached
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository

NAME = "userBlocks"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("userId", ASCENDING), ("blockedUserId", ASCENDING)], name="block", unique=True),
            IndexModel([("pair", ASCENDING)], name="pair"),
            # What nodes ask for again and again.
            IndexModel([("createdAt", ASCENDING)], name="created"),
        ),
    ),
)
REMEMBERED_SECONDS = 0.5
_MOST_REMEMBERED = 100_000


class Parties(msgspec.Struct, frozen=True):
    """The profiles of two people who may have bookings."""

    client_id: str
    trainer_id: str


@repository
class UserBlocks:
    """Must be made inside the running event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocks = database.collection(NAME)
        self._bookings = database.collection(BOOKINGS)
        # By pair: whether it is blocked, and until when that holds. The oldest first.
        self._known: OrderedDict[str, tuple[bool, float]] = OrderedDict()
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._reading = False

    async def add(self, user_id: str, other_id: str, parties: Parties | None, now: datetime) -> bool:
        """False when the user blocks the other already. Their bookings count as changed: they say so."""
        row: Document = {
            "userId": ObjectId(user_id), "blockedUserId": ObjectId(other_id), "pair": pair_key(user_id, other_id),
        }  # fmt: skip

        async def body(session: ClientSession) -> bool:
            named = {name: row[name] for name in ("userId", "blockedUserId")}
            put = await self._blocks.update_one(
                named, {"$setOnInsert": {"pair": row["pair"], "createdAt": now}}, upsert=True, session=session
            )
            if put.upserted_id is None:
                return False
            await self._change_bookings(parties, session)
            return True

        try:
            added = await self._database.transaction(body)
        except DuplicateKeyError:
            return False
        self._known.pop(row["pair"], None)
        return added

    async def remove(self, user_id: str, other_id: str, parties: Parties | None) -> bool:
        """False when the user does not block the other. Another's block stays."""

        async def body(session: ClientSession) -> bool:
            row: Document = {"userId": ObjectId(user_id), "blockedUserId": ObjectId(other_id)}
            if not (await self._blocks.delete_one(row, session=session)).deleted_count:
                return False
            await self._change_bookings(parties, session)
            return True

        removed = await self._database.transaction(body)
        self._known.pop(pair_key(user_id, other_id), None)
        return removed

    async def _change_bookings(self, parties: Parties | None, session: ClientSession) -> None:
        if parties is not None:
            whose = {"client": ObjectId(parties.client_id), "trainer": ObjectId(parties.trainer_id)}
            await self._bookings.update_many(whose, CHANGED, session=session)

    async def count(self, user_id: str, limit: int) -> int:
        """How many people the user blocks, up to ``limit``."""
        return await self._blocks.count_documents({"userId": ObjectId(user_id)}, limit=limit)

    async def stands_between(self, one: str, other: str) -> bool:
        """As it was at most ``REMEMBERED_SECONDS`` ago; what is known is answered without a suspension."""
        pair = pair_key(one, other)
        known = self._known.get(pair)
        if known is not None and known[1] > monotonic():
            return known[0]
        asked = self._asked.get(pair)
        if asked is None:
            asked = self._asked[pair] = asyncio.get_running_loop().create_future()
            if not self._reading:
                self._read_on()
        return await asyncio.shield(asked)

    async def among(self, user_id: str, others: Iterable[str]) -> set[str]:
        """Those of the others with whom a block stands."""
        by_pair = {pair_key(user_id, other): other for other in others if other != user_id}
        return {by_pair[pair] for pair in await self.blocked_pairs(by_pair)}

    async def blocked_pairs(self, pairs: Collection[str]) -> set[str]:
        """Those between whom a block stands; each named by ``pair_key``."""
        if not pairs:
            return set()
        found = await self._blocks.find({"pair": {"$in": list(pairs)}}, {"_id": 0, "pair": 1}).to_list(None)
        return {document["pair"] for document in found}

    async def since(self, at: datetime) -> list[tuple[str, str]]:
        """The pairs blocked at that instant and later, by the clocks of the nodes that wrote it."""
        wanted = {"_id": 0, "userId": 1, "blockedUserId": 1}
        found = await self._blocks.find({"createdAt": {"$gte": at}}, wanted).to_list(None)
        return [(str(one["userId"]), str(one["blockedUserId"])) for one in found]

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        """Of an erased user."""
        erased = ObjectId(user_id)
        await self._blocks.delete_many({"$or": [{"userId": erased}, {"blockedUserId": erased}]}, session=session)

    # --- inside ---

    def _read_on(self) -> None:
        self._reading = bool(self._asked)
        if self._reading:
            asked, self._asked = self._asked, {}
            detached(self._read(asked), BUDGET_SECONDS)

    async def _read(self, asked: dict[str, asyncio.Future[bool]]) -> None:
        """One read for all who asked meanwhile; the next begins when it is over."""
        until = monotonic() + REMEMBERED_SECONDS
        try:
            blocked = await self.blocked_pairs(asked)
            for pair, waiting in asked.items():
                self._remember(pair, pair in blocked, until)
                waiting.set_result(pair in blocked)
        except BaseException as error:
            for waiting in asked.values():
                if not waiting.done():
                    waiting.set_exception(error)
                    # Whoever asked may have left.
                    waiting.exception()
            raise
        finally:
            self._read_on()

    def _remember(self, pair: str, blocked: bool, until: float) -> None:
        self._known.pop(pair, None)
        self._known[pair] = (blocked, until)
        now = monotonic()
        while self._known:
            oldest = next(iter(self._known))
            if len(self._known) <= _MOST_REMEMBERED and self._known[oldest][1] > now:
                break
            del self._known[oldest]
