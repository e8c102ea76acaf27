"""The limits as they are published, out of the rows and numbers that enforce them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from domain import image_bounds, image_limits
from domain.files import LIMITS as FILE_BYTES
from domain.messages import MAX_ATTACHMENTS, MAX_REACTIONS_PER_USER
from domain.notifications import MAX_DEVICES
from domain.proofs import MAX_MAILS, MAX_TRIES, STRANGERS_SIGN_INS
from domain.slots import HORIZON_DAYS
from domain.webhooks import KEPT_FOR, MAX_ENDPOINTS, MAX_KEPT
from domain.wire.field_bounds import bounds_of
from domain.wire.limits import Bound, Limits, RouteLimits, SocketLimits, Window
from domain.wire.pages import ANSWER_BYTES
from handlers import context
from handlers.catalogue.search import MOST_WORDS
from handlers.files.upload import DAILY_BYTES, DAILY_FILES
from handlers.messages import sync
from handlers.payments.holds import MAX_HOLDS
from rest import uploads
from rest.limits import ADDRESS, FAILED_SESSION, FAILED_TOKENS, VISITORS, Key, Limiter, RateClass
from rest.pace import Pace
from rest.requests import BODY_SECONDS, MAX_BODY_BYTES
from rest.route import Route
from store.availability import MAX_EXCEPTIONS
from store.certificates import MAX_CERTIFICATES

_BY: dict[Key, Any] = {
    "caller": "user",
    "address": "network",
    "address+email": "network and e-mail address",
    "session": "session",
}
_EVERYWHERE = (VISITORS, ADDRESS, FAILED_TOKENS, FAILED_SESSION)

BOUNDS = (
    Bound(name="body", most=MAX_BODY_BYTES, unit="bytes", description="a request in JSON"),
    Bound(name="bodyTime", most=BODY_SECONDS, unit="seconds", description="that body arrives within"),
    *(
        Bound(name=f"{kind}File", most=most, unit="bytes", description="one file of this kind")
        for kind, most in FILE_BYTES.items()
    ),
    Bound(name="uploadTime", most=int(Pace.LONGEST_SECONDS), unit="seconds", description="an upload arrives within"),
    Bound(name="uploadPause", most=int(Pace.STALL_SECONDS), unit="seconds", description="an upload may pause for"),
    Bound(name="uploadsOfUser", most=uploads.OF_ONE_USER, unit="items", description="uploads of a user at a time"),
    Bound(
        name="uploadsOfNetwork", most=uploads.OF_ONE_NETWORK, unit="items", description="uploads of a network at a time"
    ),
    Bound(
        name="uploadBytesOfUser",
        most=context.SPOOLED_BYTES_OF_ONE_USER,
        unit="bytes",
        description="uploads under way of a user together",
    ),
    Bound(name="filesADay", most=DAILY_FILES, unit="items", description="files that a user uploads in 24 hours"),
    Bound(name="fileBytesADay", most=DAILY_BYTES, unit="bytes", description="what a user uploads in 24 hours"),
    Bound(name="imageScans", most=image_bounds.MAX_SCANS, unit="items", description="scans of a JPEG"),
    Bound(name="imageSegments", most=image_bounds.MAX_SEGMENTS, unit="items", description="segments of a JPEG"),
    Bound(name="imageChunks", most=image_bounds.MAX_CHUNKS, unit="items", description="chunks of a PNG or WebP"),
    Bound(name="imageFrames", most=image_limits.MAX_FRAMES, unit="items", description="frames of an animation"),
    *(
        Bound(
            name=f"{content_type.partition('/')[2]}Pixels",
            most=most,
            unit="pixels",
            description=f"of one {content_type}",
        )
        for content_type, most in image_limits.MAX_PIXELS.items()
    ),
    Bound(
        name="animationPixels",
        most=image_limits.MAX_ANIMATED_PIXELS,
        unit="pixels",
        description="of all frames of an animation together",
    ),
    Bound(name="attachments", most=MAX_ATTACHMENTS, unit="items", description="attachments of a message"),
    Bound(
        name="reactionsOfUser",
        most=MAX_REACTIONS_PER_USER,
        unit="items",
        description="reactions of a user to one message",
    ),
    Bound(name="answer", most=ANSWER_BYTES, unit="bytes", description="of one answer of sync, of messages or bookings"),
    Bound(
        name="syncUnnamed", most=sync.UNNAMED, unit="items", description="conversations that a sync's answer adds"
    ),
    Bound(
        name="syncFirstMessages",
        most=sync.FIRST_MESSAGES,
        unit="items",
        description="newest messages of a conversation that a device does not know yet",
    ),
    Bound(name="searchWords", most=MOST_WORDS, unit="items", description="words of a search for trainers that count"),
    Bound(name="slotDays", most=HORIZON_DAYS, unit="days", description="how far ahead sessions are offered"),
    Bound(name="exceptions", most=MAX_EXCEPTIONS, unit="items", description="days or hours off that lie ahead"),
    Bound(name="certificates", most=MAX_CERTIFICATES, unit="items", description="certificates of a trainer"),
    Bound(name="devices", most=MAX_DEVICES, unit="items", description="devices of a user that pushes go to"),
    Bound(name="heldSlots", most=MAX_HOLDS, unit="items", description="slots that a client holds unpaid at a time"),
    Bound(name="webhooks", most=MAX_ENDPOINTS, unit="items", description="endpoints of outbound webhooks"),
    Bound(
        name="webhookEvents", most=MAX_KEPT, unit="items", description="events kept for an endpoint that takes none"
    ),
    Bound(name="webhookDays", most=KEPT_FOR.days, unit="days", description="how long such events are kept"),
    Bound(name="codeTries", most=MAX_TRIES, unit="items", description="wrong guesses of a mailed code"),
    Bound(
        name="signInTries",
        most=STRANGERS_SIGN_INS,
        unit="items",
        description="passwords tried for one address in an hour, from networks that its owner has not signed in from",
    ),
    Bound(name="registrationMails", most=MAX_MAILS, unit="items", description="mails of one registration"),
)


def published(rows: Sequence[Route], limiter: Limiter, sockets: SocketLimits) -> Limits:
    """As the limiter scales them. Takes a tenth of a second."""
    classes = {rate.name: rate for rate in (*_EVERYWHERE, *(row.rate for row in rows))}
    bounds = bounds_of([row.command for row in rows])
    return Limits(
        windows=tuple(window for rate in classes.values() for window in windows(rate, limiter.scaled)),
        everywhere=tuple(policy for rate in _EVERYWHERE for policy in _policies(rate)),
        routes=tuple(
            RouteLimits(method=row.method, path=row.full_path, policies=_policies(row.rate), fields=fields)
            for row, fields in zip(rows, bounds, strict=True)
        ),
        sockets=sockets,
        bounds=BOUNDS,
    )


def windows(rate: RateClass, scaled: Callable[[int], int]) -> list[Window]:
    """``scaled``: how many are allowed where a row says so many."""
    return [
        Window(
            policy=rate.policy(limit),
            by=_BY[limit.by],
            quota=scaled(limit.amount),
            window_in_seconds=limit.seconds,
        )
        for limit in rate.limits
    ]


def _policies(rate: RateClass) -> tuple[str, ...]:
    return tuple(rate.policy(limit) for limit in rate.limits)
