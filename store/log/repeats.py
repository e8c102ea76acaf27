"""Finding the entry that an append collided with."""

from __future__ import annotations

from store.database import Database, Document
from store.log.documents import MESSAGES


class Repeats:
    def __init__(self, database: Database) -> None:
        self._messages = database.collection(MESSAGES)

    async def first_of(self, entry: Document) -> Document | None:
        """The entry itself, if it was stored after all; else the first under its ``clientMessageId``.

        Nothing while no majority has committed it.
        """
        found = await self._messages.find_one({"_id": entry["_id"]})
        if found is None and "clientMessageId" in entry:
            key = {name: entry[name] for name in ("conversationId", "senderId", "clientMessageId")}
            found = await self._messages.find_one(key)
        return found
