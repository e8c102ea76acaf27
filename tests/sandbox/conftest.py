"""A sandbox of the test's own, driven by the real library."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sandbox.server import Sandbox
from tests.sandbox.shop import Shop


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    made = Sandbox()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def shop(sandbox: Sandbox, http: aiohttp.ClientSession) -> AsyncIterator[Shop]:
    async with Shop.opened(sandbox.url, http) as made:
        yield made
