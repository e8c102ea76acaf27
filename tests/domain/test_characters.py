"""The classes of characters, against what Python knows of Unicode and against every text that a command takes."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from domain.characters import BLANK, CONTROLS, IGNORABLE, LINE, LINES, is_blank
from domain.errors import Code, DomainError
from domain.wire import codec
from rest.routes import ROWS
from server.sockets.namespaces import NAMESPACES

# What is compared only, or looked up: it is stored nowhere, or means something to a machine.
_NO_TEXT = {"password", "currentPassword", "newPassword", "q", "query", "timeZone", "cursor", "signature"}
_TOKENS = {"token", "refreshToken", "resetToken", "registrationToken", "idempotencyKey"}


@cache
def everything() -> str:
    return "".join(chr(point) for point in range(sys.maxunicode + 1) if not 0xD800 <= point <= 0xDFFF)


def _of(pattern: str) -> set[str]:
    return set(re.findall(f"[{pattern}]", everything()))


def test_controls_and_blanks_are_unicode_s() -> None:
    assert _of(CONTROLS) == {one for one in everything() if unicodedata.category(one) == "Cc"}
    white = {one for one in everything() if one.isspace()}
    assert _of(BLANK) == white | _of(CONTROLS) | _of(IGNORABLE) | {"\u2800"}


def test_what_is_ignorable_is_shown_as_nothing() -> None:
    """Whatever is in the class is a format character, a mark, a filler or unassigned; no letter, digit or sign."""
    fillers = set("\u115f\u1160\u3164\uffa0")
    for character in _of(IGNORABLE) - fillers:
        assert unicodedata.category(character) in ("Cf", "Mn", "Cn"), ascii(character)
    # All format characters are in it but those that show something, or hold others together.
    shown = {one for one in everything() if unicodedata.category(one) == "Cf"} - _of(IGNORABLE)
    assert {"\u200d", "\ufeff", "\u2066"} <= _of(IGNORABLE)
    for character in shown:
        name = unicodedata.name(character)
        assert re.match(r"ARABIC|SYRIAC|KAITHI|EGYPTIAN|INTERLINEAR", name), name


@pytest.mark.parametrize("text", ["a", "\u200bа", "\u3164x", "⠁", "👍", "\u0301", "."])
def test_what_shows_something(text: str) -> None:
    assert not is_blank(text)
    assert re.match(LINES, text)


@pytest.mark.parametrize("pattern", [LINE, LINES])
def test_a_long_blank_text_is_refused_at_once(pattern: str) -> None:
    assert re.match(pattern, "\u00a0" * 100_000 + "\x00") is None


def _texts(kind: Any) -> Iterator[tuple[str, Any]]:
    """The fields of a command, and of what lies in it, that hold a text."""
    for field in msgspec.structs.fields(kind):
        told = msgspec.inspect.type_info(field.type)
        options = told.types if isinstance(told, msgspec.inspect.UnionType) else (told,)
        for option in options:
            if isinstance(option, msgspec.inspect.StrType):
                yield field.encode_name, field.type
            item = getattr(option, "item_type", None)
            if isinstance(item, msgspec.inspect.StructType):
                yield from _texts(item.cls)


COMMANDS: list[type[msgspec.Struct]] = list(
    dict.fromkeys(
        kind
        for kind in (
            *(row.command for row in ROWS),
            *(row.command for rows in NAMESPACES.values() for row in rows),
        )
        if kind is not None
    )
)


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
def test_every_text_refuses_controls_alike(kind: type[msgspec.Struct]) -> None:
    for name, field in _texts(kind):
        if name in _NO_TEXT or name in _TOKENS:
            continue
        for control in "\x00\x07\x0b\x0c\x1b\x1f\x7f\x80\x9f":
            with pytest.raises(DomainError) as refused:
                codec.convert(field, f"a{control}b@example.org")
            assert refused.value.code is Code.VALIDATION_FAILED
