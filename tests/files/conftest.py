"""A node with people who upload."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.files.service import FileService
from tests.harness.nodes import RunningNode
from tests.harness.people import People


@pytest.fixture
async def shelf(running: RunningNode, people: People) -> AsyncIterator[FileService]:
    async with aiohttp.ClientSession() as http:
        yield FileService(running, people, http)
