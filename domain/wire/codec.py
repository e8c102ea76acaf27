"""The one JSON codec of both surfaces: bytes to typed commands, records to bytes, and the fields that a PATCH sets."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar

import msgspec

from domain.errors import Code, DomainError, FieldError
from domain.wire.base import Command

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
encode = _encoder.encode

# msgspec words a violation as "<what> - at `$.path`", one of a dictionary's key as "<what> - at `key` in `$.path`";
# a missing or unknown field is named in the text itself.
_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`\$?\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_NAMED = re.compile(r"(?:missing required|unknown) field `(?P<name>.*)`", re.DOTALL)
_PATTERN = re.compile(r"matching regex .*", re.DOTALL)


@cache
def _decoder(kind: Any, strict: bool = True) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, strict=strict)


def decode(kind: type[T], data: bytes | str | msgspec.Raw) -> T:
    """``data`` as a ``kind``; raises ``malformed`` (no JSON) or ``validation_failed`` (wrong shape)."""
    try:
        decoded: T = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a class is hashable
        return decoded
    except msgspec.ValidationError as error:
        raise validation_error(error) from None
    except (msgspec.DecodeError, UnicodeError) as error:
        raise DomainError(Code.MALFORMED, f"Not valid JSON: {error}.") from None
    except RecursionError:
        raise DomainError(Code.MALFORMED, "Not valid JSON: nested too deeply.") from None


def convert(kind: type[T], value: Any, *, strict: bool = True) -> T:
    """Plain Python values (path and query parameters) as a ``kind``; raises ``validation_failed``."""
    try:
        return msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise validation_error(error) from None
    except RecursionError:
        raise DomainError(Code.MALFORMED, "Nested too deeply.") from None


def validation_error(error: msgspec.ValidationError) -> DomainError:
    """What msgspec says of a value, as our error with the field's path."""
    text = str(error)
    match = _AT.match(text)
    what = match["what"] if match else text
    path = (match["path"] or "") if match else ""
    named = _NAMED.search(what)
    if named:
        path = f"{path}.{named['name']}" if path else named["name"]
        what = "is required" if "missing" in what else "is not a known field"
    else:
        what = _PATTERN.sub("in the documented format", what)
        what = what[:1].lower() + what[1:]
        what = f"a key is not valid: {what}" if match and match["key"] else what
    if not path and not named:
        return DomainError(Code.VALIDATION_FAILED, f"The body is not valid: {what}.")
    return DomainError(Code.VALIDATION_FAILED, f"{path}: {what}.", errors=(FieldError(path, what),))


def changes_of(command: Command, *exclude: str) -> dict[str, object]:
    """``but``: fields that name what is to be changed."""
    given = {
        field.encode_name: getattr(command, field.name)
        for field in msgspec.structs.fields(type(command))
        if field.name not in ("idempotency_key", *exclude)
    }
    return {name: value for name, value in given.items() if value is not msgspec.UNSET}
