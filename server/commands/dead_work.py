"""``dead-work``: rows of durable work that were set aside, and a way back for them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from domain.times import to_wire, whole_milliseconds
from server.app import utc_now
from server.cluster.jobs import durable_queues
from server.commands.environment import reported, servers
from server.settings import Settings
from store.database import Database
from store.reachability import require
from store.store import Store
from store.work_queue import MAX_COUNTED, WorkQueue


@reported
async def run(settings: Settings, options: argparse.Namespace) -> int:
    async with servers(settings) as urls:
        database = Database(urls.mongo)
        try:
            await require(database.db)
            queues = durable_queues(Store(database))
            if options.replay is None:
                return await _list(queues)
            job, *ids = options.replay
            return await _replay(queues, job, ids)
        finally:
            database.close()


async def _list(queues: Mapping[str, WorkQueue]) -> int:
    """A line a row: ids and kinds, and nothing else of it, as rows have addresses and what people wrote."""
    count = 0
    for job, queue in queues.items():
        dead = await queue.dead(MAX_COUNTED)
        for row in dead:
            print(job, row.id, row.error, row.attempts, to_wire(row.dead_at), sep="\t")
        if len(dead) == MAX_COUNTED:
            print(f"{job}: there may be more than these {MAX_COUNTED}", file=sys.stderr)
        count += len(dead)
    if not count:
        print("No rows are set aside.", file=sys.stderr)
    return 0


async def _replay(queues: Mapping[str, WorkQueue], job: str, texts: Sequence[str]) -> int:
    """Due now, for whichever node serves: no work is done here."""
    queue, now = queues.get(job), whole_milliseconds(utc_now())
    if queue is None:
        print(f"There is no job {job!r}. The jobs are:", *queues, sep="\n  ", file=sys.stderr)
        return 2
    if not texts:
        # Whichever clock says when they were set aside.
        print(f"{job}: {await queue.replay_all(None, now)} due again")
        return 0
    ids = {}
    for text in texts:
        try:
            ids[text] = queue.id_of(text)
        except ValueError:
            print(f"{text!r} is no id of a row of {job}.", file=sys.stderr)
            return 2
    missing = [text for text, row_id in ids.items() if not await queue.replay(row_id, now)]
    print(f"{job}: {len(ids) - len(missing)} due again")
    for text in missing:
        print(f"{job}: no row {text} is set aside", file=sys.stderr)
    return 1 if missing else 0
