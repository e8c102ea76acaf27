"""What is wrong with a command is said of its fields, of every one at once, and in words for people."""

from __future__ import annotations

import json
import re
import time
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta
from msgspec.inspect import DictType, ListType, Metadata, StrType, StructType, Type, UnionType, VarTupleType, type_info

from domain.errors import MOST_FIELDS, Code, DomainError, FieldError
from domain.wire import codec, fields, validation_errors
from domain.wire.base import Command
from rest.routes import ROWS
from server.sockets.namespaces import NAMESPACES

Short = Annotated[str, Meta(pattern=r"^[a-z]\Z", description="a letter from a to z")]


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    names: dict[Short, int] = {}


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    words: Annotated[tuple[Short, ...], Meta(max_length=3)] = ()
    counts: dict[Short, Annotated[int, Meta(ge=0)]] = {}
    inner: Inner | None = None
    kind: Literal["one", "two"] = "one"
    sure: bool | None = None
    price: Annotated[int, Meta(ge=5, le=480, multiple_of=5, description="minutes")] = 5
    name: Annotated[str, Meta(min_length=2, max_length=5)] = "ab"
    zone: fields.TimeZone = "UTC"
    day: fields.Date | msgspec.UnsetType | None = msgspec.UNSET
    either: int | Inner = 0
    share: Annotated[float, Meta(ge=0, le=5)] = 0.0


class Needed(Outer, kw_only=True):
    id: fields.Id
    at: fields.Instant


NO_LIMITS: tuple[object, ...] = (0, 101, -1, "abc", None, 1.5, True, [], {}, 2**64)
WHOLE = "has to be a whole number from 1 to 100"


@pytest.mark.parametrize(
    ("value", "field", "message"),
    [
        *(({"limit": limit}, "limit", WHOLE) for limit in NO_LIMITS),
        ({"words": ["a", "B"]}, "words[1]", "has to be a letter from a to z"),
        ({"words": "a"}, "words", "has to be a list of at most 3 items"),
        ({"words": ["a"] * 4}, "words", "has to have at most 3 items"),
        ({"counts": {"B": 1}}, "counts", "a key has to be a letter from a to z"),
        ({"counts": {"b": -1}}, "counts.b", "has to be a whole number of at least 0"),
        ({"inner": {"names": {"B": 1}}}, "inner.names", "a key has to be a letter from a to z"),
        ({"inner": {"x": 1}}, "inner.x", "is not a known field"),
        ({"inner": 1}, "inner", "has to be an object with the field names"),
        ({"kind": "three"}, "kind", "has to be one of one, two"),
        ({"kind": 1}, "kind", "has to be one of one, two"),
        ({"sure": "yes"}, "sure", "has to be true or false"),
        ({"price": 7}, "price", "has to be a whole number from 5 to 480 that is a multiple of 5 (minutes)"),
        ({"name": "a"}, "name", "has to have 2 to 5 characters"),
        ({"name": 7}, "name", "has to be text, 2 to 5 characters"),
        ({"zone": 1}, "zone", "has to be an IANA time zone, like Europe/Berlin, 1 to 64 characters"),
        ({"day": "22.11.2026"}, "day", "has to be a date as YYYY-MM-DD, from 1970 to 9998"),
        ({"day": 5}, "day", "has to be a date as YYYY-MM-DD, from 1970 to 9998, or null"),
        ({"either": "x"}, "either", "has to be a whole number, or an object with the field names"),
        ({"either": {"names": 1}}, "either.names", "has to be an object"),
        ({"share": 6}, "share", "has to be a number from 0 to 5"),
        ({"x": 1}, "x", "is not a known field"),
        ({"": 1}, "", "is not a known field"),
        ({"`": 1}, "`", "is not a known field"),
    ],
)
def test_the_field_is_named(value: Any, field: str, message: str) -> None:
    for refused in both(Outer, value):
        assert refused.code is Code.VALIDATION_FAILED
        assert [(error.field, error.message) for error in refused.errors] == [(field, message)]


