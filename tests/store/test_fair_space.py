"""Room in bytes: bounds for each owner, each network and all."""

from __future__ import annotations

import pytest

from store.fair_space import FairSpace


class Full(Exception):
    """No room."""


def test_a_greedy_network_leaves_as_much_as_it_has() -> None:
    space = FairSpace(of_one=30, of_all=100, refused=Full)
    for owner in ("a", "b"):
        space.take(owner, "greedy", 25)
    with pytest.raises(Full):
        space.take("c", "greedy", 1)
    with pytest.raises(Full):
        space.take("quiet", "here", 31)
    space.take("quiet", "here", 25)
    with pytest.raises(Full):
        space.take("quiet", "here", 1)
    assert space.taken == 75
    for owner in ("a", "b"):
        space.give_back(owner, "greedy", 25)
    space.take("quiet", "here", 5)
    space.give_back("quiet", "here", 30)
    assert space.taken == 0
    assert not space._of_owners
    assert not space._of_networks
