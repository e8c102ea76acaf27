"""Who is dead of those whose leases Redis has lost, whatever it lost, and when it is asked."""

from __future__ import annotations

from server.cluster import known_leases
from server.cluster.known_leases import KnownLeases


class Renewals:
    """Those of the node that watches; the clock stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.known = KnownLeases(8_000, 4_000, lambda: self.now)

    def renew(self, listed: dict[str, int], *, kept: bool = True) -> list[tuple[str, int]]:
        self.known.before(listed)
        (self.known.kept if kept else self.known.lost)()
        return list(self.known.gone())

    def until(self, now: float, listed: dict[str, int]) -> list[tuple[str, int]]:
        """Renewals each 2 s up to then; answers who was dead meanwhile."""
        gone = []
        while self.now + 2 <= now:
            self.now += 2
            gone += self.renew(listed)
        return gone


def test_who_is_in_an_emptied_redis_no_more_is_dead_after_a_lease_and_once() -> None:
    renewals = Renewals()
    renewals.renew({"a.1": 1_000, "b.1": 1_500})
    assert renewals.renew({}, kept=False) == []
    assert renewals.until(106, {"a.2": 3_000}) == []
    assert renewals.until(108, {"a.2": 3_000}) == [("b.1", 1_500)]
    assert renewals.until(130, {"a.2": 9_000}) == []


def test_who_was_listed_just_before_it_was_emptied() -> None:
    renewals = Renewals()
    assert renewals.renew({"a.1": 1_000}, kept=False) == []
    assert renewals.until(108, {}) == [("a.1", 1_000)]


def test_who_was_handed_out_and_concluded_is_not_dead_again() -> None:
    renewals = Renewals()
    renewals.renew({"a.1": 1_000})
    renewals.renew({})
    renewals.renew({}, kept=False)
    assert renewals.until(130, {}) == []


def test_what_a_failing_renewal_read_forgets_nobody() -> None:
    """Redis was empty already, and did not answer to say that our lease was gone."""
    renewals = Renewals()
    renewals.renew({"a.1": 1_000})
    renewals.known.before({})
    renewals.renew({}, kept=False)
    assert renewals.until(108, {}) == [("a.1", 1_000)]


def test_an_earlier_state_that_lists_the_dead_does_not_make_them_live() -> None:
    """Under the same name, and under one that it had before."""
    renewals = Renewals()
    renewals.renew({"a.1": 5_000, "b.2": 5_000, "c.1": 5_000, "d.1": 5_000})
    earlier = {"a.1": 4_000, "b.1": 4_000, "c.1": 4_000, "d.1": 4_000}
    renewals.renew(earlier, kept=False)
    gone = renewals.until(108, {**earlier, "c.2": 9_000, "d.1": 9_000})
    assert dict(gone) == {"a.1": 5_000, "b.2": 5_000, "b.1": 4_000}


def test_one_loss_after_another_puts_nothing_off() -> None:
    renewals = Renewals()
    renewals.renew({"a.1": 1_000})
    for _ in range(4):
        assert renewals.renew({}, kept=False) == []
        renewals.now += 2
    assert renewals.renew({}, kept=False) == [("a.1", 1_000)]


def test_the_others_have_their_time_after_an_interruption() -> None:
    renewals = Renewals()
    renewals.renew({"a.1": 1_000, "b.1": 1_000})
    renewals.renew({}, kept=False)
    renewals.now = 160.0
    assert renewals.renew({}) == []
    assert renewals.until(168, {"b.2": 9_000}) == [("a.1", 1_000)]


def test_it_is_bounded() -> None:
    renewals = Renewals()
    names = [f"{number}.1" for number in range(known_leases.MOST + 1)]
    renewals.renew(dict.fromkeys(names, 1), kept=False)
    assert [name for name, _ in renewals.until(108, {})] == names[1:]
