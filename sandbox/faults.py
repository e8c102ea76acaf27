"""What goes wrong between a caller and Stripe, when a test asks for it."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Literal

from sandbox.errors import StripeError
from sandbox.state import Object

Action = Literal["error", "hang", "lose"]
_MESSAGES = {
    409: (
        "invalid_request_error",
        "lock_timeout",
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing "
        "it. If you see this error intermittently, retry the request.",
    ),
    429: ("invalid_request_error", "rate_limit", "Request rate limit exceeded."),
}


@dataclass
class Fault:
    """Hits the next ``times`` requests that fit. ``after``: the work is done first, and only its answer is not given.

    ``stored``: with ``after``, Stripe keeps the error as its answer to the idempotency key, and repeats it for a day.
    ``path`` is a regular expression that the whole path has to match. ``skip``: that many that fit pass unharmed first.
    """

    action: Action
    method: str = ""
    path: str = ".*"
    times: int = 1
    skip: int = 0
    after: bool = False
    stored: bool = False
    status: int = 500
    seconds: float = 3600.0
    retry_after: int | None = None

    def fits(self, method: str, path: str) -> bool:
        return self.method.upper() in ("", method) and re.fullmatch(self.path, path) is not None

    def error(self) -> StripeError:
        kind, code, message = _MESSAGES.get(
            self.status, ("api_error", None, "Sorry! There was an error while talking to one of our backends.")
        )
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 409:
            headers["Stripe-Should-Retry"] = "true"
        return StripeError(self.status, message, type=kind, code=code, stored=False, headers=headers)


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def listed(self) -> list[Object]:
        return [asdict(fault) for fault in self._waiting]

    def take(self, method: str, path: str) -> Fault | None:
        """The first that fits, counted."""
        for fault in self._waiting:
            if fault.fits(method, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._waiting.remove(fault)
                return fault
        return None
