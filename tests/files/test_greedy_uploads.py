"""One greedy account or network at full tilt, a quiet one beside it: the quiet one's upload succeeds as ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from domain.errors import Code, DomainError
from domain.files import StoredFile
from handlers.context import STORING_OF_ONE_USER
from rest.pace import Pace
from rest.uploads import OF_ALL, OF_ONE_NETWORK, OF_ONE_USER
from server.files.decoder_seconds import Allowance, DecoderSeconds
from server.files.image_processes import PictureMaker
from store.command_budget import BUDGET_SECONDS, remaining
from store.files import Files
from tests.files import samples
from tests.files.service import NOTHING, FileService
from tests.files.wire import HEAD, UploadConnection, line, post, whole
from tests.harness.nodes import running_node
from tests.harness.people import People, Person
from tests.harness.waiting import until

# Three times what is promised.
SERVED_WITHIN_SECONDS = 6.0


async def test_scans_are_counted_before_anything_is_decoded(shelf: FileService, decoded: list[int]) -> None:
    """3,000 of them keep a decoder for 20 s."""
    bomb = samples.jpeg_of_scans(3000, (2000, 1500))[:10_000_000]
    status, answer = await shelf.put(await shelf.people.make(), bomb)
    assert (status, answer["code"]) == (415, "unsupported_media")
    assert answer["detail"] == "The image has more than 60 scans."
    assert decoded == []
    assert await shelf.counts() == NOTHING


@asynccontextmanager
async def trickling(
    url: str, people: list[Person], each: int, address: Callable[[int], str] | None = None
) -> AsyncIterator[list[UploadConnection]]:
    """Uploads that are under way and take as long as they may; ``address``: of the person of a number."""
    async with AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line(url)) for _ in range(len(people) * each)]
        for number, one in enumerate(lines):
            head = post(people[number // each], 100_000_000)
            if address is not None:
                forwarded = f"X-Forwarded-For: {address(number // each)}\r\nHost:".encode()
                head = head.replace(b"Host:", forwarded, 1)
            await one.send(head + HEAD + samples.mp4(2000))

        async def trickle() -> None:
            while True:
                for one in lines:
                    await one.send(b"x" * 200)
                await asyncio.sleep(0.1)

        task = asyncio.create_task(trickle())
        yield lines
        task.cancel()


async def test_slow_clients_hold_no_turn(shelf: FileService) -> None:
    """Eight accounts with as many uploads as each may have: they were every slot of a node."""
    greedy = [await shelf.people.make() for _ in range(8)]
    quiet = await shelf.people.make()
    async with trickling(shelf.running.url, greedy, OF_ONE_USER):
        await admitted(shelf, 8 * OF_ONE_USER)
        async with asyncio.timeout(SERVED_WITHIN_SECONDS):
            await asyncio.gather(
                shelf.uploaded(quiet, samples.image()), shelf.uploaded(quiet, samples.PDF)
            )


async def admitted(shelf: FileService, count: int) -> None:
    """So many uploads are being received."""
    async with asyncio.timeout(30):
        while shelf.running.node.context.spooling.taken < count * 2000:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_network_that_has_all_its_places_leaves_others_theirs(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    async with (
        running_node(database_url, redis_url, tmp_path, TRUSTED_PROXIES="1") as running,
        aiohttp.ClientSession(headers={"X-Forwarded-For": "198.51.100.7"}) as http,
    ):
        people = People(running.node.store, running.node.tokens, running.node.context.clock)
        shelf = FileService(running, people, http)
        greedy = [await people.make() for _ in range(OF_ONE_NETWORK // OF_ONE_USER + 2)]
        # Without the header they come from the address of the connection.
        async with trickling(running.url, greedy, OF_ONE_USER):
            await admitted(shelf, OF_ONE_NETWORK)
            async with asyncio.timeout(SERVED_WITHIN_SECONDS):
                await shelf.uploaded(await people.make(), samples.PDF)


@pytest.mark.parametrize("networks", [3, OF_ALL])
async def test_networks_that_have_all_places_together_make_room(
    database_url: str, redis_url: str, tmp_path: Path, networks: int
) -> None:
    """Each has no more than it may have: three with a dozen accounts each, or as many as there are accounts."""
    async with (
        running_node(database_url, redis_url, tmp_path, TRUSTED_PROXIES="1") as running,
        aiohttp.ClientSession(headers={"X-Forwarded-For": "203.0.113.9"}) as http,
    ):
        people = People(running.node.store, running.node.tokens, running.node.context.clock)
        shelf = FileService(running, people, http)
        greedy = [await people.make() for _ in range(OF_ALL // OF_ONE_USER)]
        quiet = await people.make()
        async with trickling(running.url, greedy, OF_ONE_USER, lambda number: f"198.51.100.{number % networks}"):
            await admitted(shelf, OF_ALL)
            async with asyncio.timeout(SERVED_WITHIN_SECONDS):
                await shelf.uploaded(quiet, samples.PDF)
                await shelf.uploaded(quiet, samples.PDF)


async def test_a_body_that_is_too_slow_for_its_size_is_told_so(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(Pace, "LONGEST_SECONDS", 100.3)
    person = await shelf.people.make()
    # 2 kB at once and as many a second: too little of 100 MB in 100 s, and enough of 10 kB.
    monkeypatch.setattr(Pace, "BYTES_A_SECOND", 100)
    async with trickling(shelf.running.url, [person], 1) as (slow,):
        assert await slow.problem() == (400, "malformed", "The body did not arrive in time.")
    content = samples.mp4(2000)
    async with line(shelf.running.url) as phone:
        body = whole(content)
        await phone.send(post(person, len(body)))
        for at in range(0, len(body), 400):
            await phone.send(body[at : at + 400])
            await asyncio.sleep(0.1)
        assert await phone.status() == 201


async def test_the_pace_rises_with_the_size() -> None:
    now = asyncio.get_running_loop().time()

    def seconds(size: int, declared: int | None) -> float:
        """How long it may take when it comes as slowly as it may."""
        pace = Pace(declared)
        pace._received = size
        return pace.due - now

    assert seconds(100_000_000, 100_000_000) == pytest.approx(600, abs=1)
    assert seconds(100_000_000, None) == pytest.approx(600, abs=1)
    assert seconds(17_500 * 100, 100_000_000) < 45
    # A photo by a slow phone.
    assert seconds(3_000_000, 3_000_000) > 200


async def test_what_is_on_disk_is_bounded_for_each(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, other = await shelf.people.make(), await shelf.people.make()
    space = shelf.running.node.context.spooling
    monkeypatch.setattr(space, "_of_one", len(samples.PDF))
    assert (await shelf.put(person, samples.PDF))[0] == 201
    status, answer = await shelf.put(person, samples.PDF + b"\n")
    assert (status, answer["code"]) == (429, "rate_limited")
    assert answer["retryAfterMs"] > 0
    # A network has no more than it leaves.
    monkeypatch.setattr(space, "_of_all", 2 * len(samples.PDF) - 1)
    assert (await shelf.put(other, samples.PDF))[0] == 429
    monkeypatch.setattr(space, "_of_all", 2 * len(samples.PDF))
    assert (await shelf.put(other, samples.PDF))[0] == 201
    # And nothing stays behind, of those that were refused either.
    assert space.taken == 0


async def test_what_is_written_has_what_the_wait_for_its_turn_left(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its content is written, which takes as long as it takes."""
    person, context, left = await shelf.people.make(), shelf.running.node.context, list[float]()
    write = Files.write

    async def measured(self: Files, file: StoredFile, content: AsyncIterator[bytes]) -> None:
        async def read() -> AsyncIterator[bytes]:
            async for chunk in content:
                left.append(remaining())
                yield chunk

        left.append(remaining())
        await write(self, file, read())

    monkeypatch.setattr(Files, "write", measured)
    async with AsyncExitStack() as held:
        for _ in range(STORING_OF_ONE_USER):
            await held.enter_async_context(context.storing.turn(person.id, 1.0))
        sending = asyncio.create_task(shelf.uploaded(person, samples.PDF))
        await until(lambda: context.spooling.taken >= len(samples.PDF))
        done, _ = await asyncio.wait([sending], timeout=1.0)
        assert not done
    await sending
    assert left[0] < BUDGET_SECONDS - 0.5
    assert set(left[1:]) == {BUDGET_SECONDS}


