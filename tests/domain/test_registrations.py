"""Pending registrations: whose code is it?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from domain.accounts import Registration, newest_password, open_to_guess, resend, with_registration

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def made(number: int, password: str | None = None, requester: str = "here") -> Registration:
    return Registration(
        id=f"r{number}",
        code=f"c{number}",
        expires_at=NOW + timedelta(minutes=10),
        password=password or f"p{number}",
        role="client",
        name=f"n{number}",
        time_zone="UTC",
        requester=requester,
        created_at=NOW + timedelta(seconds=number),
    )


def test_the_same_password_renews_and_moves_to_the_end() -> None:
    pending = with_registration([made(1), made(2)], made(3, password="p1"))
    assert [one.id for one in pending] == ["r2", "r3"]


def test_a_code_asked_from_elsewhere_is_for_nobodys_password() -> None:
    pending, target = resend(
        [made(1, requester="a"), made(2, requester="b")], requester="c", code="new", new_id="r9", now=NOW
    )
    assert (target.id, target.password, target.requester) == ("r9", None, "c")
    assert [one.id for one in pending] == ["r1", "r2", "r9"]
    assert newest_password(pending) == "p2"
    again, repeated = resend(pending, requester="c", code="newer", new_id="r10", now=NOW)
    assert (repeated.id, repeated.code, repeated.password) == ("r9", "newer", None)
    assert len(again) == 3


def test_a_code_asked_from_here_is_for_the_newest_from_here() -> None:
    _, target = resend(
        [made(1, requester="a"), made(2, requester="a"), made(3, requester="b")],
        requester="a",
        code="new",
        new_id="r9",
        now=NOW,
    )
    assert (target.id, target.password) == ("r2", "p2")


def test_a_code_is_open_for_five_tries_and_ten_minutes() -> None:
    fresh, tried = made(1), msgspec.structs.replace(made(2), tries=5)
    assert open_to_guess([fresh, tried], NOW) == [fresh]
    assert open_to_guess([fresh], fresh.expires_at) == []
