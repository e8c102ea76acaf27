"""Claims of idempotency keys: how old one is has nothing to do with the clocks of the nodes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from store.database import Database
from store.idempotency import CLAIM_LASTS, NAME, Asked, Claim, Idempotency, Scope, StoredResult
from tests.store.writing import new_id, now

ASKED = Asked(b"asked")
HOUR = timedelta(hours=1)


async def _grow_older(database: Database, scope: Scope) -> None:
    """By more than a claim lasts, as if nobody had renewed it."""
    older = {"$subtract": ["$claimedAt", CLAIM_LASTS // timedelta(milliseconds=1) + 1000]}
    await database.collection(NAME).update_one({"key": scope.key}, [{"$set": {"claimedAt": older}}])


@pytest.mark.parametrize("apart", [HOUR, -HOUR])
async def test_nodes_whose_clocks_are_apart(shared_database: Database, apart: timedelta) -> None:
    # Nothing of a key is an expression.
    keys, scope = Idempotency(shared_database), Scope(new_id(), ("a:command",), f"$key {new_id()}")
    first = await keys.claim(scope, ASKED, now() + apart)
    assert isinstance(first, Claim)
    assert await keys.claim(scope, ASKED, now()) == StoredResult(True)
    # Its holder lives.
    await _grow_older(shared_database, scope)
    await keys.renew(first)
    assert await keys.claim(scope, ASKED, now()) == StoredResult(True)
    # Its holder died.
    await _grow_older(shared_database, scope)
    assert await keys.claim(scope, Asked(b"other"), now()) == StoredResult(False)
    second = await keys.claim(scope, ASKED, now())
    assert isinstance(second, Claim)
    assert await keys.claim(scope, ASKED, now() + apart) == StoredResult(True)
    await keys.keep(second, b"result")
    assert await keys.claim(scope, ASKED, now() + apart) == StoredResult(True, b"result")
