"""A server whose mails are printed, as the tests start it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from server.app import utc_now
from server.security.tokens import AccessTokens
from store.database import Database
from store.store import Store
from tests.harness.nodes import SECRET
from tests.harness.people import People
from tests.together.processes import served

# More than a pipe and its reader hold, which is 200 kB.
MAILS, AT_ONCE = 800, 16


@pytest.mark.soak
async def test_many_printed_mails_do_not_block_it(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with served(database_url, redis_url, tmp_path / "one") as one, aiohttp.ClientSession() as http:
        person = await People(Store(database), AccessTokens(SECRET), utc_now).make()

        async def ask(times: int) -> None:
            for _ in range(times):
                async with http.post(f"{one.url}/v1/auth/forgot-password", json={"email": person.email}) as answer:
                    assert answer.status == 202

        async with asyncio.timeout(60):
            await asyncio.gather(*(ask(MAILS // AT_ONCE) for _ in range(AT_ONCE)))
