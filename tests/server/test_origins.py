"""From which pages a node may be called, on both surfaces."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from server.app import utc_now
from tests.files.samples import PDF
from tests.harness.nodes import running_node
from tests.harness.people import People

OURS = "https://app.example.com"


@pytest.mark.parametrize(
    ("origin", "accepted"),
    [
        (OURS, True),
        ("http://localhost:5173", True),
        ("http://127.0.0.1:3000", True),
        ("http://[::1]:8100", True),
        ("http://localhost.evil.example", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
async def test_in_development_any_page_of_the_machine_itself_may(
    database_url: str, redis_url: str, tmp_path: Path, origin: str, accepted: bool
) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    async with (
        running_node(database_url, redis_url, tmp_path, ALLOWED_ORIGINS=OURS) as running,
        aiohttp.ClientSession(running.url) as http,
    ):
        async with http.options("/v1/auth/login", headers=asked) as preflight:
            assert preflight.headers.get("Access-Control-Allow-Origin") == (origin if accepted else None)
        async with http.get("/socket.io/?EIO=4&transport=polling", headers={"Origin": origin}) as handshake:
            assert handshake.status == (200 if accepted else 403)


# What a browser heeds by itself, or lets every page read (the fetch standard, CORS-safelisted).
_NOT_FOR_PAGES = {
    "cache-control", "content-length", "content-security-policy", "content-type", "cross-origin-resource-policy",
    "date", "referrer-policy", "server", "vary", "x-content-type-options", "x-frame-options", "connection",
}  # fmt: skip


async def test_pages_may_send_and_read_every_header_that_means_something_here(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    sent = ["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "if-range", "range"]
    asked = {"Origin": OURS, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": ",".join(sent)}
    async with (
        running_node(database_url, redis_url, tmp_path, ALLOWED_ORIGINS=OURS) as running,
        aiohttp.ClientSession(running.url, headers={"Origin": OURS}) as http,
    ):
        person = await People(running.node.store, running.node.tokens, utc_now).make()
        signed_in = {"Authorization": f"Bearer {person.token}"}
        async with http.options("/v1/me", headers=asked) as preflight:
            assert set(sent) <= _listed(preflight, "Access-Control-Allow-Headers")
        form = aiohttp.FormData()
        form.add_field("file", PDF, filename="a.pdf", content_type="application/pdf")
        async with http.post("/v1/files", data=form, headers=signed_in) as uploaded:
            url = (await uploaded.json())["url"]
        told: set[str] = set()
        for method, path, headers, status in (
            ("GET", url, {}, 200),
            ("GET", url, {"Range": "bytes=0-9"}, 206),
            ("GET", url, {"Range": "bytes=9999999-"}, 416),
            ("GET", url, {"If-Match": '"other"'}, 412),
            ("GET", "/v1/me", {}, 401),
            ("PUT", "/v1/me", {}, 405),
            ("GET", "/v1/limits", {}, 200),
            ("GET", "/openapi.json", {}, 200),
        ):
            async with http.request(method, path, headers=headers) as answer:
                assert answer.status == status
                assert answer.headers["Access-Control-Allow-Origin"] == OURS
                carried = {name.lower() for name in answer.headers if not name.lower().startswith("access-control-")}
                assert carried - _NOT_FOR_PAGES <= _listed(answer, "Access-Control-Expose-Headers")
                told |= carried - _NOT_FOR_PAGES
        # Of a limit that is met.
        assert "retry-after" in _listed(answer, "Access-Control-Expose-Headers")
        assert {"etag", "content-range", "www-authenticate", "allow", "ratelimit", "x-request-id"} <= told


def _listed(answer: aiohttp.ClientResponse, name: str) -> set[str]:
    return {one.strip().lower() for one in answer.headers[name].split(",")}
