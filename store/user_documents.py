"""Users and pending registrations as documents."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from bson import ObjectId

from domain.accounts import Registration, Role, User
from store.database import Document


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A user and the registrations pending under its address; ``revision`` guards their replacement."""

    user: User
    registrations: tuple[Registration, ...]
    revision: int


def user_from(document: Document | None) -> User | None:
    return None if document is None else _user(document)


def _user(document: Document) -> User:
    role: Role = document["role"]
    return User(
        id=str(document["_id"]),
        email=document["email"],
        role=role,
        profile_id=document["profileId"],
        password=document.get("password"),
        password_changed_at=document.get("passwordChangedAt"),
        is_blocked=document.get("isBlocked", False),
        is_verified=document.get("isVerified", False),
        is_active=document.get("isActive", True),
        is_deleted=document.get("isDeleted", False),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def document_of(user: User) -> Document:
    document: Document = {
        "_id": ObjectId(user.id),
        "email": user.email,
        "profileId": user.profile_id,
        "role": user.role,
        "isBlocked": user.is_blocked,
        "isVerified": user.is_verified,
        "isResetVerified": False,
        "isActive": user.is_active,
        "isDeleted": user.is_deleted,
        "createdAt": user.created_at,
        "updatedAt": user.updated_at,
    }
    if user.password is not None:
        document |= {"password": user.password, "passwordChangedAt": user.password_changed_at}
    return document


def pending_fields(pending: Sequence[Registration]) -> Document:
    return {
        "registrations": [_registration_document(one) for one in pending],
        "verifyCode": pending[-1].code,
        "codeExpireIn": pending[-1].expires_at,
    }


def _registration_document(one: Registration) -> Document:
    return {
        "id": one.id,
        "code": one.code,
        "expiresAt": one.expires_at,
        "tries": one.tries,
        "password": one.password,
        "role": one.role,
        "name": one.name,
        "timeZone": one.time_zone,
        "requester": one.requester,
        "createdAt": one.created_at,
    }


def known_from(document: Document | None) -> Known | None:
    if document is None:
        return None
    return Known(
        user=_user(document),
        registrations=tuple(_registration_from(one) for one in document.get("registrations", ())),
        revision=document.get("registrationsRevision", 0),
    )


def _registration_from(document: Document) -> Registration:
    return Registration(
        id=document["id"],
        code=document["code"],
        expires_at=document["expiresAt"],
        tries=document["tries"],
        password=document["password"],
        role=document["role"],
        name=document["name"],
        time_zone=document["timeZone"],
        requester=document["requester"],
        created_at=document["createdAt"],
    )
