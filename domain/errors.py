"""The errors a command may end with, by the codes of the wire contract."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

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
    PRECONDITION_FAILED = "precondition_failed"
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
    UNAVAILABLE = "unavailable"
    # Ours beside the contract's (docs/decisions/0021): HTTP asks for their statuses.
    NOT_IMPLEMENTED = "not_implemented"
    HEAD_TOO_LARGE = "head_too_large"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"


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


# Of a hostile body no more than this is told.
MOST_FIELDS: Final = 20
_TOLD_IN_THE_SENTENCE = 3
UNKNOWN: Final = "is not a known field"


def invalid_fields(errors: Iterable[FieldError], code: Code = Code.VALIDATION_FAILED) -> DomainError:
    """One refusal of all these fields, each named once; what concerns no field is a sentence about the whole."""
    told: list[FieldError] = []
    for error in errors:
        if len(told) < MOST_FIELDS and (not error.field or all(error.field != one.field for one in told)):
            told.append(error)
    if len(told) == 1 and not told[0].field and told[0].message != UNKNOWN:
        return DomainError(code, f"The body {told[0].message}.")
    words = "; ".join(f"{error.field}: {error.message}" for error in told[:_TOLD_IN_THE_SENTENCE])
    more = len(told) - _TOLD_IN_THE_SENTENCE
    return DomainError(code, f"{words}; and {more} more." if more > 0 else f"{words}.", errors=tuple(told))


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
