"""What a client may not say of itself or of others is refused by name, wherever a body is taken."""

from __future__ import annotations

from typing import Any

import aiohttp
import msgspec
import pytest

from rest.route import Route
from tests.authorisation.cases import OK, ROUTES, Case, prepared
from tests.authorisation.effects import assert_untouched
from tests.authorisation.parties import Parties
from tests.authorisation.rest_table import CASES

FIELDS: dict[str, Any] = {
    "role": "admin",
    "amountOfCredit": 100,
    "trainer": "a" * 24,
    "client": "a" * 24,
    "endTime": "23:00",
    "endsAt": "2030-01-01T00:00:00.000Z",
    "cancellationPolicy": "ALWAYS_FREE",
    "user": "a" * 24,
    "userId": "a" * 24,
    "senderId": "a" * 24,
    "status": "completed",
    "price": 1,
    "version": 1,
    "isVerified": True,
    "isBlocked": False,
    "isStripeConnected": True,
    "stripeConnectAccountId": "acct_1",
    "rating": 5,
}
# Whoever may is asked to: what is refused is the field.
_ORDER = ("nobody", "client", "trainer", "admin")


def takes(route: Route) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(route.command)} if route.command else set()


def bodies() -> list[Case]:
    """One case for each row with a body; what Stripe signs is taken as it is, and of the form that ends mails nothing
    is read: that it is sent says all."""
    of = {case.row: case for case in reversed(CASES) if ROUTES[case.row].has_body}
    del of["POST /webhooks/stripe"], of["POST /unsubscribe/{token}"]
    return list(of.values())


@pytest.mark.parametrize("case", bodies(), ids=str)
async def test_a_field_that_is_not_ones_to_say(parties: Parties, case: Case) -> None:
    column = next((column for column in _ORDER if case.outcomes[column] == OK), None)
    asker = await parties.newcomer("superAdmin") if column is None else parties.people[column]
    method, path, said, who, key = await prepared(case, parties, asker)
    before = await parties.stored.look()
    for name in FIELDS.keys() - takes(ROUTES[case.row]):
        answer = await parties.call(method, path, with_field(said, name), who, key)
        assert (answer.status, answer.code) == (422, "validation_failed"), (name, answer)
        assert [error["field"] for error in answer.body["errors"]] == [refused_as(said, name)]
    assert_untouched(before, await parties.stored.look())


async def test_nobody_registers_as_an_administrator(parties: Parties) -> None:
    for role in ("admin", "superAdmin"):
        body = {"email": parties.new_email(), "password": "x" * 12, "role": role, "name": "Ann"}
        answer = await parties.call("POST", "/auth/register", body, None)
        assert (answer.code, answer.body["errors"][0]["field"]) == ("validation_failed", "role")


def with_field(said: Any, name: str) -> Any:
    if not isinstance(said, aiohttp.FormData):
        return {**(said or {}), name: FIELDS[name]}
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field(name, str(FIELDS[name]))
    return form


def refused_as(said: Any, name: str) -> str:
    """A form of one file has one field only, and is told so."""
    return "file" if isinstance(said, aiohttp.FormData) else name
