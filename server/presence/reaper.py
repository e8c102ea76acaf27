"""The users of a dead node: taken off its incarnation. Any number of survivors may do it at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog

from domain.presence import NO_CHOICE, Choice, View
from server.callbacks import notify
from server.cluster.membership import DeadNode
from server.cluster.scripts import ScriptCall, Scripts
from server.presence import redis_scripts, watches
from server.presence.last_seen import LastSeen
from server.presence.redis_scripts import CHANGE

log = structlog.get_logger("presence")

MAX_BATCH = 256


ReadChoices = Callable[[Collection[str]], Awaitable[dict[str, Choice]]]


class DeadNodeReaper:
    """``on_change`` is given what became of each user; ``choices`` answers what they chose, as the account has it."""

    def __init__(
        self, scripts: Scripts, last_seen: LastSeen, on_change: Callable[[str, View], None], choices: ReadChoices
    ) -> None:
        self._choices = choices
        self._scripts = scripts
        self._last_seen = last_seen
        self._on_change = on_change
        self.taken_over = 0

    async def reap(self, dead: DeadNode) -> None:
        """Raises one of ``UNREACHABLE``; what is left is taken over the next time, by anybody."""
        while await self._some_of(dead.incarnation, dead.ran_out):
            pass

    async def _some_of(self, incarnation: str, ran_out: int) -> bool:
        """A random part, so that survivors who work at once share the work."""
        held_by = redis_scripts.held_by(incarnation)
        (members,) = await self._scripts.pipeline([("SRANDMEMBER", held_by, MAX_BATCH)])
        if isinstance(members, BaseException):
            raise members
        user_ids = [member.decode() for member in members]
        choices = await self._chosen(user_ids)
        answers = await self._scripts.run_each(
            CHANGE, [self._call(user_id, incarnation, ran_out, choices) for user_id in user_ids]
        )
        seen: dict[str, int] = {}
        for user_id, answer in zip(user_ids, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            view = watches.from_message(answer)
            notify(self._on_change, user_id, view)
            if view.status == "offline" and view.seen:
                seen[user_id] = view.seen
        # Off the list only when it is durable: a survivor may be killed as well.
        await self._keep(seen)
        if user_ids:
            await self._scripts.pipeline([("SREM", held_by, *user_ids)])
        self.taken_over += len(user_ids)
        return bool(user_ids)

    async def _chosen(self, user_ids: Collection[str]) -> dict[str, Choice]:
        try:
            return await self._choices(user_ids) if user_ids else {}
        except Exception as error:
            # They are gone all the same; what stays in Redis is what was chosen last that it was given.
            log.warning("what the users of a dead node chose is not known now", error=type(error).__name__)
            return {}

    def _call(self, user_id: str, incarnation: str, ran_out: int, choices: Mapping[str, Choice]) -> ScriptCall:
        publish, choice = self._scripts.publish_command, choices.get(user_id, NO_CHOICE)
        return redis_scripts.change(user_id, incarnation, None, publish, left_at=ran_out, choice=choice)

    async def _keep(self, seen: dict[str, int]) -> None:
        if not seen:
            return
        durable = asyncio.Event()
        waiting = set(seen)

        def written(user_id: str) -> None:
            waiting.discard(user_id)
            if not waiting:
                durable.set()

        for user_id, at in seen.items():
            self._last_seen.note(user_id, at, written)
        await durable.wait()
