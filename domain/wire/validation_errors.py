"""What is wrong with a command: every field at fault, and what would do in its place, in words for people.

The decoder stops at the first fault and words it for programmers of Python. What it refused is looked at again here,
field by field against the same types; what it took never comes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec.inspect import (
    AnyType,
    BoolType,
    DictType,
    Field,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from domain.errors import MOST_FIELDS, UNKNOWN, Code, DomainError, FieldError, invalid_fields
from domain.wire import constraint_texts
from domain.wire.constraint_texts import LISTS

_NAME_CHARACTERS = 80
REQUIRED: Final = "is required"
# Under this name a type's ``Meta(extra=…)`` has what its values are parsed with besides: (text, field), raises
# ``DomainError``.
CHECK: Final = "check"

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def has_half(text: str) -> bool:
    """Whether there is half of a surrogate pair in it, which no encoding has a place for."""
    return _LONE_SURROGATE.search(text) is not None


_type_info = cache(type_info)


class _Search:
    """``found``, in the order of the type's fields; ``surrogates``: whether one of them is of half a character."""

    def __init__(self) -> None:
        self.found: list[FieldError] = []
        self.surrogates = False

    @property
    def full(self) -> bool:
        return len(self.found) >= MOST_FIELDS

    def add(self, path: str, message: str) -> None:
        if not self.full:
            self.found.append(FieldError(path, message))

    def look(self, kind: Type, value: Any, path: str, *, null: bool = False) -> None:
        """``null``: it is worth saying that null would do."""
        check: Callable[[str, str], object] | None = None
        asked = kind
        while isinstance(kind, Metadata):
            check = check or (kind.extra or {}).get(CHECK)
            kind = kind.type
        if self.full or self._is_half(value, path):
            return
        if isinstance(kind, UnionType):
            member = next((one for one in kind.types if _has_shape(_bare(one), value)), None)
            if member is None:
                self.add(path, f"has to be {constraint_texts.union(kind, null)}")
            else:
                self.look(member, value, path)
        elif not _has_shape(kind, value):
            self.add(path, constraint_texts.must_be(asked))
        elif isinstance(kind, StructType):
            self._fields(kind, value, path)
        elif isinstance(kind, LISTS):
            self._items(kind, value, path)
        elif isinstance(kind, DictType):
            self._entries(kind, value, path)
        elif (message := _fault(asked, kind, value)) is not None:
            self.add(path, message)
        elif check is not None:
            self._parsed(check, value, path)

    def _is_half(self, value: Any, path: str) -> bool:
        half = _LONE_SURROGATE.search(value) if isinstance(value, str) else None
        if half is None:
            return False
        self.surrogates = True
        self.add(path, constraint_texts.of_half(half))
        return True

    def _fields(self, kind: StructType, value: dict[str, Any], path: str) -> None:
        known = {field.encode_name: field for field in kind.fields}
        for name, field in known.items():
            if name in value:
                self.look(field.type, value[name], _below(path, name), null=_may_be_unset(field))
            elif field.required:
                self.add(_below(path, name), REQUIRED)
        if not kind.forbid_unknown_fields:
            return
        for name in value:
            if self.full:
                return
            if name not in known:
                self.surrogates |= has_half(name)
                self.add(_below(path, shortened(name)), UNKNOWN)

    def _items(self, kind: ListType | VarTupleType, value: Sequence[Any], path: str) -> None:
        if not _within(len(value), kind.min_length, kind.max_length):
            self.add(path, f"has to have {constraint_texts.bounds(kind.min_length, kind.max_length)} items")
            return
        for index, item in enumerate(value):
            if self.full:
                return
            self.look(kind.item_type, item, f"{path}[{index}]")

    def _entries(self, kind: DictType, value: dict[str, Any], path: str) -> None:
        if not _within(len(value), kind.min_length, kind.max_length):
            self.add(path, f"has to have {constraint_texts.bounds(kind.min_length, kind.max_length)} entries")
            return
        for name, item in value.items():
            if self.full:
                return
            key = _bare(kind.key_type)
            if has_half(name):
                self._is_half(name, path)
            elif (message := _fault(kind.key_type, key, name)) is not None:
                self.add(path, f"a key {message}")
            else:
                self.look(kind.value_type, item, _below(path, shortened(name)))

    def _parsed(self, check: Callable[[str, str], object], value: str, path: str) -> None:
        try:
            check(value, path)
        except DomainError as error:
            self.add(path, error.errors[0].message if error.errors else error.message)


