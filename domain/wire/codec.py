"""The one JSON codec of both surfaces: bytes to typed commands, records to bytes, and the fields that a PATCH sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec

from domain.errors import UNKNOWN, Code, DomainError, FieldError, invalid_fields
from domain.wire import validation_errors
from domain.wire.base import Command

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
encode = _encoder.encode

# msgspec words a violation as "<what> - at `$.path`", one of a dictionary's key as "<what> - at `key` in `$.path`";
# a missing or unknown field is named in the text itself.
_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$?\.?(?P<path>[^`]*)`)?$", re.DOTALL)
# From here on a float may stand for several integers.
_EXACT = 2**53
_NAMED = re.compile(r"(?:missing required|unknown) field `(?P<name>.*)`", re.DOTALL)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[T], data: bytes | str | msgspec.Raw) -> T:
    """``data`` as a ``kind``; raises ``malformed`` (no JSON) or ``validation_failed`` (wrong shape)."""
    try:
        decoded: T = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a class is hashable
        return decoded
    except msgspec.ValidationError as error:
        plain = _with_whole_numbers(data)
        if plain is not None:
            return convert(kind, plain)
        raise validation_errors.of_json(kind, data, {}) or _first_fault(kind, error) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        # Half a character is JSON, if nothing that can be kept: it is told where it is.
        raise validation_errors.of_json(kind, data, {}) or validation_errors.not_json(error) from None
    except RecursionError:
        raise DomainError(Code.MALFORMED, "Not valid JSON: nested too deeply.") from None


def decode_beside(kind: type[T], data: bytes, beside: Mapping[str, Any], elsewhere: Mapping[str, str]) -> T:
    """As ``decode``, of an object without the fields that ``beside`` adds. It may name none of those, nor any of
    ``elsewhere``, which says of each where it belongs."""
    try:
        inside: dict[str, Any] = msgspec.json.Decoder(dict[str, Any], float_hook=_WholeNumbers()).decode(data)
    except msgspec.ValidationError as error:
        raise validation_errors.of_json(kind, data, beside) or _first_fault(kind, error) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise validation_errors.of_json(kind, data, beside) or validation_errors.not_json(error) from None
    except RecursionError:
        raise DomainError(Code.MALFORMED, "Not valid JSON: nested too deeply.") from None
    misplaced = [FieldError(name, words) for name, words in elsewhere.items() if name in inside]
    twice = (beside.keys() - elsewhere.keys()) & inside.keys()
    misplaced += [FieldError(name, "is named by the path already") for name in sorted(twice)]
    for name in elsewhere:
        inside.pop(name, None)
    try:
        command = convert(kind, {**inside, **beside})
    except DomainError as error:
        raise invalid_fields((*misplaced, *error.errors), error.code) if misplaced else error from None
    if misplaced:
        raise invalid_fields(misplaced)
    return command


def convert(kind: type[T], value: Any, *, strict: bool = True) -> T:
    """Plain Python values (path and query parameters) as a ``kind``; raises ``validation_failed``."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise validation_errors.of_value(kind, value) or _first_fault(kind, error) from None
    except RecursionError:
        raise DomainError(Code.MALFORMED, "Nested too deeply.") from None


class _WholeNumbers:
    """Reads ``4.0`` as 4, which JSON Schema takes for an integer (2020-12, 4.2.2) and msgspec does not; ``found``:
    whether there was one."""

    found = False

    def __call__(self, text: str) -> int | float:
        value = float(text)
        if not value.is_integer() or abs(value) >= _EXACT:
            return value
        self.found = True
        return int(value)


def _with_whole_numbers(data: bytes | str | msgspec.Raw) -> Any:
    """JSON as plain values where it has whole numbers that are written like fractions, else nothing."""
    numbers = _WholeNumbers()
    try:
        value = msgspec.json.Decoder(float_hook=numbers).decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if numbers.found else None


def _first_fault(kind: Any, error: msgspec.ValidationError) -> DomainError:
    """For what can't be read as a whole, or is wrong in one of several values under one name: where msgspec stopped."""
    match = _AT.match(str(error))
    path = (match["path"] or "") if match else ""
    named = _NAMED.search(str(error))
    if named is None:
        return validation_errors.at(kind, path)
    name = f"{path}.{named['name']}" if path else named["name"]
    return invalid_fields([FieldError(name, validation_errors.REQUIRED if "missing" in str(error) else UNKNOWN)])


def changes_of(command: Command, *exclude: str) -> dict[str, object]:
    """``exclude``: fields that name what is to be changed."""
    given = {
        field.encode_name: getattr(command, field.name)
        for field in msgspec.structs.fields(type(command))
        if field.name not in ("idempotency_key", *exclude)
    }
    return {name: value for name, value in given.items() if value is not msgspec.UNSET}
