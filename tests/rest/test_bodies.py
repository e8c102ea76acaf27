"""What is not a proper request is refused as what it is, and never reaches a query."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from rest import requests
from rest.requests import MAX_BODY_BYTES
from tests.rest.surface import PASSWORD, Answer, Surface

GOOD: dict[str, Any] = {"email": "ann@example.com", "password": PASSWORD, "role": "client", "name": "Ann"}
JSON = {"Content-Type": "application/json"}


async def raw(surface: Surface, data: bytes, headers: dict[str, str] = JSON, path: str = "/auth/register") -> Answer:
    return await surface.post(path, data=data, headers=headers)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": None}, "email"),
        ({"email": {"$ne": None}}, "email"),
        ({"email": ["ann@example.com"]}, "email"),
        ({"email": 5}, "email"),
        ({"email": "no address"}, "email"),
        ({"email": "a@b@example.com"}, "email"),
        ({"email": "ann@example.com\n"}, "email"),
        ({"email": "ann@example.com\r\nBcc: x@example.com"}, "email"),
        ({"email": "ann,bob@example.com"}, "email"),
        ({"email": "ann@example"}, "email"),
        ({"email": f"{'a' * 65}@example.com"}, "email"),
        ({"email": "mi\u212ae@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 129}, "password"),
        ({"role": "superAdmin"}, "role"),
        ({"role": "admin"}, "role"),
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"isVerified": True}, "isVerified"),
        ({"timeZone": 1}, "timeZone"),
    ],
)
async def test_a_refused_field_is_named(surface: Surface, change: dict[str, Any], field: str) -> None:
    answer = await surface.post("/auth/register", {**GOOD, **change})
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert await surface.database.collection("users").count_documents({}) == 0


async def test_a_whole_number_may_be_written_like_a_fraction(surface: Surface) -> None:
    """Some languages write every number so, and JSON Schema calls it an integer; what is none stays refused."""
    week = b'{"timeZone": "UTC", "sessionDurationInMins": %s, "breakBetweenSessionMins": 1.0e1, "days": []}'
    token = (await surface.sign_up(role="trainer"))["accessToken"]
    for written, status in ((b"60.0", 200), (b"6e1", 200), (b"60.5", 422), (b"5000.0", 422)):
        answer = await surface.call("PUT", "/v1/me/availability", data=week % written, headers=JSON, token=token)
        assert answer.status == status, answer
        if status == 422:
            assert [error["field"] for error in answer.body["errors"]] == ["sessionDurationInMins"]
        else:
            assert answer.body["sessionDurationInMins"] == 60


@pytest.mark.parametrize("name", ["minRating", "maxPrice", "freeTrial"])
async def test_the_text_null_in_a_query_is_a_text(surface: Surface, name: str) -> None:
    """What is left out is left out: a filter that was meant is not silently none."""
    answer = await surface.get(f"/trainers?{name}=null")
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert [error["field"] for error in answer.body["errors"]] == [name]


@pytest.mark.parametrize("missing", ["email", "password", "role", "name"])
async def test_a_missing_field_is_named(surface: Surface, missing: str) -> None:
    answer = await surface.post("/auth/register", {name: value for name, value in GOOD.items() if name != missing})
    assert answer.body["errors"] == [{"field": missing, "message": "is required"}]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"nonsense", 400),
        (b"[]", 422),
        (b"null", 422),
        (b'"text"', 422),
        (b'{"email": NaN}', 400),
        (b'{"email": "\\ud800"}', 400),
        (b'{"email": "\xff"}', 400),
        (b'{"email": "a@example.com"', 400),
        (b"\xef\xbb\xbf{}", 400),
        (b"[" * 100_000, 422),
        (b'{"unknown": ' + b"[" * 100_000, 400),
    ],
)
async def test_what_is_no_object_of_ours_is_refused(surface: Surface, data: bytes, status: int) -> None:
    answer = await raw(surface, data)
    assert answer.status == status, answer.text
    assert answer.code == ("malformed" if status == 400 else "validation_failed")


async def test_deep_nesting_is_refused_where_the_body_is_read_as_a_whole(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    answer = await surface.post(
        "/auth/logout", data=b'{"a":' * 50_000, headers={**JSON, "Authorization": f"Bearer {token}"}
    )
    assert answer.status in (400, 422)


async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(surface: Surface) -> None:
    large = json.dumps({**GOOD, "name": "x" * MAX_BODY_BYTES}).encode()
    assert (await raw(surface, large)).code == "payload_too_large"

    async def chunks() -> Any:
        for start in range(0, len(large), 16384):
            yield large[start : start + 16384]

    async with surface.http.post(surface.url + "/v1/auth/register", data=chunks(), headers=JSON) as response:
        assert response.status == 413
        assert (await response.json(content_type=None))["code"] == "payload_too_large"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "x"]
)
async def test_only_json_in_utf8_is_taken(surface: Surface, content_type: str) -> None:
    answer = await raw(surface, json.dumps(GOOD).encode(), {"Content-Type": content_type})
    assert (answer.status, answer.code) == (415, "unsupported_media")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "identity, gzip", "nonsense"])
async def test_no_content_coding_is_taken(surface: Surface, coding: str) -> None:
    """RFC 9110, 15.5.16: the answer says what is."""
    answer = await raw(surface, gzip.compress(json.dumps(GOOD).encode()), {**JSON, "Content-Encoding": coding})
    assert (answer.status, answer.code, answer.headers["Accept-Encoding"]) == (415, "unsupported_media", "identity")


async def test_a_body_that_says_it_is_in_no_coding_is_taken(surface: Surface) -> None:
    answer = await raw(surface, json.dumps(GOOD).encode(), {**JSON, "Content-Encoding": "identity"})
    assert answer.status == 202


async def test_json_with_a_charset_is_taken(surface: Surface) -> None:
    headers = {"Content-Type": "application/json; charset=UTF-8"}
    assert (await raw(surface, json.dumps(GOOD).encode(), headers)).status == 202


async def test_a_command_without_fields_takes_no_body_or_an_empty_one(surface: Surface) -> None:
    for data in (None, b"", b"{}"):
        token = (await surface.sign_up(f"{len(surface.mail.mails)}@example.com"))["accessToken"]
        how: dict[str, Any] = {} if data is None else {"data": data, "headers": JSON}
        assert (await surface.post("/auth/logout", token=token, **how)).status == 204
    token = (await surface.sign_up())["accessToken"]
    assert (await surface.post("/auth/logout", {"everywhere": True}, token=token)).code == "validation_failed"


@pytest.mark.parametrize(
    ("query", "field"),
    [("?limit=0", "limit"), ("?limit=101", "limit"), ("?limit=x", "limit"), ("?limit=5.0", "limit"),
     ("?limit=1&limit=2", "limit"), ("?cursor=x", "cursor"), ("?other=1", "other"),
     ("?limit[$gt]=1", "limit[$gt]"), ("?cursor=%ff", "cursor")],
)  # fmt: skip
async def test_a_query_is_checked_like_a_body(surface: Surface, query: str, field: str) -> None:
    token = (await surface.sign_up())["accessToken"]
    answer = await surface.get(f"/auth/sessions{query}", token=token)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "abc", "5.0", "", "1e2", "%F0%9F%98%80"])
async def test_a_query_s_range_is_said(surface: Surface, limit: str) -> None:
    token = (await surface.sign_up())["accessToken"]
    answer = await surface.get(f"/auth/sessions?limit={limit}", token=token)
    assert answer.body["errors"] == [{"field": "limit", "message": "has to be a whole number from 1 to 100"}]
    assert answer.body["detail"] == "limit: has to be a whole number from 1 to 100."


async def test_every_field_at_fault_is_told_at_once(surface: Surface) -> None:
    wrong = {"email": "no address", "password": "short", "role": "admin", "timeZone": "Mars/Olympus", "isVerified": 1}
    answer = await surface.post("/auth/register?debug=1", wrong, headers={"Idempotency-Key": ""})
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert {error["field"]: error["message"] for error in answer.body["errors"]} == {
        "debug": "is not a known field",
        "Idempotency-Key": "has to be 1-255 printable ASCII characters",
        "email": "has to be an e-mail address, at most 254 characters",
        "password": "has to have 10 to 128 characters",
        "role": "has to be one of client, trainer",
        "name": "is required",
        "timeZone": "has to be an IANA time zone, like Europe/Berlin",
        "isVerified": "is not a known field",
    }
    assert await surface.database.collection("users").count_documents({}) == 0


async def test_what_handlers_look_at_is_told_with_the_rest(surface: Surface) -> None:
    wrong = {**GOOD, "email": "mi\u212ae@example.com", "timeZone": "Mars/Olympus"}
    answer = await surface.post("/auth/register", wrong)
    assert [error["field"] for error in answer.body["errors"]] == ["email", "timeZone"]
    query = "?from=2026-02-30&to=2026-13-01&availableOn=x"
    answer = await surface.get(f"/trainers/{'a' * 24}/slots{query}")
    assert {error["field"] for error in answer.body["errors"]} == {"availableOn", "from", "to"}
    answer = await surface.get("/trainers?freeTrial=maybe&minRating=6&sort=best&maxPrice=x&city=&limit=0&limit=1")
    assert {error["field"]: error["message"] for error in answer.body["errors"]} == {
        "limit": "may be given once",
        "freeTrial": "has to be true or false",
        "minRating": "has to be a number from 0 to 5",
        "sort": "has to be one of newest, price, rating",
        "maxPrice": "has to be a whole number from 0 to 99999999",
        "city": "has to have 1 to 120 characters",
    }


async def test_half_a_character_is_told_of_its_field(surface: Surface) -> None:
    for value in ("\\ud800", "well \\udc00 then", "\\ud83d"):
        text = json.dumps({**GOOD, "name": "NAME"}).replace("NAME", value)
        answer = await raw(surface, text.encode())
        assert (answer.status, answer.code) == (400, "malformed")
        assert [error["field"] for error in answer.body["errors"]] == ["name"]
        assert "half of a surrogate pair" in answer.body["detail"]


async def test_what_is_missing_in_a_header_is_told_with_the_body(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    answer = await surface.post("/bookings", {"payWith": "cash", "idempotencyKey": "x"}, token=token)
    assert {error["field"]: error["message"] for error in answer.body["errors"]} == {
        "Idempotency-Key": "is required",
        "idempotencyKey": "belongs in the Idempotency-Key header",
        "trainerId": "is required",
        "startsAt": "is required",
        "payWith": "has to be one of card, credit, trial",
    }


async def test_a_body_that_does_not_come_is_told_so(surface: Surface, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.2)

    async def stalling() -> Any:
        yield b'{"email": '
        await asyncio.Event().wait()

    answer = await surface.post("/auth/register", data=stalling(), headers=JSON)
    assert (answer.status, answer.code) == (400, "malformed")


async def test_a_query_beside_a_body_is_refused(surface: Surface) -> None:
    assert (await surface.post("/auth/register?debug=1", GOOD)).body["errors"][0]["field"] == "debug"


@pytest.mark.parametrize("one", ["x", "%ff", "..%2f..", "0" * 25, "%00", "{}"])
async def test_a_path_parameter_is_checked(surface: Surface, one: str) -> None:
    token = (await surface.sign_up())["accessToken"]
    answer = await surface.call("DELETE", f"/v1/auth/sessions/{one}", token=token)
    assert answer.status in (404, 422)


@pytest.mark.parametrize("key", ["", "x" * 256, "käse"])
async def test_an_idempotency_key_has_to_be_printable_ascii(surface: Surface, key: str) -> None:
    answer = await surface.post("/auth/register", GOOD, headers={"Idempotency-Key": key})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_a_body_that_breaks_off_harms_nobody(surface: Surface) -> None:
    host, port = surface.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    )
    await writer.drain()
    assert b" 400 " in await reader.readline()
    writer.close()
    assert (await surface.post("/auth/register", GOOD)).status == 202
