"""Who blocks whom. A block stands between two people whichever of them made it.

Every message asks. Blocks are numbered in the order of their commits, and a node that has learned that none stands
between two people trusts it for as long as it follows the numbers: one look for all, at most twice a second, while
anybody asks. Whoever blocks is answered only when every look that may have missed the block is too old to be trusted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime
from functools import partial
from time import monotonic

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from domain.bounded_map import BoundedMap
from domain.conversations import pair_key
from store.bookings import CHANGED
from store.bookings import NAME as BOOKINGS
from store.command_budget import BUDGET_SECONDS
from store.concurrency import SingleFlight, detached
from store.database import SHARED, ClientSession, CollectionSchema, Database, Document, Hot
from store.failures import repeat_unanswered, repository

NAME = "userBlocks"
SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("userId", ASCENDING), ("blockedUserId", ASCENDING)], name="block", unique=True),
            IndexModel([("pair", ASCENDING)], name="pair"),
            # What nodes ask for again and again.
            IndexModel([("number", ASCENDING)], name="number"),
        ),
        obsolete=("created",),
    ),
)
# One document: the number of the last block. Whoever blocks writes it, so that commits are in the order of numbers.
COUNTERS, _ALL = "userBlockCounters", "all"
_HOT: Hot = (SHARED, COUNTERS)
# How old a look may be that a message passes by.
TRUSTED_SECONDS = 1.0
_LOOK_AGAIN_SECONDS = 0.5
# A new primary may show for a moment less than the one before it did: no pair is believed open for ever.
_READ_AGAIN_SECONDS = 60.0
_MOST_REMEMBERED = 100_000


class ProfilePair(msgspec.Struct, frozen=True):
    """The profiles of two people who may have bookings."""

    client_id: str
    trainer_id: str


class UserBlock(msgspec.Struct, frozen=True):
    """``number``: in the order of the commits."""

    number: int
    user_id: str
    blocked_user_id: str


@repository
class UserBlocks:
    """Must be made inside the running event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._blocks = database.collection(NAME)
        self._bookings = database.collection(BOOKINGS)
        self._counters = database.collection(COUNTERS)
        # Pairs between whom no block stands, as of the last look, and until when that is believed.
        self._open: BoundedMap[str, float] = BoundedMap(_MOST_REMEMBERED)
        # When the last look began, and up to which number all blocks are known.
        self._looked_at = -math.inf
        self._last: int | None = None
        self._looking = SingleFlight()
        self._asked: dict[str, asyncio.Future[bool]] = {}
        self._reading: dict[str, asyncio.Future[bool]] | None = None
        # Of those being read, whoever was blocked meanwhile.
        self._invalidated: set[str] = set()

    async def prepare(self) -> None:
        """Before anything else is asked of it, as often as one likes."""
        with suppress(DuplicateKeyError):
            await self._counters.update_one({"_id": _ALL}, {"$setOnInsert": {"last": 0}}, upsert=True)

    async def add(self, user_id: str, other_id: str, parties: ProfilePair | None, now: datetime) -> bool:
        """False when the user blocks the other already. Their bookings count as changed: they say so."""
        row: Document = {
            "userId": ObjectId(user_id), "blockedUserId": ObjectId(other_id), "pair": pair_key(user_id, other_id),
        }  # fmt: skip

        async def body(session: ClientSession) -> bool:
            named = {name: row[name] for name in ("userId", "blockedUserId")}
            if await self._blocks.find_one(named, {"_id": 1}, session=session) is not None:
                return False
            counter = await self._counters.find_one_and_update(
                {"_id": _ALL}, {"$inc": {"last": 1}}, return_document=ReturnDocument.AFTER, session=session
            )
            assert counter is not None
            await self._blocks.insert_one({**row, "createdAt": now, "number": counter["last"]}, session=session)
            await self._change_bookings(parties, session)
            return True

        try:
            return await self._database.transaction(body, hot=[_HOT])
        except DuplicateKeyError:
            return False

    async def remove(self, user_id: str, other_id: str, parties: ProfilePair | None) -> bool:
        """False when the user does not block the other. Another's block stays."""

        async def body(session: ClientSession) -> bool:
            row: Document = {"userId": ObjectId(user_id), "blockedUserId": ObjectId(other_id)}
            if not (await self._blocks.delete_one(row, session=session)).deleted_count:
                return False
            await self._change_bookings(parties, session)
            return True

        return await self._database.transaction(body)

    async def _change_bookings(self, parties: ProfilePair | None, session: ClientSession) -> None:
        if parties is not None:
            whose = {"client": ObjectId(parties.client_id), "trainer": ObjectId(parties.trainer_id)}
            await self._bookings.update_many(whose, CHANGED, session=session)

    async def count(self, user_id: str, limit: int) -> int:
        """How many people the user blocks, up to ``limit``."""
        return await self._blocks.count_documents({"userId": ObjectId(user_id)}, limit=limit)

    def is_known_open(self, one: str, other: str) -> bool:
        """Whether it is known that none stood at most ``TRUSTED_SECONDS`` ago; begins a look when one is due."""
        now = monotonic()
        since = now - self._looked_at
        if since >= _LOOK_AGAIN_SECONDS:
            self._looking.begin("look", self._look)
        return since < TRUSTED_SECONDS and self._open.get(pair_key(one, other), now) > now

    async def stands_between(self, one: str, other: str) -> bool:
        """As it was at most ``TRUSTED_SECONDS`` ago; what is known is answered without a suspension."""
        if self.is_known_open(one, other):
            return False
        now = monotonic()
        while now - self._looked_at >= TRUSTED_SECONDS:
            await self._looking.do("look", self._look)
        pair = pair_key(one, other)
        if self._open.get(pair, now) > now:
            return False
        asked = self._asked.get(pair)
        if asked is None:
            asked = self._asked[pair] = asyncio.get_running_loop().create_future()
            if self._reading is None:
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

    async def last_number(self) -> int:
        """That of the last block; each read that begins from here on sees all up to it."""
        counter = await self._counters.find_one({"_id": _ALL})
        return 0 if counter is None else int(counter["last"])

    async def after(self, number: int) -> list[UserBlock]:
        """What was blocked later, in order; blocks that were taken back meanwhile are not among them."""
        wanted = {"_id": 0, "number": 1, "userId": 1, "blockedUserId": 1}
        found = await self._blocks.find({"number": {"$gt": number}}, wanted).sort("number", ASCENDING).to_list(None)
        return [UserBlock(int(one["number"]), str(one["userId"]), str(one["blockedUserId"])) for one in found]

    async def forget(self, user_id: str, *, session: ClientSession) -> None:
        """Of an erased user."""
        erased = ObjectId(user_id)
        await self._blocks.delete_many({"$or": [{"userId": erased}, {"blockedUserId": erased}]}, session=session)

    # --- inside ---

    async def _look(self) -> None:
        """Forgets who was taken for open and was blocked since the last look."""
        await repeat_unanswered(self._look_once)

    async def _look_once(self) -> None:
        began = monotonic()
        if self._last is None:
            self._last = await self.last_number()
        else:
            for block in await self.after(self._last):
                self._invalidate(pair_key(block.user_id, block.blocked_user_id))
                self._last = block.number
        self._looked_at = began

    def _invalidate(self, pair: str) -> None:
        self._open.pop(pair, None)
        if self._reading is not None and pair in self._reading:
            self._invalidated.add(pair)

    def _read_on(self) -> None:
        self._reading, self._asked = (self._asked, {}) if self._asked else (None, self._asked)
        self._invalidated.clear()
        if self._reading is not None:
            detached(self._read(self._reading), BUDGET_SECONDS)

    async def _read(self, asked: dict[str, asyncio.Future[bool]]) -> None:
        """One read for all who asked meanwhile; the next begins when it is over."""
        until = monotonic() + _READ_AGAIN_SECONDS
        try:
            blocked = await repeat_unanswered(partial(self.blocked_pairs, asked)) | self._invalidated
            for pair, waiting in asked.items():
                self._open.pop(pair, None)
                if pair not in blocked:
                    self._open[pair] = until
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
