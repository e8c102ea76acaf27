"""The TrainerCertificate table, with the trainers' lists of them and the files that they refer to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.catalogue import Certificate
from store.database import ClientSession, CollectionSchema, Database, Document
from store.failures import repository
from store.file_fields import FileFields, certificate_document
from store.idempotency import Keep
from store.listings import hot
from store.people import PROFILES
from store.profiles import NOT_ERASED

NAME = "trainerCertificates"
# More would make a profile's page long and serve nobody.
MAX_CERTIFICATES = 50
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("trainerId", ASCENDING), ("_id", ASCENDING)], name="trainer"),)),)


@repository
class Certificates:
    def __init__(self, database: Database, files: FileFields) -> None:
        self._database = database
        self._certificates = database.collection(NAME)
        self._trainers = database.collection(PROFILES["trainer"])
        self._files = files

    @staticmethod
    def new_id() -> str:
        return str(ObjectId())

    async def of(self, trainer_id: str, after: str | None = None, limit: int = 0) -> list[Certificate]:
        """A trainer's, in the order in which they were added; all of them without a limit."""
        query: Document = {"trainerId": ObjectId(trainer_id)}
        if after is not None:
            query["_id"] = {"$gt": ObjectId(after)}
        found = await self._certificates.find(query).sort("_id", ASCENDING).limit(limit).to_list(None)
        return [_certificate(one) for one in found]

    async def add(self, certificate: Certificate, owner_id: str, keep: Keep) -> bool:
        """False when the trainer has as many as there may be. Raises ``validation_failed`` for the document."""

        async def body(session: ClientSession) -> bool:
            result = await self._trainers.update_one(
                {
                    "_id": ObjectId(certificate.trainer_id),
                    **NOT_ERASED,
                    f"certificates.{MAX_CERTIFICATES - 1}": {"$exists": False},
                },
                {"$push": {"certificates": ObjectId(certificate.id)}, "$set": {"updatedAt": certificate.created_at}},
                session=session,
            )
            if not result.matched_count:
                return False
            document = _document(certificate)
            await self._exchange(owner_id, {}, document, certificate.created_at, session)
            await self._certificates.insert_one(document, session=session)
            await keep(session=session)
            return True

        return await self._database.transaction(body, hot=[hot(certificate.trainer_id)])

    async def update(
        self, trainer_id: str, owner_id: str, certificate_id: str, values: Mapping[str, object], now: datetime
    ) -> Certificate | None:
        """By stored names; nothing when the trainer has no such one. Raises ``validation_failed`` for the document."""
        key = {"_id": ObjectId(certificate_id), "trainerId": ObjectId(trainer_id)}

        async def body(session: ClientSession) -> Certificate | None:
            before = await self._certificates.find_one_and_update(
                key, {"$set": {**values, "updatedAt": now}}, return_document=ReturnDocument.BEFORE, session=session
            )
            if before is None:
                return None
            after = {**before, **values, "updatedAt": now}
            await self._exchange(owner_id, before, after, now, session)
            return _certificate(after)

        return await self._database.transaction(body, hot=[hot(trainer_id)])

    async def delete(
        self, trainer_id: str, owner_id: str, certificate_id: str, now: datetime, keep: Keep
    ) -> bool:
        """False when the trainer has no such one."""
        key = {"_id": ObjectId(certificate_id), "trainerId": ObjectId(trainer_id)}

        async def body(session: ClientSession) -> bool:
            before = await self._certificates.find_one_and_delete(key, session=session)
            if before is None:
                return False
            await self._exchange(owner_id, before, {"_id": before["_id"]}, now, session)
            await self._trainers.update_one(
                {"_id": key["trainerId"]},
                {"$pull": {"certificates": key["_id"]}, "$set": {"updatedAt": now}},
                session=session,
            )
            await keep(session=session)
            return True

        return await self._database.transaction(body, hot=[hot(trainer_id)])

    async def delete_all(self, trainer_id: str, *, session: ClientSession) -> None:
        await self._certificates.delete_many({"trainerId": ObjectId(trainer_id)}, session=session)

    async def _exchange(
        self, owner_id: str, before: Document, after: Document, now: datetime, session: ClientSession
    ) -> None:
        field = certificate_document(str(after["_id"]))
        held, wanted = ([one[field.name]] if one.get(field.name) else [] for one in (before, after))
        await self._files.exchange(field, owner_id, held, wanted, now, session=session)


def _document(certificate: Certificate) -> Document:
    return {
        "_id": ObjectId(certificate.id),
        "trainerId": ObjectId(certificate.trainer_id),
        "certificateName": certificate.name,
        "certificateDocument": certificate.document,
        "aboutYou": certificate.about,
        "createdAt": certificate.created_at,
        "updatedAt": certificate.updated_at,
    }


def _certificate(document: Document) -> Certificate:
    return Certificate(
        id=str(document["_id"]),
        trainer_id=str(document["trainerId"]),
        name=document["certificateName"],
        document=document.get("certificateDocument"),
        about=document.get("aboutYou"),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )
