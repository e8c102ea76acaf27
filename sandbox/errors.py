"""Refusals in Stripe's shape."""

from __future__ import annotations

from typing import Any


class StripeError(Exception):
    """``fields``: more of Stripe's error object (``decline_code``, ``payment_intent``, ``payment_method``, ``charge``).

    ``stored``: whether a repeat under the same idempotency key gets it again, which is so once work began.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        stored: bool = True,
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.stored = stored
        self.headers = headers or {}
        self.error: dict[str, Any] = {"type": type, "message": message}
        for name, value in {"code": code, "param": param, **fields}.items():
            if value is not None:
                self.error[name] = value

    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def invalid(message: str, param: str | None = None, code: str | None = None, status: int = 400) -> StripeError:
    return StripeError(status, message, param=param, code=code)


def malformed(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """Refused before any work began: a repeat may have other parameters."""
    return StripeError(400, message, param=param, code=code, stored=False)


def missing(kind: str, id: str, param: str | None = "id") -> StripeError:
    """Stripe answers 404 for an object that the path names, 400 for one that a parameter names."""
    status = 404 if param in ("id", None) else 400
    return invalid(f"No such {kind.replace('_', '')}: '{id}'", param or "id", "resource_missing", status)


def declined(code: str, decline_code: str | None, message: str, **fields: Any) -> StripeError:
    return StripeError(402, message, type="card_error", code=code, decline_code=decline_code, **fields)
