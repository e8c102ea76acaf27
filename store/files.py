"""Files: a record of each that says whose it is and what uses it, and with it its bytes.

A record is ``writing``, then ``ready``, then ``going``: only what is ready is found and can be used. A sweep looks at
it at its ``checkAt``.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo import ASCENDING, IndexModel
from pymongo.errors import PyMongoError

from domain.errors import not_found, unavailable
from domain.files import UNCONFIRMED_KEPT, UNUSED_KEPT, UPLOAD_TAKES, FileKind, FileUse, StoredFile
from store import file_bytes
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.file_bytes import CHUNK_BYTES, FileBytes, finished
from store.work_queue import WORK, WorkQueue, WorkRow, begun_index


def file_document(file: StoredFile) -> Document:
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
        document["checkAt"] = file.kept_until or file.created_at + UNUSED_KEPT
    optional = {
        "width": file.width,
        "height": file.height,
        "thumbnail": ObjectId(file.thumbnail_id) if file.thumbnail_id else None,
        "thumbnailOf": ObjectId(file.thumbnail_of) if file.thumbnail_of else None,
        "keptUntil": file.kept_until,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def file_record(document: Document) -> StoredFile:
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
        kept_until=document.get("keptUntil"),
    )


def named_use(use: FileUse) -> Document:
    return {"kind": use.kind, "id": ObjectId(use.id)}


def use_document(use: FileUse) -> Document:
    document = named_use(use)
    if use.conversation_id is not None:
        document["conversation"] = ObjectId(use.conversation_id)
    if use.at is not None:
        document["at"] = use.at
    return document


def _use(document: Document) -> FileUse:
    conversation = document.get("conversation")
    return FileUse(
        kind=document["kind"],
        id=str(document["id"]),
        conversation_id=None if conversation is None else str(conversation),
        at=document.get("at"),
    )


NAME = "files"

SCHEMAS = (
    CollectionSchema(
        NAME,
        (
            IndexModel([("owner", ASCENDING), ("createdAt", ASCENDING)], name="owner"),
            IndexModel([("checkAt", ASCENDING)], name="check", partialFilterExpression={"checkAt": {"$exists": True}}),
            begun_index(),
            IndexModel([("uses.kind", ASCENDING), ("uses.id", ASCENDING)], name="uses"),
        ),
    ),
    *file_bytes.SCHEMAS,
)


# Neither thumbnails nor archives.
_UPLOADS: Document = {"thumbnailOf": {"$exists": False}, "keptUntil": {"$exists": False}}


class Check(msgspec.Struct, frozen=True):
    """``file``: nothing for what is only the rest of one."""

    claimed: WorkRow
    file_id: str
    file: StoredFile | None


_AT_A_TIME = 200


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Of a file's uses: which have ended, which never came to be, and when to look at the undecided again."""

    ended: tuple[FileUse, ...] = ()
    unborn: tuple[FileUse, ...] = ()
    again_at: datetime | None = None


