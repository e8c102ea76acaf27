"""What is wrong with a command is said of a field of it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from domain.errors import Code, DomainError
from domain.wire import codec

Short = Annotated[str, Meta(pattern=r"^[a-z]\Z")]


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    names: dict[Short, int] = {}


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 0
    words: tuple[Short, ...] = ()
    counts: dict[Short, Annotated[int, Meta(ge=0)]] = {}
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        ({"limit": "x"}, "limit", "expected `int`, got `str`"),
        ({"words": ["a", "B"]}, "words[1]", "expected `str` in the documented format"),
        ({"counts": {"B": 1}}, "counts", "a key is not valid: expected `str` in the documented format"),
        ({"counts": {"b": -1}}, "counts[...]", "expected `int` >= 0"),
        ({"inner": {"names": {"B": 1}}}, "inner.names", "a key is not valid: expected `str` in the documented format"),
        ({"inner": {"x": 1}}, "inner.x", "is not a known field"),
        ({"x": 1}, "x", "is not a known field"),
        ({"": 1}, "", "is not a known field"),
        ({"`": 1}, "`", "is not a known field"),
    ],
)
def test_the_field_is_named(value: Any, field: str, message: str) -> None:
    with pytest.raises(DomainError) as converted:
        codec.convert(Outer, value)
    with pytest.raises(DomainError) as decoded:
        codec.decode(Outer, codec.encode(value))
    for refused in (converted.value, decoded.value):
        assert refused.code is Code.VALIDATION_FAILED
        assert [(error.field, error.message) for error in refused.errors] == [(field, message)]
