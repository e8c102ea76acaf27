"""Files that fields refer to: begun to be used, and no longer used, in the commit of the change that says so.

Whoever replaces a file lets go of exactly the one that stood there, so that changes at once lose none.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from bson import ObjectId

from domain.errors import FieldError, invalid_fields
from domain.files import FileKind, FileUse
from store.database import ClientSession, Database
from store.failures import repository
from store.files import NAME, named_use


class FileField(msgspec.Struct, frozen=True, kw_only=True):
    """``name`` on the wire; a ``many`` holds a list."""

    name: str
    use: FileUse
    kinds: tuple[FileKind, ...]
    many: bool = False

    def place(self, index: int) -> str:
        return f"{self.name}[{index}]" if self.many else self.name


@repository
class FileFields:
    def __init__(self, database: Database) -> None:
        self._files = database.collection(NAME)

    async def exchange(
        self,
        field: FileField,
        owner_id: str,
        before: Iterable[str],
        after: Iterable[str],
        now: datetime,
        *,
        session: ClientSession,
    ) -> None:
        """Raises ``validation_failed`` for what is not the owner's own upload of that kind."""
        before, after = tuple(before), tuple(after)
        use = named_use(field.use)
        faults: list[FieldError] = []
        for index, file_id in enumerate(after):
            if file_id in before:
                continue
            used = await self._files.update_one(
                {
                    "_id": ObjectId(file_id),
                    "owner": ObjectId(owner_id),
                    "kind": {"$in": list(field.kinds)},
                    "state": "ready",
                    "thumbnailOf": {"$exists": False},
                },
                {"$addToSet": {"uses": use}, "$unset": {"checkAt": "", "released": ""}},
                session=session,
            )
            if not used.matched_count:
                kinds = " or ".join(field.kinds)
                words = f"has to be the id of a file of this kind ({kinds}) that you uploaded"
                faults.append(FieldError(field.place(index), words))
        if faults:
            raise invalid_fields(faults)
        gone = [ObjectId(file_id) for file_id in before if file_id not in after]
        if gone:
            await self._files.update_many(
                {"_id": {"$in": gone}},
                {"$pull": {"uses": use}, "$set": {"checkAt": now, "released": True}},
                session=session,
            )


def profile_image(profile_id: str) -> FileField:
    return FileField(name="profile_image", use=FileUse(kind="profile", id=profile_id), kinds=("image",))


def service_images(profile_id: str) -> FileField:
    return FileField(name="service_images", use=FileUse(kind="service", id=profile_id), kinds=("image",), many=True)


def certificate_document(certificate_id: str) -> FileField:
    use = FileUse(kind="certificate", id=certificate_id)
    return FileField(name="certificateDocument", use=use, kinds=("pdf", "image"))