@repository
class Files:
    def __init__(self, database: Database) -> None:
        self._files = database.collection(NAME)
        self._bytes = FileBytes(database)
        self.queue = WorkQueue(database, NAME, due="checkAt")

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    # --- bytes ---

    async def write(self, file: StoredFile, content: AsyncIterator[bytes]) -> None:
        """Record and bytes, or nothing. What a crash leaves has a record, by which a sweep finds it."""
        await self._write(file, content, lambda: file)

    async def _write(self, file: StoredFile, content: AsyncIterator[bytes], made_of: Callable[[], StoredFile]) -> None:
        _id = ObjectId(file.id)
        begun = {"_id": _id, "state": "writing", "owner": ObjectId(file.owner_id), "createdAt": file.created_at}
        try:
            await finished(self._files.insert_one({**begun, "checkAt": file.created_at + UPLOAD_TAKES}))
            await self._bytes.write(_id, content, file.created_at)
            made = await finished(self._files.replace_one({"_id": _id, "state": "writing"}, file_document(made_of())))
        except PyMongoError:
            # Something may still be on its way: the sweep comes after it.
            raise
        except BaseException:
            await self._remove(_id)
            raise
        if not made.matched_count:
            await self._remove(_id)
            raise unavailable("The upload took too long.")

    async def write_measured(self, file: StoredFile, content: AsyncIterator[bytes]) -> StoredFile:
        """The same for what is made while it is written; answers it with its size and digest."""
        digest, size = hashlib.sha256(), 0

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size
            async for part in content:
                digest.update(part)
                size += len(part)
                yield part

        def made() -> StoredFile:
            return msgspec.structs.replace(file, size=size, digest=digest.hexdigest())

        await self._write(file, measured(), made)
        return made()

    async def read(self, file_id: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from ``start`` up to ``end`` (exclusive), a chunk at a time; raises ``not_found``."""
        while start < end:
            number, skipped = divmod(start, CHUNK_BYTES)
            chunk = (await self.chunk(file_id, number))[skipped : skipped + end - start]
            yield chunk
            start += len(chunk)

    async def chunk(self, file_id: str, number: int) -> bytes:
        found = await self._bytes.chunk(ObjectId(file_id), number)
        if not found:
            raise not_found("file")
        return found

    # --- records ---

    async def by_id(self, file_id: str) -> StoredFile | None:
        found = await self._files.find_one({"_id": ObjectId(file_id), "state": "ready"})
        return file_record(found) if found else None

    async def by_ids(self, file_ids: Collection[str]) -> dict[str, StoredFile]:
        """Those that are there."""
        if not file_ids:
            return {}
        query = {"_id": {"$in": [ObjectId(one) for one in file_ids]}, "state": "ready"}
        found = [file_record(one) for one in await self._files.find(query).to_list(None)]
        return {one.id: one for one in found}

    async def uploaded_since(self, owner_id: str, since: datetime) -> tuple[int, int]:
        """How many files, and bytes, a user has uploaded lately."""
        uploaded = {"owner": ObjectId(owner_id), "createdAt": {"$gte": since}, **_UPLOADS}
        total = {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": "$size"}}
        rows = await self._files.aggregate([{"$match": uploaded}, {"$group": total}]).to_list(1)
        return (rows[0]["count"], rows[0]["bytes"]) if rows else (0, 0)

    async def uploads_of(self, owner_id: str) -> AsyncIterator[StoredFile]:
        """What the user uploaded and is still there, without thumbnails; the oldest first."""
        after = ObjectId("0" * 24)
        while True:
            query = {"owner": ObjectId(owner_id), "state": "ready", "_id": {"$gt": after}, **_UPLOADS}
            found = await self._files.find(query).sort("_id", ASCENDING).limit(_AT_A_TIME).to_list(None)
            for one in found:
                yield file_record(one)
            if len(found) < _AT_A_TIME:
                return
            after = found[-1]["_id"]

    async def let_archives_go(self, owner_id: str, now: datetime) -> None:
        """They are found no more, and swept."""
        archives = {"owner": ObjectId(owner_id), "kind": "archive", "state": "ready"}
        await self._files.update_many(archives, {"$set": {"state": "going", "checkAt": now}, "$unset": {WORK: ""}})

    async def claim(self, file_id: str, owner_id: str, kind: FileKind, use: FileUse, now: datetime) -> bool:
        """The file is used from here on; false unless it is the owner's own, of that kind."""
        wanted = {
            "_id": ObjectId(file_id),
            "owner": ObjectId(owner_id),
            "kind": kind,
            "state": "ready",
            "thumbnailOf": {"$exists": False},
        }
        claimed = await self._files.update_one(
            wanted,
            {
                "$addToSet": {"uses": use_document(use)},
                "$set": {"checkAt": now + UNCONFIRMED_KEPT},
                "$unset": {"released": "", WORK: ""},
            },
        )
        return bool(claimed.matched_count)

    async def withdraw(self, use: FileUse, now: datetime) -> None:
        """It did not come to be: its files are where they were before it was claimed."""
        named = named_use(use)
        await self._files.update_many(
            {"uses": {"$elemMatch": named}}, {"$pull": {"uses": named}, "$set": {"checkAt": now}, "$unset": {WORK: ""}}
        )

    async def release(self, use: FileUse, now: datetime, *, exclude: tuple[str, ...] = ()) -> None:
        """It has ended, but for the files named; what nothing else uses is found no more from here on."""
        named = named_use(use)
        query: Document = {"uses": {"$elemMatch": named}}
        if exclude:
            query["_id"] = {"$nin": [ObjectId(i) for i in exclude]}
        ended = {"$pull": {"uses": named}, "$set": {"checkAt": now, "released": True}, "$unset": {WORK: ""}}
        await self._files.update_many(query, ended)
        let_go = {"checkAt": now, "released": True, "uses": [], "state": "ready"}
        await self._files.update_many(let_go, {"$set": {"state": "going"}})

    async def release_owner(self, owner_id: str, now: datetime, *, session: ClientSession) -> None:
        """The owner is erased: whatever used its files, they go, and are found no more."""
        await self._files.update_many(
            {"owner": ObjectId(owner_id), "state": "ready"},
            {"$set": {"state": "going", "uses": [], "checkAt": now, "released": True}, "$unset": {WORK: ""}},
            session=session,
        )

    async def recheck(self, use: FileUse, at: datetime) -> None:
        """Look at the files of a use again: it is about to end."""
        again = {"$set": {"checkAt": at}, "$unset": {WORK: ""}}
        await self._files.update_many({"uses": {"$elemMatch": named_use(use)}}, again)

    # --- sweeping ---

    @staticmethod
    def check(claimed: WorkRow) -> Check:
        """The record to look at."""
        document = claimed.document
        return Check(claimed, str(claimed.id), file_record(document) if document["state"] == "ready" else None)

    async def finish_check(self, check: Check, finding: Finding, now: datetime) -> bool:
        """Forget uses that are no more. True when nothing uses the file and its time is over: it goes now."""
        _id = ObjectId(check.file_id)
        gone = [*finding.ended, *finding.unborn]
        if gone:
            change: Document = {"$pull": {"uses": {"$or": [named_use(use) for use in gone]}}}
            if finding.ended:
                change["$set"] = {"released": True}
            await self._files.update_one({"_id": _id}, change)
        # Of an upload that broke off there is only the beginning.
        over: list[Document] = [{"state": "writing"}, {"state": "going"}]
        over += [{"uses": [], "released": True}, {"keptUntil": {"$lte": now}}]
        over += [{"uses": [], "createdAt": {"$lte": now - UNUSED_KEPT}, "keptUntil": {"$exists": False}}]
        if (await self._files.update_one({"_id": _id, "$or": over}, {"$set": {"state": "going"}})).matched_count:
            return True
        await self._look_later(check, finding.again_at)
        return False

    async def _look_later(self, check: Check, again_at: datetime | None) -> None:
        """Unless somebody has begun to use it meanwhile, which set a time of its own. Not at all where it is used and
        nothing is undecided: the end of the claim takes its time away."""
        if again_at is not None:
            await self.queue.reschedule(check.claimed, again_at, where={"uses": {"$ne": []}})
        if check.file is not None:
            unused_until = check.file.kept_until or check.file.created_at + UNUSED_KEPT
            await self.queue.reschedule(check.claimed, unused_until, where={"uses": []})

    async def remove(self, file_id: str) -> None:
        """With its thumbnail; bytes first, then the record, so that whatever breaks off can be gone on with."""
        found = await self._files.find_one({"_id": ObjectId(file_id)}, {"thumbnail": 1})
        if found is not None and "thumbnail" in found:
            await self._remove(found["thumbnail"])
        await self._remove(ObjectId(file_id))

    async def _remove(self, _id: ObjectId) -> None:
        await finished(self._bytes.remove(_id))
        await finished(self._files.delete_one({"_id": _id}))
