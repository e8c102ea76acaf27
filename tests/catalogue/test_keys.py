"""Commands with a key whose server is so slow that a repeat overtakes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.catalogue.town import Town
from tests.rest.surface import Answer

KEY = {"Idempotency-Key": "k"}
# Whoever claimed the key has died by then.
LONG_AFTER = 61
Body = Callable[[Any], Awaitable[Any]]


@asynccontextmanager
async def overtaken(town: Town, repeat: Callable[[], Awaitable[Answer]]) -> AsyncIterator[list[Answer]]:
    """The first stalls before its transaction until its claim counts as abandoned and a repeat has been answered."""
    database = town.surface.database
    commit, answers = database.transaction, list[Answer]()
    with pytest.MonkeyPatch.context() as patch:

        async def stalls(body: Body) -> Any:
            patch.undo()
            town.surface.clock.advance(seconds=LONG_AFTER)
            answers.append(await repeat())
            return await commit(body)

        patch.setattr(database, "transaction", stalls)
        yield answers


async def test_who_was_overtaken_keeps_nothing(town: Town) -> None:
    trainer = await town.trainer()
    one = await town.done(trainer.post("/me/certificates", {"certificateName": "First aid"}))

    async def rename() -> Answer:
        return await trainer.patch(f"/me/certificates/{one['id']}", {"certificateName": "Yoga"}, headers=KEY)

    async with overtaken(town, rename) as answers:
        assert (await rename()).code == "unavailable"
    assert (await rename()).body == answers[0].body