def both(kind: type[Any], value: Any) -> tuple[DomainError, DomainError]:
    """As plain values and as JSON."""
    with pytest.raises(DomainError) as converted:
        codec.convert(kind, value)
    with pytest.raises(DomainError) as decoded:
        codec.decode(kind, json.dumps(value))
    return converted.value, decoded.value


def test_every_field_at_fault_is_named_at_once() -> None:
    value: dict[str, Any] = {
        "limit": "x", "words": ["a", "B", 7], "counts": {"b": "x"}, "inner": {"names": {"a": "x"}, "more": 1},
        "day": "2026-02-30", "zone": "Mars/Olympus", "at": "2026-11-22T25:00:00Z", "x": 1,
    }  # fmt: skip
    for refused in both(Needed, value):
        assert {error.field: error.message for error in refused.errors} == {
            "limit": WHOLE,
            "words[1]": "has to be a letter from a to z",
            "words[2]": "has to be a letter from a to z",
            "counts.b": "has to be a whole number of at least 0",
            "inner.names.a": "has to be a whole number",
            "inner.more": "is not a known field",
            "day": "has to be a date of the calendar as YYYY-MM-DD",
            "zone": "has to be an IANA time zone, like Europe/Berlin",
            "id": "is required",
            "at": "has to be an instant of RFC 3339 with its offset, like 2026-11-22T09:30:00.000Z",
            "x": "is not a known field",
        }
        assert refused.message.endswith("and 8 more.")


def test_what_only_a_handler_would_refuse_is_told_beside_what_it_refused_first() -> None:
    command = Needed(id="a" * 24, at="2026-11-22T09:30:00Z", day="2026-02-30", zone="Mars/Olympus")
    first = DomainError(Code.VALIDATION_FAILED, "zone: x.", errors=(FieldError("zone", "x"),))
    assert [error.field for error in validation_errors.of_command(command, first).errors] == ["zone", "day"]
    other = DomainError(Code.CONFLICT, "No.")
    assert validation_errors.of_command(command, other) is other


