"""The TrainerCertificate table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument

from domain.catalogue import Certificate
from store.database import Database, Document, Session
from store.failures import repository
from store.schema import CollectionSchema

NAME = "trainerCertificates"
SCHEMAS = (CollectionSchema(NAME, (IndexModel([("trainerId", ASCENDING), ("_id", ASCENDING)], name="trainer"),)),)


@repository
class Certificates:
    def __init__(self, database: Database) -> None:
        self._certificates = database.collection(NAME)

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

    async def insert(self, certificate: Certificate, *, session: Session) -> None:
        document: Document = {
            "_id": ObjectId(certificate.id),
            "trainerId": ObjectId(certificate.trainer_id),
            "certificateName": certificate.name,
            "certificateDocument": certificate.document,
            "aboutYou": certificate.about,
            "createdAt": certificate.created_at,
            "updatedAt": certificate.updated_at,
        }
        await self._certificates.insert_one(document, session=session)

    async def update(
        self, trainer_id: str, certificate_id: str, values: Mapping[str, object], now: datetime
    ) -> Certificate | None:
        """By stored names; nothing when the trainer has no such one."""
        found = await self._certificates.find_one_and_update(
            {"_id": ObjectId(certificate_id), "trainerId": ObjectId(trainer_id)},
            {"$set": {**values, "updatedAt": now}},
            return_document=ReturnDocument.AFTER,
        )
        return _certificate(found) if found else None

    async def delete(self, trainer_id: str, certificate_id: str, *, session: Session) -> Certificate | None:
        key = {"_id": ObjectId(certificate_id), "trainerId": ObjectId(trainer_id)}
        found = await self._certificates.find_one_and_delete(key, session=session)
        return _certificate(found) if found else None

    async def delete_all(self, trainer_id: str, *, session: Session) -> None:
        await self._certificates.delete_many({"trainerId": ObjectId(trainer_id)}, session=session)


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
