"""Every row of the REST surface, asked by everybody: what each is answered, and that a refusal changes nothing."""

from __future__ import annotations

import pytest

from tests.authorisation.cases import OK, OUTSIDERS, REFUSALS, REST_COLUMNS, ROUTES, Case, besides_gone, prepared
from tests.authorisation.effects import assert_harmless, assert_untouched
from tests.authorisation.parties import Parties
from tests.authorisation.phones import Phones
from tests.authorisation.rest_table import CASES
from tests.bookings.market import Answer
from tests.documents.answers import assert_described

STATUS = {"401": 401, "403": 403, "404": 404, "blk": 403}


def test_the_table_has_every_row() -> None:
    assert sorted(ROUTES) == sorted({case.row for case in CASES})


def asked(*outcomes: str) -> pytest.MarkDecorator:
    """Every case with everybody who is answered one of these."""
    pairs = [(case, column) for case in CASES for column in REST_COLUMNS if case.outcomes[column] in outcomes]
    return pytest.mark.parametrize(("case", "column"), pairs, ids=[f"{case} by {column}" for case, column in pairs])


@asked(*REFUSALS)
async def test_whoever_may_not_is_told_so_and_changes_nothing(
    parties: Parties, phones: Phones, case: Case, column: str
) -> None:
    who = parties.people[column]
    request = await prepared(case, parties, who, lasting=True)
    await phones.forget()
    before = await parties.stored.look()
    answer = await parties.call(*request)
    outcome = case.outcomes[column]
    assert (answer.status, answer.code) == (STATUS[outcome], REFUSALS[outcome]), answer
    assert_described(request[0], ROUTES[case.row].full_path, answer.status, answer.body)
    assert_untouched(before, await parties.stored.look())
    assert await phones.received_by(who) == []


@asked(OK)
async def test_whoever_may_can(parties: Parties, case: Case, column: str) -> None:
    who = await case.asker(parties, column)
    reads = ROUTES[case.row].method == "GET"
    request = await prepared(case, parties, who, lasting=reads)
    before = await parties.stored.look()
    answer = await parties.call(*request)
    assert answer.status == ROUTES[case.row].success, answer
    assert_described(request[0], ROUTES[case.row].full_path, answer.status, answer.body)
    after = await parties.stored.look()
    if reads:
        assert_untouched(before, after)
    if column in OUTSIDERS:
        assert_tells_nothing(parties, case, answer)
        # A public row does not look at who sends it.
        if who is not None and not ROUTES[case.row].public:
            assert_harmless(before, after, who)


def assert_tells_nothing(parties: Parties, case: Case, answer: Answer) -> None:
    """Of what is between client and trainer; who has a feed's address is meant to read it."""
    if case.of is not Parties.feed:
        assert [secret for secret in parties.secrets if secret in str(besides_gone(answer.body))] == []
