"""A client that is closed while commands are under way: what they still ask is as of a MongoDB that is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from domain.errors import Code, DomainError
from store.command_budget import Budget, within
from store.database import ClientSession, Database
from store.store import Store
from tests.store.writing import a_message, new_id

_CONVERSATION = new_id()


async def _read(store: Store) -> None:
    await store.users.by_id(new_id())


async def _write(store: Store) -> None:
    await store.bookmarks.delete(new_id(), new_id())


async def _append(store: Store) -> None:
    """Whose head is known."""
    await store.log.append_message(a_message(_CONVERSATION, new_id(), new_id()), lambda record: record)


async def _transaction(store: Store) -> None:
    async def body(session: ClientSession) -> None:
        await store.bookmarks.delete_all(new_id(), session=session)

    await store.database.transaction(body)


@pytest.mark.parametrize("ask", [_read, _write, _append, _transaction])
async def test_what_is_asked_of_a_closed_client_is_unavailable(
    shared_database: Database, ask: Callable[[Store], Awaitable[None]]
) -> None:
    database = Database(shared_database.url)
    store = Store(database)
    await ask(store)
    database.close()
    with within(Budget(seconds=2.0)), pytest.raises(DomainError) as refused:
        await ask(store)
    assert refused.value.code is Code.UNAVAILABLE
