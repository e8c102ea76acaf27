"""Schemathesis against the document that the server serves: each answer is as documented, and each request is taken or
refused as documented, whoever asks.

The document does not show 5xx as something that happens; a run that finds one fails, as does one that finds a status, a
header or a body that is not documented, bad data that are taken or good ones that are refused.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from rest.routes import ROWS
from tests.authorisation.cases import OK
from tests.authorisation.rest_table import CASES
from tests.fuzzing.conftest import Fuzzed
from tests.fuzzing.served import NOBODY

_CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
_ROOT = Path(__file__).resolve().parents[2]
# The edges of long texts in a body take minutes to find, each; fuzzing comes upon most of them.
_WITHOUT_BODY = ("--include-method", "GET", "--include-method", "DELETE")
ROLES = (NOBODY, "client", "trainer", "admin", "superAdmin")


async def run(fuzzed: Fuzzed, role: str, folder: Path, phases: str, *options: str) -> Counter[str]:
    """How often each operation was answered with each status; fails with what Schemathesis has found."""
    answered = folder / f"{role}.json"
    environ = {**os.environ, "PROMPTER": fuzzed.prompter, "ROLE": role, "ANSWERED": str(answered)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(_CONFIGURATION)),
        *("run", f"{fuzzed.url}/openapi.json", "--phases", phases, "--continue-on-failure", *options),
        cwd=_ROOT,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    return Counter(json.loads(answered.read_text(encoding="utf-8")))


def successes(role: str) -> set[str]:
    """What the role may read, by the table of who may do what, with the status of its success. What it changes can be
    in the way of what it changes next, and where a token may be left out, it often is."""
    return {
        f"{row.method} {row.full_path} {row.success}"
        for row in ROWS
        for case in CASES
        if case.row == f"{row.method} {row.path}" and case.outcomes.get(role) == OK and row.method == "GET"
        and not row.optional_auth
    }


async def read_anew(fuzzed: Fuzzed, role: str, reading: str) -> str:
    """The same with the status that a good request about something new is answered with."""
    method, path, _ = reading.split(" ")
    row = f"{method} {path.removeprefix('/v1')}"
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{fuzzed.prompter}/good", params={"role": role, "row": row}) as answer:
            good = (await answer.json())[row][0]
        async with http.get(f"{fuzzed.prompter}/token", params={"role": role}) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['token']}"}
        url = fuzzed.url + re.sub(r"\{\w+\}", good["about"], path)
        async with http.request(method, url, headers=headers, params=good.get("query")) as answer:
            return f"{method} {path} {answer.status}"


@pytest.mark.verify
@pytest.mark.parametrize("role", ["client", "trainer", "admin", "superAdmin"])
async def test_whatever_a_role_may_read_can_be_read_anew(fuzzed: Fuzzed, role: str) -> None:
    for reading in sorted(successes(role)):
        assert await read_anew(fuzzed, role, reading) == reading


@pytest.mark.verify
@pytest.mark.parametrize("role", ROLES)
async def test_answers_are_as_documented(fuzzed: Fuzzed, tmp_path: Path, role: str) -> None:
    """The same few requests each time."""
    few = ("--generation-deterministic", "--max-examples", "3")
    answered = await run(fuzzed, role, tmp_path, "examples,fuzzing", *few)
    assert successes(role) - answered.keys() == set()


@pytest.mark.verify
async def test_edges_of_parameters_methods_and_headers(fuzzed: Fuzzed, tmp_path: Path) -> None:
    await run(fuzzed, "client", tmp_path, "coverage", "--generation-deterministic", *_WITHOUT_BODY)


@pytest.mark.verify
@pytest.mark.parametrize("role", ["client", "trainer"])
async def test_walks_from_answer_to_request(fuzzed: Fuzzed, tmp_path: Path, role: str) -> None:
    await run(fuzzed, role, tmp_path, "stateful", "--generation-deterministic", "--max-examples", "10")


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
async def test_thousands_of_requests(
    fuzzed: Fuzzed, tmp_path: Path, role: str, request: pytest.FixtureRequest
) -> None:
    seed = request.config.getoption("--hypothesis-seed") or "0"
    many = ("--max-examples", "100", "--seed", str(seed), "--no-shrink")
    await run(fuzzed, role, tmp_path, "coverage", *many, *_WITHOUT_BODY)
    answered = await run(fuzzed, role, tmp_path, "examples,fuzzing,stateful", *many)
    for reading in successes(role) - answered.keys():
        # So long a run may have changed all that it could have read: what is new can be.
        assert await read_anew(fuzzed, role, reading) == reading
