"""Two nodes of a test's own: with a Redis of their own for what is fanned out, with the shared one for presence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.together.fanout_nodes import FanoutNodes, fanout_nodes
from tests.together.presence_nodes import Fleet, fleet


@pytest.fixture
async def two_fanout_nodes(database_url: str, tmp_path: Path) -> AsyncIterator[FanoutNodes]:
    async with fanout_nodes(database_url, tmp_path) as nodes:
        yield nodes


@pytest.fixture
async def two_presence_nodes(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet(database_url, redis_url, tmp_path) as nodes:
        yield nodes
