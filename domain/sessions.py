"""Sessions, one per device signed in, the rules of their refresh tokens, and the revocations that end them.

A session counts the refresh tokens it has given out. Token n is ``<session>.<n>.<proof>``, the proof a keyed hash
over the session's nonce and n: nothing secret is stored, and a lost answer can be given again. A revocation is a row
by which every node learns which sessions have ended, and disconnects their sockets.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Literal

import msgspec

from domain.accounts import User
from domain.presence import Status

LIFETIME = timedelta(days=30)
# A phone that lost the answer to its refresh may be without a network for hours.
GRACE = timedelta(hours=24)
# A refresh shows from which network the owner comes: that is noted once in so long, of so many networks.
NETWORK_NOTED_FOR = timedelta(days=1)
NETWORKS_NOTED = 8


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """``password_changed_at`` is the user's when the session began: a later change ends the session.

    ``used_generation``: the latest whose access token was used, so that its device has received its tokens.

    ``presence``: what the device said of its owner last.

    ``networks``: when it was noted last that the owner comes from there, by keyed hash of the network.
    """

    id: str
    user_id: str
    device: str | None
    nonce: str
    generation: int
    used_generation: int = 0
    rotated_at: datetime
    password_changed_at: datetime | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    presence: Status = "online"
    networks: Mapping[str, datetime] = {}


class RefreshToken(msgspec.Struct, frozen=True, kw_only=True):
    session_id: str
    generation: int
    proof: str


class Step(Enum):
    """What a refresh token that verifies is worth."""

    ROTATE = auto()
    REPEAT = auto()
    REUSE = auto()


def is_live(session: Session, user: User, now: datetime) -> bool:
    """Whether the session is still valid for its user."""
    return (
        session.revoked_at is None
        and session.expires_at > now
        and session.user_id == user.id
        and session.password_changed_at == user.password_changed_at
    )


def refresh_step(session: Session, generation: int, now: datetime) -> Step:
    """Rotate the current token, repeat the successor of the one just replaced as long as nobody has used that or its
    access token, and recognise a stolen one."""
    if generation == session.generation:
        return Step.ROTATE
    arrived = session.used_generation >= session.generation
    if generation == session.generation - 1 and not arrived and now - session.rotated_at <= GRACE:
        return Step.REPEAT
    return Step.REUSE


def networks_noted(session: Session, network: str, now: datetime) -> Mapping[str, datetime] | None:
    """The session's networks when it is refreshed from there; nothing where that was noted lately."""
    lately = {one: at for one, at in session.networks.items() if now - NETWORK_NOTED_FOR < at <= now}
    if network in lately:
        return None
    newest = sorted(lately.items(), key=lambda one: one[1])[1 - NETWORKS_NOTED :]
    return {**dict(newest), network: now}


def proof_text(session_id: str, nonce: str, generation: int) -> str:
    """What the proof of a refresh token is computed over."""
    return f"{session_id}|{nonce}|{generation}"


def parse_refresh_token(token: str) -> RefreshToken | None:
    """Its three parts, unverified; nothing when it has not their form."""
    session_id, _, rest = token.partition(".")
    generation, _, proof = rest.partition(".")
    if not (_is_hex(session_id, 24) and _is_hex(proof, 64) and generation.isascii() and generation.isdigit()):
        return None
    # One spelling: what counts or compares tokens by their text sees each once.
    if len(generation) > 9 or str(int(generation)) != generation:
        return None
    return RefreshToken(session_id=session_id, generation=int(generation), proof=proof)


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(character in "0123456789abcdef" for character in text)


# Of the wire contract: why a client is told that its session is over.
PublicReason = Literal["logout", "logout_all", "session_ended", "password_changed", "blocked", "erased"]
# Why it is; the last one is for the record only.
Reason = PublicReason | Literal["token_reuse"]


def public_reason(reason: Reason) -> PublicReason:
    """What the client is told of a reason: nothing of a token that was stolen, perhaps by whoever is told."""
    return "session_ended" if reason == "token_reuse" else reason


# A socket lives by an access token of 15 minutes; whoever slept for longer than this looks at everybody again.
KEPT = timedelta(minutes=20)


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One session ended or, when none is named, the user's sessions are to be looked at again.

    The latter instead of "all sessions": a row that is received late must not end what began after it, and the clocks
    of nodes do not show what began after it.
    """

    id: str
    user_id: str
    session_id: str | None
    reason: Reason
    at: datetime


# In this order: an iPad's says "Mac OS X" too, an Android phone's "Linux".
_DEVICES = (
    ("ipad", "an iPad"),
    ("iphone", "an iPhone"),
    ("android", "an Android device"),
    ("okhttp", "an Android device"),
    ("windows", "a Windows computer"),
    ("macintosh", "a Mac"),
    ("mac os x", "a Mac"),
    ("cfnetwork", "an Apple device"),
    ("darwin", "an Apple device"),
    ("cros", "a Chromebook"),
    ("linux", "a Linux computer"),
    ("dart", "a phone or tablet"),
)
UNKNOWN_DEVICE = "a device of unknown kind"


def kind_of_device(agent: str) -> str:
    """What a ``User-Agent`` comes from, as its owner would call it; one of a few constants, never the text."""
    folded = agent.lower()
    return next((kind for mark, kind in _DEVICES if mark in folded), UNKNOWN_DEVICE)
