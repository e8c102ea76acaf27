"""Reading single settings from text, collecting what is wrong instead of stopping at the first mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from email.utils import parseaddr
from urllib.parse import urlsplit


class SettingsError(Exception):
    """Settings that cannot be used; ``problems`` has a sentence for each, beginning with the setting's name."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(["These settings cannot be used:", *(f"  {problem}" for problem in problems)]))


class SettingReader:
    """An empty or blank value is a missing one. Messages never repeat a value: it may be a secret."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._problems: dict[str, str] = {}

    def refuse(self, name: str, why: str) -> None:
        """The first problem of a setting is the one that is reported."""
        self._problems.setdefault(name, why)

    def raise_problems(self) -> None:
        if self._problems:
            raise SettingsError([f"{name}: {why}" for name, why in self._problems.items()])

    def text(self, name: str) -> str | None:
        return self._values.get(name, "").strip() or None

    def words(self, name: str) -> tuple[str, ...]:
        """The parts of a list separated by commas."""
        parts = (part.strip() for part in (self.text(name) or "").split(","))
        return tuple(part for part in parts if part)

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        value = self.text(name) or default
        if value not in allowed:
            self.refuse(name, f"must be one of {', '.join(allowed)}")
            return default
        return value

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,9}", text) or not least <= int(text) <= most:
            self.refuse(name, f"must be a whole number from {least} to {most}")
            return default
        return int(text)

    def positive(self, name: str, default: float) -> float:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            self.refuse(name, "must be a number greater than 0")
            return default
        return value

    def percent(self, name: str, default: Decimal) -> Decimal:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not (value.is_finite() and 0 <= value <= 100):
            self.refuse(name, "must be a number from 0 to 100")
            return default
        return value

    def currency(self, name: str, default: str) -> str:
        value = (self.text(name) or default).lower()
        if not re.fullmatch(r"[a-z]{3}", value):
            self.refuse(name, "must be a three-letter currency code")
            return default
        return value

    def url(self, name: str, schemes: Sequence[str]) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        scheme, _, rest = value.partition("://")
        if scheme.lower() not in schemes or not rest.strip("/"):
            self.refuse(name, f"must be a URL that starts with {' or '.join(f'{known}://' for known in schemes)}")
            return None
        return value.rstrip("/") if scheme.startswith("http") else value

    def origins(self, name: str) -> tuple[str, ...]:
        origins = tuple(origin if origin == "*" else origin.lower().rstrip("/") for origin in self.words(name))
        if not all(origin == "*" or _is_origin(origin) for origin in origins):
            self.refuse(name, "must be origins like https://app.example.com, separated by commas")
            return ()
        return origins

    def mail_address(self, name: str, default: str) -> str:
        value = self.text(name) or default
        local, at, domain = parseaddr(value)[1].partition("@")
        if not (local and at and domain) or "\n" in value or "\r" in value:
            self.refuse(name, "must be a mail address, alone or like Name <address>")
            return default
        return value


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    extra = parts.path or parts.query or parts.fragment or parts.username or parts.password
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not extra
