"""One page of metrics for several workers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from server.workers.metrics import merged
from tests.server.workers.pair import NewLoop, on_both_loops, pair, run


def _page(value: float, label: str) -> bytes:
    registry = CollectorRegistry()
    Gauge("open_things", 'With "quotes" and {braces}.', registry=registry).set(value)
    Counter("done_things", "Counted.", ("what",), registry=registry).labels(label).inc(value)
    return generate_latest(registry)


def test_samples_of_a_family_stand_together_and_say_whose_they_are() -> None:
    page = merged({1: _page(1, 'a "b" {c} d'), 0: _page(2, "e")}).decode()
    assert page.count("# TYPE open_things gauge") == 1
    found = {
        (sample.name, sample.labels["worker"], sample.labels.get("what")): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert found == {
        ("open_things", "0", None): 2,
        ("open_things", "1", None): 1,
        ("done_things_total", "0", "e"): 2,
        ("done_things_total", "1", 'a "b" {c} d'): 1,
    }


@on_both_loops
def test_each_worker_knows_what_all_know(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            both.owner.metrics = lambda: b"x" * 100_000
            both.other.metrics = lambda: b"little"
            for _ in range(3):
                assert await both.other.peers.known() == {0: b"x" * 100_000, 1: b"little"}
                assert await both.owner.peers.known() == {0: b"x" * 100_000, 1: b"little"}

    run(loop, scenario())


@on_both_loops
def test_a_worker_that_hangs_is_left_out(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair(listening=False) as both:
            both.other.metrics = lambda: b"alone"
            both.other.listen()
            assert await both.other.peers.known() == {1: b"alone"}
            # Its answer comes late, and to nobody.
            both.owner.listen()
            both.owner.metrics = lambda: b"late"
            assert await both.other.peers.known() == {0: b"late", 1: b"alone"}

    run(loop, scenario())


@on_both_loops
def test_each_worker_knows_how_the_others_are(loop: NewLoop) -> None:
    async def scenario() -> None:
        async with pair() as both:
            assert await both.other.peers.others_readiness() == [b"ready"]

    run(loop, scenario())
