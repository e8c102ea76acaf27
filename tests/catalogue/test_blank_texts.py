"""Texts that show nothing, control characters and mail addresses that nobody can read, wherever a text is taken."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.catalogue.service import CatalogueService, Member
from tests.rest.surface import Answer

NOTHING_SHOWN = ["\u200b", "\u2060", "\u3164", "\u2800", "\ufe0f", "\U000e0041", "\x00", " \u00a0\u200d\u2800"]
CONTROLS = ["a\x00b", "a\x07b", "a\x0bb", "a\x7fb", "a\x85b", "a\x9fb"]
INVISIBLE = "\u200b\u200d\u2060\u202e\u2066\u200f\u061c\u3164\u2800\ufe0f\U000e0041\x00\x85\u00a0\u00ad"
Sending = Callable[[str], Awaitable[Answer]]


async def _where(catalogue: CatalogueService) -> list[tuple[str, Sending]]:
    """Each field with a command that gives it a text; none of them changes what the next one needs."""
    admin, client, trainer = [await catalogue.make(role) for role in ("admin", "client", "trainer")]
    category, (sub,) = await catalogue.category("Sub")
    certificate = (await catalogue.done(trainer.post("/me/certificates", {"certificateName": "Yoga"})))["id"]
    booking = await catalogue.booking(client, trainer)
    reviewed = await catalogue.review(trainer, 5, client)
    account = {"email": f"{secrets.token_hex(6)}@people.test", "password": "correct horse battery"}
    visitor = catalogue.surface.call

    def one(who: Member, method: str, path: str, field: str, **more: Any) -> tuple[str, Sending]:
        async def sending(text: str) -> Answer:
            return await who.call(method, path, {**more, field: text})

        return field, sending

    async def registration(text: str) -> Answer:
        return await visitor("POST", "/v1/auth/register", {**account, "role": "client", "name": text})

    async def login(text: str) -> Answer:
        return await visitor("POST", "/v1/auth/login", {**account, "device": text})

    names = ("name", "city", "address", "country", "zipCode", "studioName", "studioAddress", "studioCity")
    return [
        ("name", registration),
        ("device", login),
        *(one(trainer, "PATCH", "/me/profile", field) for field in names),
        one(client, "PATCH", "/me/profile", "postalCode"),
        one(admin, "POST", "/admin/categories", "name"),
        one(admin, "PATCH", f"/admin/categories/{category}", "name"),
        one(admin, "POST", "/admin/subcategories", "name", category=category),
        one(admin, "PATCH", f"/admin/subcategories/{sub}", "name"),
        one(trainer, "POST", "/me/certificates", "certificateName"),
        one(trainer, "PATCH", f"/me/certificates/{certificate}", "aboutYou"),
        one(client, "POST", f"/bookings/{booking}/review", "comment", rating=5),
        one(client, "PATCH", f"/reviews/{reviewed['id']}", "comment"),
        one(client, "POST", f"/bookings/{booking}/cancel", "reason"),
        one(admin, "POST", f"/admin/users/{client.person.id}/block", "reason"),
        one(trainer, "POST", "/me/availability/exceptions", "reason", date="2126-01-01"),
    ]


async def test_a_text_shows_something_and_has_no_controls(catalogue: CatalogueService) -> None:
    for field, sending in await _where(catalogue):
        for text in (*NOTHING_SHOWN, *CONTROLS):
            answer = await sending(text)
            assert (answer.status, answer.code) == (422, "validation_failed"), (field, ascii(text), answer.text)
            assert [error["field"] for error in answer.body["errors"]] == [field]


@pytest.mark.parametrize("text", ["⠟", "a\u200db", "❤️", "\u3000x", "한글", "क्षि", "นที่"])
async def test_what_shows_something_is_taken(catalogue: CatalogueService, text: str) -> None:
    trainer = await catalogue.make("trainer")
    body = {"certificateName": text, "aboutYou": f"\t{text}\r\n\u200b{text}"}
    made = await catalogue.done(trainer.post("/me/certificates", body))
    assert {name: made[name] for name in body} == body


@pytest.mark.parametrize("path", ["register", "login", "forgot-password"])
async def test_no_address_has_what_nobody_sees(catalogue: CatalogueService, path: str) -> None:
    rest = {"register": {"password": "correct horse battery", "role": "client", "name": "Ann"}}
    rest["login"] = {"password": "correct horse battery"}
    for character in INVISIBLE:
        for email in (f"a{character}nn@people.test", f"ann@peo{character}ple.test", f"ann@people.te{character}st"):
            answer = await catalogue.surface.call("POST", f"/v1/auth/{path}", {"email": email, **rest.get(path, {})})
            assert (answer.status, answer.code) == (422, "validation_failed"), ascii(email)
            assert [error["field"] for error in answer.body["errors"]] == ["email"]


async def test_a_search_for_nothing_shown_is_one_for_nothing(catalogue: CatalogueService) -> None:
    trainer = await catalogue.trainer()
    for text in ("", "\u200b", "\u2800 \ufe0f"):
        assert await catalogue.found(f"q={quote(text)}") == [trainer.id]
