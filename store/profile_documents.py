"""Profiles as documents."""

from __future__ import annotations

from typing import Any

import msgspec

from domain.profiles import Profile
from store.database import Document

_FIELDS = {field.encode_name: field.name for field in msgspec.structs.fields(Profile)}


def profile_from(document: Document) -> Profile:
    stored: dict[str, Any] = {
        _FIELDS[name]: value for name, value in document.items() if name in _FIELDS and value is not None
    }
    stored |= {"id": str(document["_id"]), "user": str(document["user"])}
    for name in ("certificates", "specialization"):
        stored[name] = tuple(str(one) for one in document.get(name, ()))
    stored["service_images"] = tuple(document.get("service_images", ()))
    return Profile(**stored)
