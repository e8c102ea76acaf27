"""Users as documents."""

from __future__ import annotations

from bson import ObjectId

from domain.accounts import Role, User
from domain.presence import Choice
from store.database import Document


def user_from(document: Document | None) -> User | None:
    if document is None:
        return None
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
        time_zone=document.get("timeZone"),
        presence=choice_from(document),
        created_at=document["createdAt"],
        updated_at=document["updatedAt"],
    )


def choice_from(document: Document) -> Choice:
    return Choice(status=document.get("presence"), version=document.get("presenceVersion", 0))


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
    if user.time_zone is not None:
        document["timeZone"] = user.time_zone
    if user.password is not None:
        document |= {"password": user.password, "passwordChangedAt": user.password_changed_at}
    return document
