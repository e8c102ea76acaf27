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
    assert not space._of_sites


def test_the_networks_of_a_site_are_one() -> None:
    """Else each would leave half of what the one before it left, and many leave nothing."""
    space = FairSpace(of_one=30, of_all=100, refused=Full)
    space.take("a", "2001:db8:1:1::/64", 30)
    space.take("b", "2001:db8:1:2::/64", 20)
    with pytest.raises(Full):
        space.take("c", "2001:db8:1:3::/64", 1)
    space.take("quiet", "2001:db8:2:1::/64", 25)
    space.give_back("b", "2001:db8:1:2::/64", 20)
    space.take("c", "2001:db8:1:3::/64", 5)
    for owner, network, amount in (("a", 1, 30), ("c", 3, 5)):
        space.give_back(owner, f"2001:db8:1:{network}::/64", amount)
    space.give_back("quiet", "2001:db8:2:1::/64", 25)
    assert space.taken == 0
    assert not space._of_sites
