"""One page of metrics for all workers of a port: each sample says whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric

from server.observability.metrics import MetricSource, counter
from server.workers.peers import WorkerPeers


def merged(pages: Mapping[int, bytes]) -> bytes:
    """Prometheus' text format, the samples of each family together as it asks for."""
    families: dict[str, list[str]] = {}
    family: list[str] = []
    for worker, page in sorted(pages.items()):
        for line in page.decode().splitlines():
            if line.startswith("# "):
                family = families.setdefault(line.split(" ", 3)[2], [])
                if line not in family:
                    family.append(line)
            elif line:
                family.append(_labelled(line, worker))
    return "".join(f"{line}\n" for lines in families.values() for line in lines).encode()


def _labelled(sample: str, worker: int) -> str:
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'


def of_peers(peers: WorkerPeers) -> MetricSource:
    def metrics() -> Iterable[Metric]:
        given = peers.handed_off
        yield counter("spotter_handed_over", "Connections given to the worker that has their session.", given)
        yield counter("spotter_adopted", "Connections taken from other workers.", peers.adopted)

    return metrics
