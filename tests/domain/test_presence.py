"""Of several devices the most present counts; invisible looks like gone; what cannot be told is assumed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.presence import PublicStatus, Status, View, assumed, combined, most_present, public

_statuses: st.SearchStrategy[Status] = st.sampled_from(("online", "away", "invisible"))
_public: st.SearchStrategy[PublicStatus] = st.sampled_from(("online", "away", "offline"))
_names = st.frozensets(st.sampled_from("abc"))


@settings(deadline=None)
@given(st.lists(_statuses))
def test_what_others_see_is_the_most_present_of_what_devices_say(statuses: list[Status]) -> None:
    seen = public(combined(statuses))
    assert seen == ("online" if "online" in statuses else "away" if "away" in statuses else "offline")


@settings(deadline=None)
@given(st.lists(_statuses), st.lists(_statuses))
def test_devices_and_nodes_combine_alike(here: list[Status], there: list[Status]) -> None:
    assert public(combined([*here, *there])) == most_present(public(combined(here)), public(combined(there)))


@settings(deadline=None)
@given(status=_public, holders=_names, ours=_names, here=st.none() | _statuses, left_at=st.integers(1, 100))
def test_only_what_is_ours_alone_is_assumed(
    status: PublicStatus, holders: frozenset[str], ours: frozenset[str], here: Status | None, left_at: int
) -> None:
    known = View(version=5, status=status, seen=50, holders=holders)
    now = assumed(known, ours, here, left_at)
    if not holders <= ours:
        assert now == known
        return
    assert (now.status, now.version, now.holders) == (public(here), 5, holders)
    assert now.seen == (max(50, left_at) if now.status == "offline" != status else 50)
