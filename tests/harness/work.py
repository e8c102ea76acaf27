"""Durable work done now, beside what nodes do of it by themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from handlers.jobs import Job
from server.cluster.runner import JobRunner
from store.work_queue import WorkRow


async def work_off(job: Job, clock: Callable[[], datetime]) -> int:
    """All rows that are due, one after the other; answers of how many the work answered something true."""
    count = 0

    async def counted(row: WorkRow) -> None:
        nonlocal count
        count += bool(await job.work(row))

    runner = JobRunner(replace(job, work=counted), clock)
    while await runner.next():
        pass
    return count
