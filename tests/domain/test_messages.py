"""The rules of messages: who may change what, and folding, whose outcome no order of arrival alters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Code, DomainError
from domain.messages import (
    MAX_REACTIONS_PER_USER,
    ChangeKind,
    MessageChange,
    MessageRecord,
    body_digest,
    changes_nothing,
    check_body,
    check_delete,
    check_edit,
    check_reaction,
    fold,
    to_message,
)

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
AUTHOR, OTHER = "a" * 24, "b" * 24
MESSAGE = MessageRecord(
    id="m" * 24,
    conversation_id="c" * 24,
    sender_id=AUTHOR,
    seq=1,
    text="first words",
    image_urls=("i" * 24,),
    digest=b"digest",
    created_at=AT,
    updated_at=AT,
)


def change(
    seq: int,
    kind: ChangeKind,
    *,
    by: str = AUTHOR,
    text: str | None = None,
    emoji: str | None = None,
    remove: bool = False,
) -> MessageChange:
    return MessageChange(
        id=f"{seq:024}",
        conversation_id=MESSAGE.conversation_id,
        sender_id=by,
        kind=kind,
        target=MESSAGE.id,
        seq=seq,
        text=text,
        emoji=emoji,
        remove=remove,
        created_at=AT + timedelta(seconds=seq),
    )


def fold_all(
    changes: list[MessageChange] | tuple[MessageChange, ...], record: MessageRecord = MESSAGE
) -> MessageRecord:
    for each in changes:
        record = fold(record, each)
    return record


def _edits() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({"kind": st.just("edit"), "text": st.sampled_from(["one", "two", "three"])})


def _reactions() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        {
            "kind": st.just("reaction"),
            "by": st.sampled_from([AUTHOR, OTHER]),
            "emoji": st.sampled_from("👍🎉"),
            "remove": st.booleans(),
        }
    )


def _deletions() -> st.SearchStrategy[dict[str, object]]:
    return st.just({"kind": "delete"})


def _changes(*kinds: st.SearchStrategy[dict[str, object]]) -> st.SearchStrategy[list[MessageChange]]:
    """Changes with the numbers that the log gave them, in that order."""
    return st.lists(st.one_of(*kinds), max_size=6).map(
        lambda found: [change(seq, **fields) for seq, fields in enumerate(found, 2)]
    )


@given(_changes(_edits(), _reactions()), st.randoms(use_true_random=False))
def test_any_order_of_arrival_makes_the_same_message(changes: list[MessageChange], chance: Random) -> None:
    in_order = fold_all(changes)
    chance.shuffle(changes)
    assert to_message(fold_all(changes), seen=False) == to_message(in_order, seen=False)


@given(_changes(_edits(), _reactions(), _deletions()), st.randoms(use_true_random=False))
def test_a_deletion_is_final_wherever_it_arrives(changes: list[MessageChange], chance: Random) -> None:
    changes.append(change(99, "delete"))
    chance.shuffle(changes)
    told = to_message(fold_all(changes), seen=False)
    assert told.text is None
    assert told.deleted_at is not None
    assert (told.image_urls, told.video_urls, told.pdf_urls, told.reactions) == ((), (), (), ())


@given(_changes(_edits(), _reactions(), _deletions()))
def test_folding_again_alters_nothing(changes: list[MessageChange]) -> None:
    folded = fold_all(changes)
    for each in changes:
        assert fold(folded, each) is folded


@given(_changes(_edits(), _reactions(), _deletions()))
def test_what_is_folded_in_would_change_nothing_if_it_was_the_last_of_its_kind(changes: list[MessageChange]) -> None:
    folded = fold_all(changes)
    if changes and folded.deleted_at is None:
        assert changes_nothing(folded, changes[-1])


def test_the_highest_number_wins_each_aspect() -> None:
    changes = [
        change(2, "edit", text="second"),
        change(3, "reaction", by=OTHER, emoji="👍"),
        change(4, "edit", text="third"),
        change(5, "reaction", by=OTHER, emoji="👍", remove=True),
        change(6, "reaction", by=AUTHOR, emoji="🎉"),
    ]
    for order in permutations(changes):
        told = to_message(fold_all(order), seen=False)
        assert told.text == "third"
        assert [(each.emoji, each.user_ids) for each in told.reactions] == [("🎉", (AUTHOR,))]
        assert (told.edited_at, told.updated_at) == ("2026-11-22T09:30:04.000Z", "2026-11-22T09:30:06.000Z")


def test_reactions_stand_in_the_order_in_which_they_came() -> None:
    changes = [
        change(2, "reaction", by=OTHER, emoji="🎉"),
        change(3, "reaction", by=OTHER, emoji="👍"),
        change(4, "reaction", by=AUTHOR, emoji="🎉"),
        change(5, "reaction", by=OTHER, emoji="🎉", remove=True),
        change(6, "reaction", by=OTHER, emoji="🎉"),
    ]
    told = to_message(fold_all(changes), seen=False)
    assert [(each.emoji, each.user_ids) for each in told.reactions] == [("👍", (OTHER,)), ("🎉", (AUTHOR, OTHER))]


def test_a_deletion_leaves_nothing_of_what_was_said() -> None:
    deleted = fold_all([change(2, "edit", text="second"), change(3, "delete")])
    assert (deleted.text, deleted.image_urls, deleted.marks) == (None, (), ())
    assert (deleted.id, deleted.seq, deleted.sender_id) == (MESSAGE.id, 1, AUTHOR)


DELETED = fold(MESSAGE, change(2, "delete"))
BOOKING = msgspec.structs.replace(MESSAGE, kind="booking")


def _refusal(check: Callable[[], None]) -> Code | None:
    try:
        check()
    except DomainError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    ("record", "user", "code"),
    [
        (MESSAGE, AUTHOR, None),
        (MESSAGE, OTHER, Code.FORBIDDEN),
        (DELETED, AUTHOR, Code.CONFLICT),
        (DELETED, OTHER, Code.FORBIDDEN),
        (BOOKING, AUTHOR, Code.FORBIDDEN),
    ],
)
def test_who_may_edit(record: MessageRecord, user: str, code: Code | None) -> None:
    assert _refusal(lambda: check_edit(record, user, "words")) is code


def test_words_go_only_where_a_file_stays() -> None:
    for text, bare in (("", True), (" ", True), ("\u200b", True), ("words", False)):
        without = msgspec.structs.replace(MESSAGE, image_urls=())
        assert (_refusal(partial(check_edit, without, AUTHOR, text)) is Code.VALIDATION_FAILED) is bare
        assert _refusal(partial(check_edit, MESSAGE, AUTHOR, text)) is None


@pytest.mark.parametrize("record", [MESSAGE, DELETED])
def test_who_may_delete(record: MessageRecord) -> None:
    assert _refusal(lambda: check_delete(record, AUTHOR)) is None
    assert _refusal(lambda: check_delete(record, OTHER)) is Code.FORBIDDEN
    assert _refusal(lambda: check_delete(BOOKING, AUTHOR)) is Code.FORBIDDEN


@pytest.mark.parametrize("user", [AUTHOR, OTHER])
def test_who_may_react(user: str) -> None:
    assert _refusal(lambda: check_reaction(MESSAGE, user, "👍", remove=False)) is None
    assert _refusal(lambda: check_reaction(BOOKING, user, "👍", remove=False)) is None
    assert _refusal(lambda: check_reaction(DELETED, user, "👍", remove=False)) is Code.CONFLICT
    assert _refusal(lambda: check_reaction(DELETED, user, "👍", remove=True)) is Code.CONFLICT


def test_reactions_of_one_person_have_an_end() -> None:
    full = fold_all([change(n, "reaction", by=OTHER, emoji=f"e{n}") for n in range(2, MAX_REACTIONS_PER_USER + 2)])
    assert _refusal(lambda: check_reaction(full, OTHER, "new", remove=False)) is Code.CONFLICT
    assert _refusal(lambda: check_reaction(full, OTHER, "new", remove=True)) is None
    assert _refusal(lambda: check_reaction(full, OTHER, "e3", remove=False)) is None
    assert _refusal(lambda: check_reaction(full, AUTHOR, "new", remove=False)) is None


@pytest.mark.parametrize(
    ("text", "attachments", "refused"),
    [
        ("words", 0, False), (" w ", 0, False), (None, 1, False), ("", 1, False), ("words", 10, False),
        (None, 0, True), ("", 0, True), (" \n\u2003", 0, True), ("words", 11, True), (None, 11, True),
    ],
)  # fmt: skip
def test_a_message_says_something_and_not_too_much(text: str | None, attachments: int, refused: bool) -> None:
    assert (_refusal(lambda: check_body(text, attachments)) is Code.VALIDATION_FAILED) is refused


_FILES = st.lists(st.sampled_from(["1" * 24, "2" * 24]), max_size=2).map(tuple)
_BODIES = st.tuples(
    st.none() | st.sampled_from(["a", "b", '["a",[[],[],[]],null]']),
    st.tuples(_FILES, _FILES, _FILES),
    st.none() | st.sampled_from(["3" * 24, "4" * 24]),
)


@given(_BODIES, _BODIES)
def test_a_digest_tells_bodies_apart(one: tuple[Any, Any, Any], other: tuple[Any, Any, Any]) -> None:
    assert (body_digest(*one) == body_digest(*other)) is (one == other)
