"""Files: their bytes in GridFS, and a record of each that says whose it is and what uses it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import datetime, timedelta

import msgspec
from bson import ObjectId
from gridfs import NoFile
from motor.motor_asyncio import AsyncIOMotorGridFSBucket
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.errors import unavailable
from domain.files import UNCONFIRMED_KEPT, UNUSED_KEPT, UPLOAD_TAKES, FileKind, FileUse, StoredFile
from store.database import MAJORITY, Database, Document
from store.failures import repository
from store.schema import CollectionSchema

NAME = "files"
BUCKET = "fs"
CHUNK_BYTES = 255 * 1024

SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("owner", ASCENDING), ("createdAt", ASCENDING)], name="owner"),
            IndexModel([("checkAt", ASCENDING)], name="check", partialFilterExpression={"checkAt": {"$exists": True}}),
            IndexModel([("uses.kind", ASCENDING), ("uses.id", ASCENDING)], name="uses"),
        ),
    ),
)


class Check(msgspec.Struct, frozen=True):
    """``file``: nothing for what is only the rest of one. ``until``: how long the look is one's own."""

    file_id: str
    until: datetime
    file: StoredFile | None


@repository
class Files:
    def __init__(self, database: Database) -> None:
        self._files = database.collection(NAME)
        self._bucket = AsyncIOMotorGridFSBucket(
            database.db, bucket_name=BUCKET, chunk_size_bytes=CHUNK_BYTES, write_concern=MAJORITY
        )

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    # --- bytes ---

    async def write(self, file: StoredFile, content: AsyncIterator[bytes]) -> None:
        """Record and bytes. Whatever breaks off leaves a record that ``sweep`` finds, and with it the bytes."""
        _id = ObjectId(file.id)
        await self._files.insert_one(
            {"_id": _id, "state": "writing", "owner": ObjectId(file.owner_id), "createdAt": file.created_at,
             "checkAt": file.created_at + UPLOAD_TAKES}
        )  # fmt: skip
        try:
            # Its name and type are not repeated there: the record has them.
            stream = self._bucket.open_upload_stream_with_id(_id, file.id)
            try:
                async for chunk in content:
                    await stream.write(chunk)
                await stream.close()
            except BaseException:
                await stream.abort()
                raise
            made = await self._files.replace_one({"_id": _id, "state": "writing"}, _document(file))
            if not made.matched_count:
                raise unavailable("The upload took too long.")
        except BaseException:
            await self._remove(_id)
            raise

    async def read(self, file_id: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to ``end`` (exclusive), in chunks."""
        stream = await self._bucket.open_download_stream(ObjectId(file_id))
        try:
            stream.seek(start)
            left = end - start
            while left > 0 and (chunk := await stream.readchunk()):
                yield chunk[:left]
                left -= len(chunk)
        finally:
            stream.close()

    # --- records ---

    async def by_id(self, file_id: str) -> StoredFile | None:
        found = await self._files.find_one({"_id": ObjectId(file_id), "state": "ready"})
        return _record(found) if found else None

    async def uploaded_since(self, owner_id: str, since: datetime) -> tuple[int, int]:
        """How many files, and bytes, a user has uploaded lately."""
        rows = await self._files.aggregate(
            [
                {"$match": {"owner": ObjectId(owner_id), "createdAt": {"$gte": since}}},
                {"$group": {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": "$size"}}},
            ]
        ).to_list(1)
        return (rows[0]["count"], rows[0]["bytes"]) if rows else (0, 0)

    async def attach_thumbnail(self, file_id: str, thumbnail_id: str) -> None:
        await self._files.update_one({"_id": ObjectId(file_id)}, {"$set": {"thumbnail": ObjectId(thumbnail_id)}})

    async def claim(self, file_id: str, owner_id: str, kind: FileKind, use: FileUse, now: datetime) -> bool:
        """The file is used from here on; false unless it is the owner's own, of that kind."""
        claimed = await self._files.update_one(
            {
                "_id": ObjectId(file_id),
                "owner": ObjectId(owner_id),
                "kind": kind,
                "state": "ready",
                "thumbnailOf": {"$exists": False},
            },
            {
                "$addToSet": {"uses": _use_document(use)},
                "$set": {"checkAt": now + UNCONFIRMED_KEPT},
                "$unset": {"released": ""},
            },
        )
        return bool(claimed.matched_count)

    async def release(self, use: FileUse, now: datetime, *, but: tuple[str, ...] = ()) -> None:
        """Nothing of that name uses any file any more, but those named."""
        query: Document = {"uses": {"$elemMatch": _named(use)}}
        if but:
            query["_id"] = {"$nin": [ObjectId(i) for i in but]}
        await self._files.update_many(
            query,
            {"$pull": {"uses": _named(use)}, "$set": {"checkAt": now, "released": True}},
        )

    async def release_owner(self, owner_id: str, now: datetime) -> None:
        """The owner is erased: nothing keeps its files."""
        await self._files.update_many(
            {"owner": ObjectId(owner_id)}, {"$set": {"uses": [], "checkAt": now, "released": True}}
        )

    async def recheck(self, use: FileUse, at: datetime) -> None:
        """Look at the files of a use again: it is about to end."""
        await self._files.update_many({"uses": {"$elemMatch": _named(use)}}, {"$set": {"checkAt": at}})

    # --- sweeping ---

    async def claim_check(self, now: datetime, lasting: timedelta) -> Check | None:
        """A record to look at, for this node alone for a while."""
        until = now + lasting
        found = await self._files.find_one_and_update(
            {"checkAt": {"$lte": now}},
            {"$set": {"checkAt": until}},
            sort=[("checkAt", ASCENDING)],
            return_document=ReturnDocument.AFTER,
        )
        if found is None:
            return None
        return Check(str(found["_id"]), until, _record(found) if found["state"] == "ready" else None)

    async def settle(self, check: Check, gone: tuple[FileUse, ...], now: datetime) -> bool:
        """Forget uses that are no more. True when nothing uses the file and its time is over: it goes now."""
        _id = ObjectId(check.file_id)
        if gone:
            await self._files.update_one(
                {"_id": _id},
                {"$pull": {"uses": {"$or": [_named(use) for use in gone]}}, "$set": {"released": True}},
            )
        unused: Document = {"_id": _id, "state": "ready", "uses": []}
        over = {"$or": [{"released": True}, {"createdAt": {"$lte": now - UNUSED_KEPT}}]}
        if (await self._files.update_one(unused | over, {"$set": {"state": "going"}})).matched_count:
            return True
        # Unless somebody has begun to use it meanwhile, which sets a time of its own.
        mine = {"_id": _id, "checkAt": check.until}
        await self._files.update_one(mine | {"uses": {"$ne": []}}, {"$unset": {"checkAt": ""}})
        if check.file is not None:
            later = check.file.created_at + UNUSED_KEPT
            await self._files.update_one(mine | {"uses": []}, {"$set": {"checkAt": later}})
        return False

    async def remove(self, file_id: str) -> None:
        """Bytes first, then the record, so that whatever breaks off can be gone on with."""
        found = await self._files.find_one({"_id": ObjectId(file_id)}, {"thumbnail": 1})
        if found is not None and "thumbnail" in found:
            await self._remove(found["thumbnail"])
        await self._remove(ObjectId(file_id))

    async def _remove(self, _id: ObjectId) -> None:
        # Chunks without a file's end go by the same call.
        with contextlib.suppress(NoFile):
            await self._bucket.delete(_id)
        await self._files.delete_one({"_id": _id})


def _document(file: StoredFile) -> Document:
    document: Document = {
        "_id": ObjectId(file.id),
        "state": "ready",
        "owner": ObjectId(file.owner_id),
        "kind": file.kind,
        "contentType": file.content_type,
        "size": file.size,
        "digest": file.digest,
        "name": file.name,
        "uses": [],
        "createdAt": file.created_at,
    }
    if file.thumbnail_of is None:
        document["checkAt"] = file.created_at + UNUSED_KEPT
    optional = {
        "width": file.width,
        "height": file.height,
        "thumbnail": ObjectId(file.thumbnail_id) if file.thumbnail_id else None,
        "thumbnailOf": ObjectId(file.thumbnail_of) if file.thumbnail_of else None,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def _record(document: Document) -> StoredFile:
    return StoredFile(
        id=str(document["_id"]),
        owner_id=str(document["owner"]),
        kind=document["kind"],
        content_type=document["contentType"],
        size=document["size"],
        digest=document["digest"],
        name=document["name"],
        width=document.get("width"),
        height=document.get("height"),
        thumbnail_id=str(document["thumbnail"]) if "thumbnail" in document else None,
        thumbnail_of=str(document["thumbnailOf"]) if "thumbnailOf" in document else None,
        uses=tuple(_use(use) for use in document["uses"]),
        created_at=document["createdAt"],
    )


def _named(use: FileUse) -> Document:
    return {"kind": use.kind, "id": ObjectId(use.id)}


def _use_document(use: FileUse) -> Document:
    document = _named(use)
    if use.conversation_id is not None:
        document["conversation"] = ObjectId(use.conversation_id)
    return document


def _use(document: Document) -> FileUse:
    conversation = document.get("conversation")
    return FileUse(
        kind=document["kind"],
        id=str(document["id"]),
        conversation_id=None if conversation is None else str(conversation),
    )
