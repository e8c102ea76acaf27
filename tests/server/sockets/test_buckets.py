"""Token buckets."""

from __future__ import annotations

import pytest

from server.sockets import rows
from server.sockets.rows import Buckets, Rate


class Time:
    def __init__(self) -> None:
        self.now = 1024.0

    def __call__(self) -> float:
        return self.now


def taken(limits: Buckets, key: str, rate: Rate, tries: int) -> int:
    return sum(limits.take(key, rate) == 0 for _ in range(tries))


def test_a_bucket_holds_its_burst_and_fills_again() -> None:
    time = Time()
    limits, rate = Buckets(clock=time), Rate(8, 40)
    assert taken(limits, "a", rate, 100) == 40
    assert limits.take("a", rate) == 125
    time.now += 1 / 16
    assert limits.take("a", rate) == 63
    time.now += 1 / 16
    assert limits.take("a", rate) == 0
    time.now += 1
    assert taken(limits, "a", rate, 100) == 8
    time.now += 3600
    assert taken(limits, "a", rate, 100) == 40


def test_keys_do_not_share() -> None:
    limits, rate = Buckets(clock=Time()), Rate(1, 2)
    assert taken(limits, "a", rate, 10) == taken(limits, "b", rate, 10) == 2


def test_a_scale_multiplies_both_but_never_to_nothing() -> None:
    time = Time()
    limits, rate = Buckets(2.5, time), Rate(10, 40)
    assert taken(limits, "a", rate, 200) == 100
    assert limits.take("a", rate) == 40
    tiny = Buckets(0.001, time)
    assert taken(tiny, "a", rate, 10) == 1
    assert tiny.take("a", rate) == 100_000


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_REMEMBERED", 10)
    limits, rate = Buckets(clock=Time()), Rate(1, 2)
    for key in range(9):
        assert limits.take(f"old {key}", rate) == 0
    assert taken(limits, "busy", rate, 5) == 2
    for key in range(9):
        assert limits.take(f"new {key}", rate) == 0
        assert limits.take("busy", rate) > 0
    assert taken(limits, "old 0", rate, 5) == 2


def test_a_site_has_as_much_as_eight_of_its_networks() -> None:
    limits, rate = Buckets(clock=Time()), Rate(1, 5)

    def took(network: str, tries: int) -> int:
        return sum(limits.take_of("X", network, rate) == 0 for _ in range(tries))

    # One that is refused takes nothing from the others.
    assert took("2001:db8:1:0::/64", 100) == 5
    assert sum(took(f"2001:db8:1:{number:x}::/64", 5) for number in range(1, 30)) == 35
    assert limits.wait_of("X", "2001:db8:1:ff::/64", rate) > 0
    assert limits.wait_of("X", "2001:db8:2:ff::/64", rate) == 0
    assert took("2001:db8:2:0::/64", 6) == took("192.0.2.1", 6) == took("192.0.2.2", 6) == 5