async def test_a_decoder_s_seconds_are_charged(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = shelf.running.node.pictures
    monkeypatch.setattr(pictures, "_of_accounts", DecoderSeconds(Allowance(0.001, 0.0001)))
    greedy, quiet = await shelf.people.make(), await shelf.people.make()
    await shelf.uploaded(greedy, samples.image())
    status, answer = await shelf.put(greedy, samples.image())
    assert (status, answer["code"]) == (429, "rate_limited")
    assert answer["retryAfterMs"] > 1000
    # Only what is decoded.
    await shelf.uploaded(greedy, samples.PDF)
    await shelf.uploaded(quiet, samples.image())
    monkeypatch.setattr(pictures, "_of_networks", DecoderSeconds(Allowance(0.0, 0.0001)))
    assert (await shelf.put(await shelf.people.make(), samples.image()))[0] == 429


def test_seconds_refill() -> None:
    now = 0.0
    seconds = DecoderSeconds(Allowance(10.0, 0.5), clock=lambda: now)
    seconds.charge("ann", 9.0)
    seconds.require("ann")
    seconds.charge("ann", 3.0)
    with pytest.raises(DomainError) as refused:
        seconds.require("ann")
    # Until there is as much as one image may take: 5 s at half a second a second.
    assert (refused.value.code, refused.value.retry_after_ms) == (Code.RATE_LIMITED, 10_000)
    seconds.require("bob")
    now = 10.0
    seconds.require("ann")
    now = 1000.0
    seconds.charge("ann", 9.9)
    seconds.require("ann")


HEAVY = samples.jpeg_of_scans(60, (2000, 1500))


@pytest.mark.parametrize("network", ["the same", "another"])
async def test_a_quiet_account_s_picture_waits_for_no_crowd(network: str) -> None:
    """A hundred of one account, and of eight, are decoded meanwhile."""
    maker, done = PictureMaker(), list[str]()

    async def make(account: str, network: str, content: bytes) -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield content

        async with maker.made(account, network, len(content), chunks()):
            done.append(account)

    try:
        crowd = [
            asyncio.create_task(make(account, "the same", HEAVY))
            for account in ("greedy", *(f"greedy {number}" for number in range(7)))
            for _ in range(13)
        ]
        async with asyncio.timeout(30):
            while len(done) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        before = len(done)
        async with asyncio.timeout(SERVED_WITHIN_SECONDS):
            await make("quiet", network, samples.image())
        # By order, not by the clock: each of the others had one more turn at most, and one was at work.
        assert done.index("quiet") - before <= (8 + 2 if network == "the same" else 3)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    finally:
        await maker.stop()
