"""Every event of every namespace, sent by everybody: what each receives, and that a refusal changes nothing."""

from __future__ import annotations

import pytest

from tests.authorisation.cases import OK, OUTSIDERS, REFUSALS, SOCKET_COLUMNS, Case, besides_gone
from tests.authorisation.effects import assert_harmless, assert_untouched
from tests.authorisation.parties import Parties
from tests.authorisation.phones import Phones
from tests.authorisation.socket_table import CASES
from tests.documents.answers import assert_acknowledgement_described
from tests.server.sockets.raw import admitted, raw_socket
from tests.server.sockets.rows import COMMANDS


def test_the_table_has_every_event() -> None:
    assert sorted({f"{namespace} {event}" for namespace, event, _ in COMMANDS}) == sorted({case.row for case in CASES})


def asked(*outcomes: str) -> pytest.MarkDecorator:
    pairs = [(case, column) for case in CASES for column in SOCKET_COLUMNS if case.outcomes[column] in outcomes]
    return pytest.mark.parametrize(("case", "column"), pairs, ids=[f"{case} by {column}" for case, column in pairs])


@asked(*REFUSALS)
async def test_whoever_may_not_is_told_so_and_changes_nothing(
    parties: Parties, phones: Phones, case: Case, column: str
) -> None:
    who = parties.people[column]
    _, said = await case.request(parties, who, lasting=True)
    await phones.forget()
    before = await parties.stored.look()
    answer = await phones.ask(column, case.row, said)
    assert answer["ok"] is False, answer
    assert_acknowledgement_described(case.row, answer)
    assert answer["error"]["code"] == REFUSALS[case.outcomes[column]]
    assert_untouched(before, await parties.stored.look())
    assert await phones.received_by(who) == []


@asked(OK)
async def test_whoever_may_can(parties: Parties, phones: Phones, case: Case, column: str) -> None:
    who = parties.people[column]
    assert who is not None
    _, said = await case.request(parties, who, lasting=False)
    before = await parties.stored.look()
    answer = await phones.ask(column, case.row, said)
    assert answer["ok"] is True, answer
    assert_acknowledgement_described(case.row, answer)
    if column in OUTSIDERS:
        assert [secret for secret in parties.secrets if secret in str(besides_gone(answer["data"]))] == []
        assert_harmless(before, await parties.stored.look(), who)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_nobody_and_the_blocked_get_in_nowhere(parties: Parties, case: Case) -> None:
    namespace, event = case.row.split()
    blocked = parties.people["blocked"]
    assert blocked is not None
    before = await parties.stored.look()
    for token, code in ((None, "unauthenticated"), (blocked.person.token, "account_blocked")):
        async with raw_socket(parties.market.urls[0]) as raw:
            assert (await raw.connect(token, namespace))["data"]["code"] == code
            # It is no part of the protocol to go on; whoever does is cut off.
            await raw.submit(f'["{event}",{{}}]', namespace)
            await raw.closed()
            assert raw.received == []
    assert_untouched(before, await parties.stored.look())


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_one_namespace_opens_no_other(parties: Parties, case: Case) -> None:
    namespace, event = case.row.split()
    elsewhere = "/presence" if namespace != "/presence" else "/bookings"
    async with admitted(parties.market.urls[0], parties.client.person.token, elsewhere) as raw:
        answer = await raw.ask(event, "{}", namespace)
    assert answer["error"]["code"] == "unauthenticated"
