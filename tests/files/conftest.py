"""A node with people who upload."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.files.shelf import Shelf
from tests.harness.nodes import Running
from tests.harness.people import People


@pytest.fixture
async def shelf(running: Running, people: People) -> AsyncIterator[Shelf]:
    async with aiohttp.ClientSession() as http:
        yield Shelf(running, people, http)
