"""Everything that the database holds, read again only where it has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from store.database import Database
from store.store import Store

Documents = dict[Any, dict[str, Any]]
Contents = dict[str, Documents]

# Said of a session or a user because it was there, not because of what it did.
_LAST_USED = frozenset({"lastUsedAt", "lastSeenAt"})
# What durable work moves on and takes away of a session whose owner waits to be told of the sign-in.
_SIGN_IN_NOTICE = ("tellAt", "work")
_EXPORT_SECONDS = 30.0
# Durable work takes rows out, or their instants, whenever it gets to them, whoever asks for what meanwhile.
_WORKED_OFF = frozenset(
    {
        "bookingMails", "departures", "digests", "finalRefunds", "paymentNotices", "receiptMails", "reminderMails",
        "stripeEvents", "unheardScans", "webhookDeliveries",
    }
)


@dataclass(frozen=True)
class Difference:
    """A document that came, went (``after`` is nothing) or changed."""

    collection: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Stored:
    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store
        self._hashes: dict[str, str] = {}
        self._contents: Contents = {}

    async def look(self) -> Contents:
        """Once nothing is being written any more."""
        await self._store.drain()
        await self._exported()
        hashes: dict[str, str] = (await self._database.db.command("dbHash"))["collections"]
        contents = {
            name: self._contents[name] if self._hashes.get(name) == digest else await self._read(name)
            for name, digest in hashes.items()
            if name not in _WORKED_OFF
        }
        self._hashes, self._contents = hashes, contents
        return contents

    async def _exported(self) -> None:
        """An archive that was asked for is made by durable work, and is a file."""
        async with asyncio.timeout(_EXPORT_SECONDS):
            while True:
                if await self._database.collection("exports").find_one({"dueAt": {"$exists": True}}) is None:
                    return
                await asyncio.sleep(0.01)

    async def _read(self, name: str) -> Documents:
        found = await self._database.collection(name).find().to_list(None)
        return {one["_id"]: {key: value for key, value in one.items() if key not in _LAST_USED} for one in found}


def differences(before: Contents, after: Contents) -> list[Difference]:
    return list(_differences(before, after))


def _differences(before: Contents, after: Contents) -> Iterator[Difference]:
    for name in before.keys() | after.keys():
        old, new = before.get(name, {}), after.get(name, {})
        if old is not new:
            for key in old.keys() | new.keys():
                if old.get(key) != new.get(key) and not _is_sign_in_told(name, old.get(key), new.get(key)):
                    yield Difference(name, old.get(key), new.get(key))


def _is_sign_in_told(collection: str, old: dict[str, Any] | None, new: dict[str, Any] | None) -> bool:
    """Whether a session that waited to be told of differs in that alone; one that did not wait must not begin to."""
    if collection != "sessions" or old is None or new is None or "tellAt" not in old:
        return False
    return _without_notice(old) == _without_notice(new)


def _without_notice(session: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in session.items() if key not in _SIGN_IN_NOTICE}
