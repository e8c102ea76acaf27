"""The errors a command may end with, by the codes of the wire contract."""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec


class Code(StrEnum):
    VALIDATION_FAILED = "validation_failed"
    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"
    INVALID_CREDENTIALS = "invalid_credentials"
    EMAIL_NOT_VERIFIED = "email_not_verified"
    ACCOUNT_BLOCKED = "account_blocked"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    UNKNOWN_EVENT = "unknown_event"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    CONFLICT = "conflict"
    OWN_CONFLICT = "own_conflict"
    SLOT_TAKEN = "slot_taken"
    SLOT_UNAVAILABLE = "slot_unavailable"
    TRIAL_UNAVAILABLE = "trial_unavailable"
    POLICY_WINDOW_PASSED = "policy_window_passed"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    PAYMENT_FAILED = "payment_failed"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    UNSUPPORTED_MEDIA = "unsupported_media"
    INVALID_CODE = "invalid_code"
    RATE_LIMITED = "rate_limited"
    INTERNAL = "internal"
    # Ours beside the contract's (docs/decisions/0021): HTTP asks for its status.
    NOT_IMPLEMENTED = "not_implemented"
    UNAVAILABLE = "unavailable"


class FieldError(msgspec.Struct, frozen=True):
    """One field that was refused, and why; ``field`` is its path on the wire."""

    field: str
    message: str


class DomainError(Exception):
    """A refusal that the caller is answered: a code, a sentence, and the fields concerned."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        errors: tuple[FieldError, ...] = (),
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.errors = errors
        self.retry_after_ms = retry_after_ms


def invalid(field: str, message: str) -> DomainError:
    """A ``validation_failed`` that names one field."""
    return DomainError(
        Code.VALIDATION_FAILED,
        f"{field}: {message}" if field else message,
        errors=(FieldError(field, message),) if field else (),
    )


def not_found(what: str) -> DomainError:
    """``not_found``: it does not exist, or the actor may not see it."""
    return DomainError(Code.NOT_FOUND, f"There is no such {what}.")


def rate_limited(why: str, retry_after_ms: float) -> DomainError:
    """``rate_limited``; ``why`` is a sentence without its full stop, the time to wait is said behind it."""
    wait = max(1, math.ceil(retry_after_ms))
    return DomainError(Code.RATE_LIMITED, f"{why}; try again in {_in_words(wait)}.", retry_after_ms=wait)


def _in_words(milliseconds: int) -> str:
    """Rounded up, like ``Retry-After``."""
    for unit, length in (("hour", 3_600_000), ("minute", 60_000), ("second", 1000)):
        if unit == "second" or milliseconds > 1.5 * length:
            break
    count = math.ceil(milliseconds / length)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def unavailable(message: str = "The service cannot answer right now; try again.") -> DomainError:
    """``unavailable``: nothing is known to be wrong with the request; a repeat may succeed."""
    return DomainError(Code.UNAVAILABLE, message, retry_after_ms=1000)
