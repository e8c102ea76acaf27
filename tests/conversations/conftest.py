"""One database and one node for the whole folder: each test brings people of its own.

Tests of ``messaging`` and ``service`` run here and, the same tests, over two real processes: here as two workers of
one ``run.py`` over the transports in turn, and in ``make verify`` also as two ``run.py`` and over each transport.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from server import embedded
from store.database import Database
from tests.conftest import TEST_DATA
from tests.conversations.services import ConversationService, OneNodeService
from tests.conversations.two_processes import two_process_service
from tests.harness.databases import named, prepared_database
from tests.harness.nodes import RunningNode, running_node
from tests.harness.service import OneNode, Service
from tests.harness.unread_errors import no_complaints
from tests.together.two_processes import Deployment, Kind, TwoProcesses, deployed

POLLING, UPGRADE, WEBSOCKET = ("polling",), ("polling", "websocket"), ("websocket",)
KINDS: tuple[Kind, ...] = ("workers", "programs")


@dataclass(frozen=True)
class Topology:
    kind: Kind
    transports: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"2_{self.kind}_over_{'all' if len(self.transports) > 1 else '+'.join(self.transports[0])}"


_IN_TURN = Topology("workers", (WEBSOCKET, POLLING, UPGRADE))
_RULES_OVER = Topology("programs", (WEBSOCKET,))
_MATRIX = [Topology(kind, (transports,)) for kind in KINDS for transports in (POLLING, UPGRADE, WEBSOCKET)]
EVERYWHERE = [
    pytest.param(None, id="here"),
    pytest.param(_IN_TURN, id=str(_IN_TURN)),
    # Each transport and each kind of process is in half of the matrix; the other half takes as long again.
    *(
        pytest.param(topology, id=str(topology), marks=pytest.mark.verify if number % 2 else pytest.mark.soak)
        for number, topology in enumerate(_MATRIX)
    ),
]


# What these hold is a rule, whoever serves it: over two processes they are a wider form, two of which are enough for
# ``make verify``, but for those matched, where what one process did is seen at the other.
_OF_RULES: dict[str, tuple[str, ...]] = {
    "test_bodies": (),
    "test_deleting": ("test_keyed_changes_keep_the_order_of_their_socket",),
    "test_history": ("test_only_what_the_other_side_said_is_unread",),
    "test_introductions": (r"test_once_however_many_begin_at_the_same_moment\[.*-3\]",),
    "test_keys": ("test_at_the_same_moment_it_is_done_once", "test_a_repeat_waits_for_a_first_one_that_is_at_work"),
    "test_listing": (),
    "test_muting": (),
    "test_opening": (),
    "test_receipts": (
        "test_marks_of_two_nodes_add_up",
        "test_every_device_receives_the_highest",
        "test_every_device_of_both_receives_it_and_no_outsider",
        "test_a_change_tells_what_was_seen_while_it_was_made",
    ),
    "test_repeats": ("test_many_at_the_same_moment", "test_bodies_that_differ_at_the_same_moment"),
    "test_replies": ("test_a_reply_names_its_message_to_both",),
    "test_same_change": (r"test_several_devices_make_one_change_at_once\[.*-_two_nodes-_keyed\]",),
    "test_search": (),
    "test_sync": (),
    "test_sync_state": ("test_only_what_changed_is_told", "test_the_same_without_a_socket"),
    "test_unread": ("test_everything_is_seen_at_once",),
    "test_before_the_first_entry": ("test_from_its_first_entry_both_see_it", "test_whoever_opens_it_sees_it"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.parent != here:
            continue
        if item.name == "test_the_javascript_client[here]":
            # Over two processes it is held as well, and more.
            item.add_marker(pytest.mark.verify)
        kept = _OF_RULES.get(item.path.stem)
        if kept is None or any(re.match(one, item.name) for one in kept):
            continue
        if f"[{_IN_TURN}" in item.name:
            item.add_marker(pytest.mark.verify)
        elif "[2_" in item.name and f"[{_RULES_OVER}" not in item.name:
            item.add_marker(pytest.mark.soak)


@pytest.fixture(scope="package")
async def shared_database(mongo_url: str) -> AsyncIterator[Database]:
    async with prepared_database(mongo_url) as database:
        yield database


@pytest.fixture(scope="package")
async def running(
    mongo_url: str, redis_url: str, shared_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[RunningNode]:
    """A node that all tests here share."""
    data_dir: Path = tmp_path_factory.mktemp("node")
    async with running_node(named(mongo_url, shared_database.db.name), redis_url, data_dir) as node:
        yield node


class Deployments:
    """Two processes of each kind, started when a test first asks for them."""

    def __init__(self, stack: AsyncExitStack, mongo_url: str, redis_url: str, folder: Path) -> None:
        self.redis_url = redis_url
        self._stack = stack
        self._urls = mongo_url, redis_url
        self._folder = folder
        self._started: dict[Kind, Deployment] = {}

    async def of(self, kind: Kind) -> Deployment:
        if kind not in self._started:
            folder = self._folder / kind
            folder.mkdir()
            self._started[kind] = await self._stack.enter_async_context(deployed(kind, *self._urls, folder))
        return self._started[kind]


@pytest.fixture(scope="package")
async def deployments(
    mongo_url: str, shared_database: Database, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> AsyncIterator[Deployments]:
    """With a Redis that no node of this process has: a test that keeps its loop busy would be declared dead."""
    async with AsyncExitStack() as stack:
        servers = await stack.enter_async_context(embedded.servers(TEST_DATA / f"spread-{worker_id}", mongo=False))
        assert servers.redis_url is not None
        url = named(mongo_url, shared_database.db.name)
        yield Deployments(stack, url, servers.redis_url, tmp_path_factory.mktemp("spread"))


@pytest.fixture(params=EVERYWHERE)
async def messaging(
    request: pytest.FixtureRequest, shared_database: Database, deployments: Deployments
) -> AsyncIterator[ConversationService]:
    topology: Topology | None = request.param
    if topology is None:
        here = OneNodeService(shared_database)
        yield here
        await here.settled()
        return
    deployment = await deployments.of(topology.kind)
    async with two_process_service(shared_database, deployments.redis_url, deployment, topology.transports) as there:
        yield there


@pytest.fixture(params=EVERYWHERE)
async def service(
    request: pytest.FixtureRequest, shared_database: Database, deployments: Deployments, running: RunningNode
) -> Service:
    topology: Topology | None = request.param
    if topology is None:
        return OneNode(running)
    return TwoProcesses(shared_database, await deployments.of(topology.kind), topology.transports)


@pytest.fixture(autouse=True)
async def no_complaint() -> AsyncIterator[None]:
    """Whatever a background task raised and nobody read fails the test."""
    with no_complaints():
        yield
