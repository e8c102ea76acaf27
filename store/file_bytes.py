"""The bytes of files, laid out as GridFS, so that any of its tools reads them.

Chunks are written and read here one by one: the driver's own bucket keeps up to 48 MB of an upload in memory before it
writes any of it, and fetches 17 MB for the first byte of a download.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from datetime import datetime
from typing import TypeVar

from bson import Binary, ObjectId
from pymongo import ASCENDING, IndexModel

from store.database import CollectionSchema, Database, Document

CHUNK_BYTES = 255 * 1024
_TOGETHER = 4
FILES, CHUNKS = "fs.files", "fs.chunks"
SCHEMAS = (
    CollectionSchema(FILES, (IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)]),)),
    CollectionSchema(CHUNKS, (IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True),)),
)

T = TypeVar("T")


class FileBytes:
    def __init__(self, database: Database) -> None:
        self._ends = database.collection(FILES)
        self._chunks = database.collection(CHUNKS)

    async def write(self, _id: ObjectId, content: AsyncIterator[bytes], now: datetime) -> int:
        """Answers how many there were. No write is under way any more when this ends, however it ends."""
        waiting, count, size = bytearray(), 0, 0
        async for part in content:
            waiting += part
            size += len(part)
            while len(waiting) >= CHUNK_BYTES * _TOGETHER:
                count += await self._put(_id, count, waiting[: CHUNK_BYTES * _TOGETHER])
                del waiting[: CHUNK_BYTES * _TOGETHER]
        await self._put(_id, count, waiting)
        # Its name and type are not repeated there: the record has them.
        end = {"_id": _id, "length": size, "chunkSize": CHUNK_BYTES, "uploadDate": now, "filename": str(_id)}
        await finished(self._ends.insert_one(end))
        return size

    async def _put(self, _id: ObjectId, count: int, data: bytearray) -> int:
        pieces = [bytes(data[at : at + CHUNK_BYTES]) for at in range(0, len(data), CHUNK_BYTES)]
        documents: list[Document] = [
            {"files_id": _id, "n": count + number, "data": Binary(piece)} for number, piece in enumerate(pieces)
        ]
        if documents:
            await finished(self._chunks.insert_many(documents))
        return len(documents)

    async def chunk(self, _id: ObjectId, number: int) -> bytes | None:
        found = await self._chunks.find_one({"files_id": _id, "n": number}, {"data": 1})
        return None if found is None else bytes(found["data"])

    async def remove(self, _id: ObjectId) -> None:
        """Also what was begun and never ended."""
        await self._ends.delete_one({"_id": _id})
        await self._chunks.delete_many({"files_id": _id})


async def finished(operation: Awaitable[T]) -> T:
    """The driver's threads end what they have begun, cancelled or not: what cleans up must not overtake them."""
    task = asyncio.ensure_future(operation)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
