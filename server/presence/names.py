"""The keys and channels of presence. What one script touches shares a hash tag, and so a slot of a cluster."""

from __future__ import annotations

LEASES = "{presence}:leases"
DEAD = "{presence}:dead"
QUIET = "{presence}:quiet"


def held_by(incarnation: str) -> str:
    """The set of users whom an incarnation may have registered."""
    return f"{{presence}}:at:{incarnation}"


def user(user_id: str) -> str:
    """The hash of a user's incarnations; also the channel on which its changes are told."""
    return f"{{presence:{user_id}}}"


def is_users(channel: str) -> bool:
    return channel.startswith("{presence:")
