"""Problems, headers, CORS."""

from __future__ import annotations

import pytest

from tests.rest.surface import ORIGIN, Surface


async def test_a_problem_has_its_shape(surface: Surface) -> None:
    answer = await surface.post("/auth/verify", {"email": "ann@example.com", "code": "12", "registrationToken": "x"})
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.body == {
        "type": "urn:spotter:error:validation_failed",
        "title": "Validation failed",
        "status": 422,
        "code": "validation_failed",
        "detail": answer.body["detail"],
        "requestId": answer.headers["X-Request-Id"],
        "errors": [{"field": "code", "message": answer.body["errors"][0]["message"]}],
    }


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/auth/", "/v1/%ff", "/v1/auth/login/"])
async def test_an_unknown_path_is_a_problem(surface: Surface, path: str) -> None:
    answer = await surface.call("GET", path)
    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [("GET", "/v1/auth/login", {"POST"}), ("DELETE", "/v1/me", {"GET", "HEAD", "PATCH"}), ("OPTIONS", "/v1/me", None)],
)
async def test_an_unknown_method_is_a_problem(surface: Surface, method: str, path: str, allow: set[str] | None) -> None:
    answer = await surface.call(method, path)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert allow is None or set(answer.headers["Allow"].replace(" ", "").split(",")) == allow


async def test_head_answers_like_get_without_a_body(surface: Surface) -> None:
    token = (await surface.sign_up())["accessToken"]
    answer = await surface.call("HEAD", "/v1/me", token=token)
    assert (answer.status, answer.text) == (200, "")


async def test_every_answer_carries_the_security_headers(surface: Surface) -> None:
    for path in ("/v1/nothing", "/openapi.json", "/v1/me"):
        headers = (await surface.call("GET", path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["Server"] == "spotter"
    assert (await surface.call("GET", "/v1/me")).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1234", True), ("x" * 65, False), ("abc 1234", False), ("abc-123", False), ("eyJhbGciOiJIUzI1", False)],
)
async def test_a_harmless_request_id_is_kept(surface: Surface, given: str, kept: bool) -> None:
    answer = await surface.call("GET", "/v1/me", headers={"X-Request-Id": given})
    assert (answer.headers["X-Request-Id"] == given) is kept
    assert answer.body["requestId"] == answer.headers["X-Request-Id"]


async def test_a_browser_of_ours_may_call(surface: Surface) -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    preflight = await surface.call("OPTIONS", "/v1/auth/login", headers=asked)
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    for name in ("authorization", "content-type", "idempotency-key"):
        assert name in preflight.headers["Access-Control-Allow-Headers"].lower()
    refused = await surface.call("GET", "/v1/me", headers={"Origin": ORIGIN})
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in refused.headers["Vary"]


async def test_another_browser_may_not(surface: Surface) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method, path in (("OPTIONS", "/v1/auth/login"), ("GET", "/v1/me")):
        answer = await surface.call(method, path, headers=asked)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
