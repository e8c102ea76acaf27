"""The names of rooms, built in this one place."""

from __future__ import annotations


def user(user_id: str) -> str:
    """Every device of one user."""
    return f"user:{user_id}"


def is_user(room: str) -> bool:
    return room.startswith("user:")


def user_of(room: str) -> str:
    """Whose room it is."""
    return room.removeprefix("user:")


def slots(trainer_id: str) -> str:
    """Whoever watches a trainer's slots."""
    return f"slots:{trainer_id}"
