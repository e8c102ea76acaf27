"""``run.py`` from outside: its commands, its exit codes, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
import re
import stat
import sys
from asyncio.subprocess import PIPE
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.draining import DRAIN_SECONDS
from tests.faults.served import PRODUCTION, RUN, STARTED_WITHIN_SECONDS, environment, run, serving
from tests.harness.nodes import RunningNode
from tests.server.sockets.raw import admitted

EMAIL = "root@example.com"
PASSWORD = "a long enough password"


async def test_help_names_the_commands(tmp_path: Path) -> None:
    code, out, _ = await run(tmp_path, "--help")
    assert code == 0
    for name in ("serve", "create-superadmin", "dead-work", "seed-demo", "seed-load", "stripe-sandbox"):
        assert name in out


async def test_wrong_arguments(tmp_path: Path) -> None:
    for arguments in (["nonsense"], ["create-superadmin", "--email", "a@example.com"]):
        code, out, err = await run(tmp_path, *arguments)
        assert (code, out) == (2, "")
        assert "usage: run.py" in err


async def test_production_refuses_what_is_weak(tmp_path: Path) -> None:
    """tests/server/test_settings.py has each of them; here, that they stop the program."""
    weak = {
        "JWT_SECRET": "changeme-changeme-changeme-changeme",
        "ALLOWED_ORIGINS": "*",
        "RATE_LIMIT_SCALE": "1000",
        "STRIPE_SECRET_KEY": "nonsense",
    }
    code, out, err = await run(tmp_path, **{**PRODUCTION, **weak})
    assert (code, out) == (2, "")
    for name in PRODUCTION:
        assert (f"  {name}: " in err) == (name in weak)
    assert "Traceback" not in err
    assert "changeme" not in err and "nonsense" not in err


async def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    code, _, err = await run(tmp_path, ENVIRONMENT="production", JWT_SECRET="", RATE_LIMIT_SCALE="5")
    assert code == 2
    for name in PRODUCTION.keys() - {"ENVIRONMENT", "OPERATIONS_PORT"}:
        assert f"  {name}: " in err


async def test_a_wrong_setting_stops_the_start_in_development_too(tmp_path: Path) -> None:
    code, _, err = await run(tmp_path, PORT="many")
    assert code == 2
    assert "  PORT: " in err


async def test_create_superadmin(tmp_path: Path, running: RunningNode, database_url: str, redis_url: str) -> None:
    urls = {"MONGO_URL": database_url, "REDIS_URL": redis_url}
    arguments = ["create-superadmin", "--email", EMAIL, "--password", PASSWORD]
    code, out, err = await run(tmp_path, *arguments, **urls)
    assert (code, out) == (0, "superAdmin created\n"), err
    user = await login(running, PASSWORD)
    assert user["role"] == "superAdmin"
    assert await running.node.database.db["superadmins"].count_documents({}) == 1
    code, out, _ = await run(tmp_path, *arguments[:-1], "another password entirely", **urls)
    assert code == 1
    assert "nothing was changed" in out
    assert (await login(running, PASSWORD))["id"] == user["id"]


async def test_a_password_that_no_argument_shows(
    tmp_path: Path, running: RunningNode, database_url: str, redis_url: str
) -> None:
    environ = environment(tmp_path, MONGO_URL=database_url, REDIS_URL=redis_url)
    command = [sys.executable, str(RUN), "create-superadmin", "--email", EMAIL, "--password", "-"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, env=environ, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(STARTED_WITHIN_SECONDS):
        out, err = await process.communicate(f"{PASSWORD}\n".encode())
    assert (process.returncode, out) == (0, b"superAdmin created\n"), err
    assert (await login(running, PASSWORD))["role"] == "superAdmin"


async def test_a_superadmin_that_cannot_be(tmp_path: Path, database_url: str, redis_url: str) -> None:
    urls = {"MONGO_URL": database_url, "REDIS_URL": redis_url}
    for email, password, names in ((EMAIL, "short", "password"), ("nonsense", PASSWORD, "email")):
        code, out, err = await run(tmp_path, "create-superadmin", "--email", email, "--password", password, **urls)
        assert (code, out) == (1, "")
        assert names in err
        assert "Traceback" not in err and password not in err


async def login(running: RunningNode, password: str) -> dict[str, Any]:
    body = {"email": EMAIL, "password": password}
    async with aiohttp.ClientSession() as http, http.post(f"{running.url}/v1/auth/login", json=body) as response:
        assert response.status == 200
        found: dict[str, Any] = (await response.json())["user"]
        return found


async def test_seed_load(tmp_path: Path, running: RunningNode, database_url: str, redis_url: str) -> None:
    urls, file = {"MONGO_URL": database_url, "REDIS_URL": redis_url}, tmp_path / "seats.json"
    for _ in range(2):
        code, _, err = await run(tmp_path, "seed-load", "--pairs", "3", "--out", str(file), **urls)
        assert code == 0, err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    seats = json.loads(file.read_text())
    assert [set(seat) for seat in seats] == [{"auth", "room"}] * 6
    clients, trainers = seats[:3], seats[3:]
    assert [seat["room"] for seat in clients] == [seat["room"] for seat in trainers]
    assert len({seat["room"] for seat in seats}) == 3
    for number, (client, trainer) in enumerate(zip(clients, trainers, strict=True)):
        async with (
            admitted(running.url, client["auth"]["token"]) as one,
            admitted(running.url, trainer["auth"]["token"]) as other,
        ):
            message = {"conversationId": client["room"], "clientMessageId": "m1", "text": f"load {number}"}
            assert (await one.ask("message:send", json.dumps(message)))["ok"]
            assert (await other.event("message:new"))["message"]["text"] == f"load {number}"
    assert await running.node.database.db["conversations"].count_documents({}) == 6


async def test_seed_load_is_for_development(tmp_path: Path) -> None:
    code, _, err = await run(tmp_path, "seed-load", "--pairs", "1", "--out", str(tmp_path / "x"), **PRODUCTION)
    assert code == 2
    assert "development" in err
    assert not (tmp_path / "x").exists()


async def test_seed_load_with_nonsense(tmp_path: Path) -> None:
    for pairs, out, names in (("-3", "x", "--pairs"), ("1", "no/x", "--out")):
        code, _, err = await run(tmp_path, "seed-load", f"--pairs={pairs}", "--out", out)
        assert code == 2
        assert names in err and "Traceback" not in err


async def test_seed_demo(tmp_path: Path, running: RunningNode, database_url: str, redis_url: str) -> None:
    """What an app shows first is there; a second run adds nothing."""
    urls = {"MONGO_URL": database_url, "REDIS_URL": redis_url}
    names = ("users", "messages", "sessionCategories", "sessionSubCategories", "files", "bookings", "conversations")
    counts = []
    for _ in range(2):
        code, out, err = await run(tmp_path, "seed-demo", **urls)
        assert code == 0, err
        counts.append([await running.node.database.db[name].count_documents({}) for name in names])
    assert counts[0] == counts[1]
    assert min(counts[0]) >= 2
    password = re.search(r"password (\S+):", out)
    assert password is not None
    emails = re.findall(r"^  (\S+@\S+)$", out, re.MULTILINE)
    assert len(emails) == 9
    async with aiohttp.ClientSession(running.url) as http:

        async def get(path: str, token: str = "") -> Any:
            async with http.get(path, headers={"Authorization": f"Bearer {token}"} if token else {}) as response:
                assert response.status == 200, await response.text()
                return await response.json() if "json" in response.content_type else await response.read()

        tokens = {}
        for email in emails:
            body = {"email": email, "password": password[1]}
            async with http.post("/v1/auth/login", json=body) as response:
                assert response.status == 200
                tokens[email.partition("@")[0]] = (await response.json())["accessToken"]
        assert len((await get("/v1/categories"))["items"]) == 4
        trainers = (await get("/v1/trainers?freeTrial=true"))["items"]
        assert len(trainers) == 5
        today = datetime.now(UTC).date()
        for trainer in trainers:
            assert (await get(trainer["profile_image"]))[:2] == b"\xff\xd8"
            slots = await get(f"/v1/trainers/{trainer['id']}/slots?from={today}&to={today + timedelta(days=14)}")
            assert slots["slots"]
        bearer = {"Authorization": f"Bearer {tokens['ana']}"}
        async with http.post("/v1/sync", json={"cursors": {}}, headers=bearer) as response:
            conversations = {one["conversation"]["id"]: one for one in (await response.json())["conversations"]}
        assert {one["conversation"]["unread"] > 0 for one in conversations.values()} == {True}
        (booking,) = (await get("/v1/bookings", tokens["ana"]))["items"]
        assert booking["status"] == "confirmed"
        messages = [entry["message"] for entry in conversations[booking["conversationId"]]["entries"]]
        assert {message["kind"] for message in messages} == {"text", "booking"}
        assert [message for message in messages if message["imageUrls"]]


async def test_seed_demo_is_for_development(tmp_path: Path) -> None:
    code, _, err = await run(tmp_path, "seed-demo", **PRODUCTION)
    assert code == 2
    assert "development" in err


async def test_commands_say_that_mongodb_does_not_answer(tmp_path: Path, redis_url: str) -> None:
    urls = {"MONGO_URL": "mongodb://user:hidden-word@127.0.0.1:1/spotter?replicaSet=rs0", "REDIS_URL": redis_url}
    ended = await asyncio.gather(
        run(tmp_path, "create-superadmin", "--email", EMAIL, "--password", PASSWORD, **urls),
        run(tmp_path, "seed-load", "--pairs", "1", "--out", "seats.json", **urls),
        run(tmp_path, "dead-work", **urls),
    )
    for code, out, err in ended:
        assert (code, out) == (1, "")
        assert err
        assert "Traceback" not in err and "hidden-word" not in err
    assert not (tmp_path / "seats.json").exists()


async def test_with_its_port_taken_it_says_so(tmp_path: Path, database_url: str, redis_url: str) -> None:
    somebody = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with somebody:
        port = str(somebody.sockets[0].getsockname()[1])
        code, out, err = await run(tmp_path, PORT=port, MONGO_URL=database_url, REDIS_URL=redis_url)
    assert (code, out) == (1, "")
    assert port in err and "PORT" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_with_the_operators_port_taken_it_says_so(
    tmp_path: Path, database_url: str, redis_url: str, workers: str
) -> None:
    urls = {"MONGO_URL": database_url, "REDIS_URL": redis_url}
    somebody = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with somebody:
        port = str(somebody.sockets[0].getsockname()[1])
        code, out, err = await run(tmp_path, OPERATIONS_PORT=port, WORKERS=workers, **urls)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"Cannot listen on 127.0.0.1:{port}: Address already in use. Set OPERATIONS_PORT."
    assert "Traceback" not in err


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_in_production_operators_have_a_port_of_their_own(
    tmp_path: Path, database_url: str, redis_url: str, workers: str
) -> None:
    urls = {"MONGO_URL": database_url, "REDIS_URL": redis_url, "HOST": "127.0.0.1"}
    async with serving(tmp_path, **{**PRODUCTION, **urls, "WORKERS": workers}) as served:
        own = (await served.prints(re.compile(r"^Operations at (http://127\.0\.0\.1:[0-9]+)$", re.MULTILINE)))[1]
        connector = aiohttp.TCPConnector(force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http:
            for path in ("/metrics", "/readyz"):
                async with http.get(served.url + path) as refused:
                    assert (refused.status, refused.content_type) == (404, "application/problem+json")
            async with http.get(f"{served.url}/healthz") as alive:
                assert alive.status == 200
            async with asyncio.timeout(STARTED_WITHIN_SECONDS), http.get(f"{own}/readyz") as ready:
                assert ready.status == 200
                assert (await ready.json()).get("workers") == (None if workers == "1" else "2 of 2 ready")
            async with http.get(f"{own}/metrics") as metrics:
                page = await metrics.text()
                assert all((f'worker="{number}"' in page) == (workers == "2") for number in range(2))
        code, _ = await served.terminate()
    assert code == 0


async def test_it_serves_and_ends_with_nothing_to_say(tmp_path: Path, database_url: str, redis_url: str) -> None:
    async with serving(tmp_path, MONGO_URL=database_url, REDIS_URL=redis_url) as served:
        async with aiohttp.ClientSession() as http, http.get(f"{served.url}/readyz") as response:
            assert response.status == 200
        code, seconds = await served.terminate()
    assert code == 0
    assert seconds < DRAIN_SECONDS
    assert served.printed.splitlines() == [f"Spotter serves at {served.url}"]
    assert "error" not in served.logged.lower()