def of_value(kind: Any, value: Any) -> DomainError | None:
    """All that is wrong with plain values as a ``kind``; nothing when nothing is found."""
    search = _Search()
    search.look(_type_info(kind), value, "")
    if not search.found:
        return None
    return invalid_fields(search.found, Code.MALFORMED if search.surrogates else Code.VALIDATION_FAILED)


def of_json(kind: Any, data: bytes | str | msgspec.Raw, beside: Mapping[str, Any]) -> DomainError | None:
    """The same for JSON text, which ``beside`` adds fields to; nothing when it is no JSON at all."""
    try:
        value = read(data if isinstance(data, str) else bytes(data).decode())
    except (ValueError, RecursionError):
        return None
    return of_value(kind, {**value, **beside} if isinstance(value, dict) else value)


def of_command(command: object, error: DomainError) -> DomainError:
    """What a handler refused, with the fields that it would have refused next for their form."""
    if error.code is not Code.VALIDATION_FAILED or not error.errors or not isinstance(command, msgspec.Struct):
        return error
    others = of_value(type(command), msgspec.to_builtins(command))
    return error if others is None else invalid_fields((*error.errors, *others.errors))


def at(kind: Any, path: str) -> DomainError:
    """What would do at a path as msgspec writes it, for a value that nobody can look at."""
    found: Type = _type_info(kind)
    for name, index in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        found = _step(_bare(found), name, index)
    return invalid_fields([FieldError(path, constraint_texts.must_be(found))])


def _step(kind: Type, name: str, index: str) -> Type:
    if isinstance(kind, UnionType):
        holders = (StructType,) if name else (*LISTS, DictType)
        kind = next((one for one in map(_bare, kind.types) if isinstance(one, holders)), kind)
    if isinstance(kind, StructType) and name:
        return next((field.type for field in kind.fields if field.encode_name == name), AnyType())
    if isinstance(kind, LISTS) and index:
        return kind.item_type
    if isinstance(kind, DictType) and index:
        return kind.value_type
    return AnyType()


def not_json(error: Exception) -> DomainError:
    """``malformed``, by what the parser says of text that is no JSON."""
    said = str(error)
    if isinstance(error, UnicodeError):
        what = "it is not UTF-8"
    elif "truncated" in said:
        what = "it ends before it is complete"
    else:
        what = said.removeprefix("JSON is malformed: ")
    return DomainError(Code.MALFORMED, f"Not valid JSON: {what}.")


def read(text: str) -> Any:
    """As it stands, with what msgspec has no place for: halves of characters, and numbers out of range."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        return json.loads(text, parse_int=_whole, parse_constant=_no_constant)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else float("inf")


def _no_constant(name: str) -> float:
    raise ValueError(name)


def _may_be_unset(field: Field) -> bool:
    """Its default is ``UNSET``, which the inspection leaves out: null is something else there than nothing."""
    return not field.required and field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT


# --- what fits ---


def _bare(kind: Type) -> Type:
    while isinstance(kind, Metadata):
        kind = kind.type
    return kind


def _has_shape(kind: Type, value: Any) -> bool:
    """Whether it is the kind of JSON that the type takes, whatever its content."""
    if isinstance(kind, StructType | DictType):
        return isinstance(value, dict)
    if isinstance(kind, LISTS):
        return isinstance(value, list | tuple)
    if isinstance(kind, IntType):
        return _is_whole(value)
    if isinstance(kind, FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(kind, BoolType):
        return isinstance(value, bool)
    if isinstance(kind, NoneType):
        return value is None
    if isinstance(kind, LiteralType):
        return value in kind.values and type(value) is not bool
    if isinstance(kind, StrType):
        return isinstance(value, str)
    return True


def _is_whole(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, int) and not isinstance(value, bool)


def _within(size: float, least: float | None, most: float | None) -> bool:
    return (least is None or size >= least) and (most is None or size <= most)


def _fault(asked: Type, kind: Type, value: Any) -> str | None:
    """What is wrong with a value of the right shape."""
    if isinstance(kind, IntType | FloatType):
        fits = _within(value, kind.ge, kind.le) and (not kind.multiple_of or value % kind.multiple_of == 0)
        return None if fits else constraint_texts.must_be(asked)
    if isinstance(kind, StrType):
        if not _within(len(value), kind.min_length, kind.max_length):
            return f"has to have {constraint_texts.bounds(kind.min_length, kind.max_length)} characters"
        if kind.pattern is not None and re.search(kind.pattern, value) is None:
            return constraint_texts.must_be(asked)
    return None


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def shortened(name: str) -> str:
    """A name that somebody else chose."""
    whole = name.encode("utf-8", "backslashreplace").decode()
    return whole if len(whole) <= _NAME_CHARACTERS else whole[:_NAME_CHARACTERS] + "…"
