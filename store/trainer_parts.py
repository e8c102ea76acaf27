"""Payments whose trainer's part Stripe does not see to by itself: a row each, with the move that is under way."""

from __future__ import annotations

from datetime import datetime

import msgspec
from bson import ObjectId

from domain.trainer_parts import Move
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.work_queue import WORK, WorkQueue, work_indexes

NAME = "trainerParts"
SCHEMAS = (CollectionSchema(NAME, work_indexes(only={"dueAt": {"$exists": True}})),)


class TrainerPartProgress(msgspec.Struct, frozen=True, kw_only=True):
    """``moves``: how many have been made or refused; ``under_way``: the one that comes next, once it is decided."""

    moves: int
    under_way: Move | None


@repository
class TrainerParts:
    def __init__(self, database: Database) -> None:
        self._rows = database.collection(NAME)
        self.queue = WorkQueue(database, NAME)

    async def look(
        self, transaction_id: str, now: datetime, *, session: ClientSession | None = None, always: bool = True
    ) -> None:
        """What the trainer has is compared with what there is to have, by whoever comes first. ``always``: else only
        where that was so before."""
        row = {"_id": ObjectId(transaction_id)}
        update: Document = {"$set": {"dueAt": now}, "$unset": {WORK: ""}, "$setOnInsert": {"moves": 0}}
        await self._rows.update_one(row, update, upsert=always, session=session)

    async def by_id(self, transaction_id: str) -> TrainerPartProgress | None:
        found = await self._rows.find_one({"_id": ObjectId(transaction_id)})
        if found is None:
            return None
        move = found.get("move")
        return TrainerPartProgress(
            moves=found["moves"],
            under_way=None
            if move is None
            else Move(number=found["moves"], amount=move["amount"], transfer_id=move["transfer"]),
        )

    async def begin(self, transaction_id: str, move: Move) -> None:
        """The intent, before Stripe is asked; nothing where another node has begun meanwhile."""
        known = {"_id": ObjectId(transaction_id), "moves": move.number, "move": {"$exists": False}}
        kept = {"amount": move.amount, "transfer": move.transfer_id}
        await self._rows.update_one(known, {"$set": {"move": kept}})

    async def end(self, transaction_id: str, move: Move) -> None:
        """Made or refused: the next one has another key."""
        known = {"_id": ObjectId(transaction_id), "moves": move.number, "move": {"$exists": True}}
        await self._rows.update_one(known, {"$inc": {"moves": 1}, "$unset": {"move": ""}})
