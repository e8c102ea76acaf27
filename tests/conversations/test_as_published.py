"""What the comparison of two devices takes for the same, and what not."""

from __future__ import annotations

from tests.conversations.services import Received
from tests.conversations.two_processes import as_published
from tests.harness.devices import Data


def _entry(seq: int, text: str, message_id: str = "m", *, seen: bool = False) -> Received:
    message: Data = {"id": message_id, "seq": 1, "text": text, "seen": seen}
    return "message:updated", {"conversationId": "c", "seq": seq, "change": "edit", "message": message}


LIVE = [_entry(2, "two"), _entry(3, "three"), _entry(4, "four")]


def test_a_later_state_of_what_was_fetched_is_the_same() -> None:
    fetched = [_entry(2, "four"), _entry(3, "three"), _entry(4, "four")]
    assert as_published(fetched, LIVE) == LIVE
    assert as_published(LIVE, fetched) == LIVE


def test_a_state_that_no_later_entry_shows_is_not() -> None:
    for wrong in (
        [_entry(2, "two"), _entry(3, "two"), _entry(4, "four")],
        [_entry(2, "other"), *LIVE[1:]],
        [*LIVE[:2], _entry(4, "three")],
        [_entry(2, "four", "another"), *LIVE[1:]],
    ):
        assert as_published(wrong, LIVE) == wrong
        assert as_published(LIVE, wrong) == LIVE


def test_it_may_have_been_seen_since_when_somebody_has() -> None:
    fetched = [_entry(2, "two", seen=True), *LIVE[1:]]
    receipt: Received = ("conversation:seen", {"conversationId": "c", "userId": "u", "seq": 1})
    assert as_published(fetched, LIVE) == fetched
    assert as_published(fetched, [*LIVE, receipt]) == LIVE
    assert as_published([*LIVE, receipt], fetched) == [*LIVE, receipt]


def test_what_is_missing_doubled_or_reordered_stays_so() -> None:
    for wrong in (LIVE[1:], [LIVE[0], *LIVE], [LIVE[1], LIVE[0], LIVE[2]]):
        assert as_published(wrong, LIVE) == wrong
        assert as_published(LIVE, wrong) == LIVE
