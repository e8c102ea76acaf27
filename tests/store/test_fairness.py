"""Two writers that never pause share a conversation, or many, about evenly."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from itertools import count

import pytest

from domain.messages import MessageRecord
from store.database import Database
from store.log.log import Log
from tests.store.writing import a_message, new_id, numbers, upto

FAIR_SHARE = 0.3
# Another process on the machine may favour one of the two for a while.
TRIES = 3


@pytest.mark.parametrize("waiting", [1, 3])
@pytest.mark.parametrize(("conversations", "total"), [(1, 200), (20, 2000)])
async def test_each_of_two_saturating_writers_gets_its_share(
    shared_database: Database, conversations: int, total: int, waiting: int
) -> None:
    shares = []
    for _ in range(TRIES):
        ids = [new_id() for _ in range(conversations)]
        appended = await _saturate([Log(shared_database), Log(shared_database)], ids, total, waiting)
        for conversation_id in ids:
            found = await numbers(shared_database, conversation_id)
            assert found == upto(len(found))
        assert sum(appended.values()) >= total
        shares.append(min(appended.values()) / sum(appended.values()))
        if shares[-1] >= FAIR_SHARE:
            return
    pytest.fail(f"the smaller shares were {shares}")


@pytest.mark.parametrize("waiting", [1, 3])
async def test_writers_that_receive_from_each_other_alternate(shared_database: Database, waiting: int) -> None:
    """Each receives the other's entries, as nodes do over Redis: few races are lost, and none again and again."""
    logs, ids = [Log(shared_database), Log(shared_database)], [new_id() for _ in range(20)]
    appended = await _saturate(logs, ids, 2000, waiting, receiving=True)
    assert min(appended.values()) >= FAIR_SHARE * sum(appended.values())
    for conversation_id in ids:
        found = await numbers(shared_database, conversation_id)
        assert found == upto(len(found))
    assert sum(log.appender.counters.lost_races for log in logs) < sum(appended.values()) / 2


async def _saturate(
    logs: list[Log], conversation_ids: list[str], total: int, waiting: int, *, receiving: bool = False
) -> Counter[int]:
    """Each log has so many entries waiting in each conversation until ``total`` are appended; answers whose were how
    many of them."""
    appended: Counter[int] = Counter(dict.fromkeys(range(len(logs)), 0))

    def publish(number: int, record: MessageRecord) -> None:
        if receiving:
            logs[1 - number].received(record.conversation_id, record.seq)

    async def write(number: int, conversation_id: str) -> None:
        sender = new_id()
        for key in count():
            if sum(appended.values()) >= total:
                return
            await logs[number].append_message(a_message(conversation_id, sender, str(key)), partial(publish, number))
            appended[number] += 1

    await asyncio.gather(
        *(write(number, i) for number in range(len(logs)) for i in conversation_ids for _ in range(waiting))
    )
    return appended
