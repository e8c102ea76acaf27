"""Whose turn it is to be written: one entry a conversation, many conversations together."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from pymongo.errors import PyMongoError

from store.command_budget import no_budget
from store.log.fairness import Fairness
from store.log.heads import Heads
from store.log.queues import ConversationQueue, ConversationQueues

MAX_BATCH = 256
MAX_IN_FLIGHT = 2
MAX_HEADS_A_READ = 1000


class BatchScheduler:
    """``write`` writes the oldest entry of each lane of a batch, and says ``next`` of each when it is done with it."""

    def __init__(
        self, lanes: ConversationQueues, heads: Heads, courtesy: Fairness, write: Callable[[list[ConversationQueue]], Awaitable[None]]
    ) -> None:
        self._lanes = lanes
        self._heads = heads
        self._courtesy = courtesy
        self._write = write
        self._ready: deque[ConversationQueue] = deque()
        self._headless: set[ConversationQueue] = set()
        self._in_flight = 0
        self._learning = False
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        # What is written for many must not end with the time of the one who happened to begin it.
        self._context = no_budget()

    def next(self, lane: ConversationQueue) -> None:
        """Queue the lane's oldest entry that somebody waits for, or that may be stored."""
        lane.busy = self._lanes.withdraw(lane)
        if not lane.busy:
            return
        if lane.head is None:
            self._headless.add(lane)
            if not self._learning:
                self._learning = True
                self.spawn(self._learn())
        else:
            self._queue_after(self._courtesy.pause_before(lane, self._loop.time()), lane)

    def heard(self, lane: ConversationQueue, seq: int) -> None:
        """Another node has written the lane up to ``seq``: go on from there, now if it is this that was awaited."""
        lane.head = seq
        self._courtesy.heard(lane, self._loop.time())
        if lane.pause is not None:
            lane.pause.cancel()
            lane.pause = None
            self._queue_after(self._courtesy.answered(lane), lane)
        elif lane.behind:
            lane.behind = 0
            self.next(lane)

    def retry(self, lanes: list[ConversationQueue]) -> None:
        """After a pause, from the head as it then is; the entry's ``_id`` and key keep it single."""
        for lane in lanes:
            lane.losses += 1
            lane.head = None
            pause = min(0.005 * 2 ** min(lane.losses, 7), 0.5) * random.uniform(0.5, 1.5)
            self._loop.call_later(pause, self.next, lane, context=self._context)

    def start(self, batch: list[ConversationQueue]) -> None:
        """Write it now."""
        self._in_flight += 1
        self.spawn(self._run(batch))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work, context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _queue_after(self, pause: float, lane: ConversationQueue) -> None:
        if pause:
            lane.pause = self._loop.call_later(pause, self._queue, lane, context=self._context)
        else:
            self._queue(lane)

    def _queue(self, lane: ConversationQueue) -> None:
        lane.pause = None
        self._ready.append(lane)
        if not self._scheduled:
            # Once an iteration of the loop: what arrived together is written together.
            self._scheduled = True
            self._loop.call_soon(self._flush, context=self._context)

    async def _learn(self) -> None:
        """Read the heads of all lanes that need one, together, until none does."""
        try:
            while self._headless:
                size = min(len(self._headless), MAX_HEADS_A_READ)
                lanes = [self._headless.pop() for _ in range(size)]
                try:
                    heads = await self._heads.of([lane.id for lane in lanes])
                except PyMongoError:
                    self.retry(lanes)
                else:
                    for lane in lanes:
                        lane.head = heads.get(lane.id, 0)
                        self.next(lane)
        finally:
            self._learning = False

    def _flush(self) -> None:
        self._scheduled = False
        while self._ready and self._in_flight < MAX_IN_FLIGHT:
            batch: list[ConversationQueue] = []
            while self._ready and len(batch) < MAX_BATCH:
                lane = self._ready.popleft()
                # Somebody's patience may have ended since.
                lane.busy = self._lanes.withdraw(lane)
                if lane.busy:
                    batch.append(lane)
            if batch:
                self.start(batch)

    async def _run(self, batch: list[ConversationQueue]) -> None:
        try:
            await self._write(batch)
        finally:
            self._in_flight -= 1
            self._flush()
