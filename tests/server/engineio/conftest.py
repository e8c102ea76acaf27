"""A real server on a loopback port for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.server.engineio.harness import Harness


class Harnesses:
    """Starts servers and stops them after the test."""

    def __init__(self) -> None:
        self.started: list[Harness] = []

    async def __call__(self, **options: Any) -> Harness:
        harness = Harness(**options)
        await harness.start()
        self.started.append(harness)
        return harness


@pytest.fixture
async def serve() -> AsyncIterator[Harnesses]:
    """Makes echo servers with any options."""
    harnesses = Harnesses()
    yield harnesses
    for harness in harnesses.started:
        await harness.stop()


@pytest.fixture
async def echo(serve: Harnesses) -> Harness:
    """An echo server with slow pings."""
    return await serve()
