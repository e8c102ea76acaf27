"""Records of files as MongoDB holds them."""

from __future__ import annotations

from bson import ObjectId

from domain.files import UNUSED_KEPT, FileUse, StoredFile
from store.database import Document


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
        document["checkAt"] = file.created_at + UNUSED_KEPT
    optional = {
        "width": file.width,
        "height": file.height,
        "thumbnail": ObjectId(file.thumbnail_id) if file.thumbnail_id else None,
        "thumbnailOf": ObjectId(file.thumbnail_of) if file.thumbnail_of else None,
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
