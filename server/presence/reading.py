"""How people stand, read from Redis."""

from __future__ import annotations

from collections.abc import Sequence

from domain.presence import View
from server.presence import names, views
from server.presence.scripts import Scripts

BATCH = 500


class Reading:
    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def of(self, user_ids: Sequence[str]) -> dict[str, View]:
        """Raises one of ``UNREACHED``."""
        found: dict[str, View] = {}
        for start in range(0, len(user_ids), BATCH):
            batch = user_ids[start : start + BATCH]
            answers = await self._scripts.pipeline([("HGETALL", names.user(user_id)) for user_id in batch])
            for user_id, answer in zip(batch, answers, strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                found[user_id] = views.from_hash(answer)
        return found
