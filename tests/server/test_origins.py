"""From which pages a node may be called, on both surfaces."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from tests.harness.nodes import running_node

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