@pytest.mark.parametrize("value", [[], 1, "x", None, True])
def test_what_is_no_object_is_told_what_it_has_to_be(value: Any) -> None:
    for refused in both(Inner, value):
        assert (refused.code, refused.errors) == (Code.VALIDATION_FAILED, ())
        assert refused.message == "The body has to be an object with the field names."


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (r'{"name": "\ud800"}', {"name"}),
        (r'{"name": "ab\udc00"}', {"name"}),
        (r'{"words": ["a", "\ud800x", "b"], "limit": 0}', {"words[1]", "limit"}),
        (r'{"counts": {"\ud83d": 1}}', {"counts"}),
        (r'{"\ud800": 1}', {r"\ud800"}),
        (r'{"x": {"y": "\ud800"}, "limit": 0}', {"x", "limit"}),
    ],
)
def test_half_a_character_is_told_as_what_it_is(text: str, fields: set[str]) -> None:
    with pytest.raises(DomainError) as refused:
        codec.decode(Outer, text)
    assert {error.field for error in refused.value.errors} == fields
    if fields <= {"name", "words[1]", "counts", "limit"}:
        assert refused.value.code is Code.MALFORMED
        assert "half of a surrogate pair" in refused.value.message
    assert codec.decode(Outer, r'{"name": "\ud83d\ude00x"}').name == "😀x"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "it ends before it is complete"), (b'{"limit"', "it ends before it is complete"),
        (b"{} {}", "trailing characters"),
        (b"{'a': 1}", "object keys must be strings"), (b'{"limit": NaN}', "byte 10"), (b'{"name": "\xff"}', "UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_json_is_told_where(text: bytes, words: str) -> None:
    with pytest.raises(DomainError) as refused:
        codec.decode(Outer, text)
    assert refused.value.code is Code.MALFORMED
    assert words in refused.value.message


def test_of_two_values_under_one_name_the_wrong_one_is_told() -> None:
    for text in ('{"limit": 0, "limit": 5}', '{"limit": 5, "limit": 0}'):
        with pytest.raises(DomainError) as refused:
            codec.decode(Outer, text)
        assert [(error.field, error.message) for error in refused.value.errors] == [("limit", WHOLE)]


def test_no_number_is_too_large_to_be_told() -> None:
    for number in ("9" * 5000, "1e400", "-" + "9" * 30):
        with pytest.raises(DomainError) as refused:
            codec.decode(Outer, f'{{"limit": {number}, "kind": "x"}}')
        assert [error.field for error in refused.value.errors] == ["limit", "kind"]


MANY_OBJECTS = json.dumps({"words": [{}] * 200_000})


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({f"{n}{'x' * 500}": n for n in range(1500)}),
        MANY_OBJECTS,
        json.dumps({"words": [0.5] * 160_000}),
        json.dumps({"words": [4.0] * 160_000}),
        json.dumps({"counts": {f"{n}": -1 for n in range(60_000)}}),
        json.dumps({"words": ["\ud800"] * 60_000}),
        '{"limit": 0,' + '"limit": 0,' * 50_000 + '"x": 1}',
        '{"limit": ' + "[" * 400_000 + "]" * 400_000 + "}",
        '{"limit": "' + "x" * 900_000 + '"}',
    ],
    ids=["unknown", "a list", "fractions", "whole", "keys", "halves", "one name", "nesting", "a text"],
)
def test_a_hostile_body_is_told_little_and_soon(text: str) -> None:
    costs, reading = [], []
    for _ in range(5):
        started = time.process_time()
        with pytest.raises(DomainError) as refused:
            codec.decode(Outer, text)
        costs.append(time.process_time() - started)
        started = time.process_time()
        json.loads(MANY_OBJECTS)
        reading.append(time.process_time() - started)
    # Looked at value by value in Python, the list alone took twenty times as long as it is read in.
    assert min(costs) < 12 * min(reading)
    assert len(refused.value.errors) <= MOST_FIELDS
    assert len(refused.value.message) < 1000
    assert all(len(error.field) + len(error.message) < 400 for error in refused.value.errors)


COMMANDS = {*(row.command for rows in NAMESPACES.values() for row in rows), *(row.command for row in ROWS)} - {None}


@pytest.mark.parametrize("command", sorted(COMMANDS, key=str), ids=lambda command: command.__name__)
def test_every_form_is_described_and_no_words_are_those_of_a_programmer(command: type[Command]) -> None:
    for path, kind in all_types(type_info(command), ""):
        bare = kind.type if isinstance(kind, Metadata) else kind
        description = (kind.extra_json_schema or {}).get("description") if isinstance(kind, Metadata) else None
        assert not isinstance(bare, StrType) or bare.pattern is None or description, path
        for wrong in (object(), "\x00" * 5000, -(10**30), [object()] * 5000, {"\x00": 1}, None, True):
            refused = validation_errors.of_value(command, {path.lstrip("."): wrong})
            if refused is not None:
                told = " ".join(error.message for error in refused.errors)
                assert not re.search(r"`|\bint\b|\bstr\b|\bbool\b|\bfloat\b|expected|regex|documented", told), told


def all_types(kind: Type, path: str) -> list[tuple[str, Type]]:
    """Every type within, unions taken apart."""
    bare = kind.type if isinstance(kind, Metadata) else kind
    if isinstance(bare, UnionType):
        return [found for one in bare.types for found in all_types(one, path)]
    found = [(path, kind)]
    if isinstance(bare, StructType):
        found += [one for field in bare.fields for one in all_types(field.type, f"{path}.{field.encode_name}")]
    elif isinstance(bare, ListType | VarTupleType):
        found += all_types(bare.item_type, f"{path}[]")
    elif isinstance(bare, DictType):
        found += all_types(bare.key_type, f"{path}{{}}") + all_types(bare.value_type, f"{path}{{}}")
    return found
