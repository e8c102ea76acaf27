"""Uploads under an idempotency key."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from store.command_budget import BUDGET_SECONDS
from store.idempotency import Claim, Idempotency
from tests.files import samples
from tests.files.service import Data, FileService
from tests.harness.people import Person


async def put(shelf: FileService, person: Person, content: bytes, key: str) -> tuple[int, Data]:
    form = aiohttp.FormData()
    form.add_field("file", content, filename="a")
    return await shelf.post(person, form, **{"Idempotency-Key": key})


async def test_a_repeat_is_answered_the_first_file(shelf: FileService) -> None:
    person, other = await shelf.people.make(), await shelf.people.make()
    (_, first), (status, again) = [await put(shelf, person, samples.image(), "k") for _ in range(2)]
    assert (status, again) == (201, first)
    assert (await shelf.get(again["thumbnailUrl"]))[0].status == 200
    assert (await put(shelf, other, samples.image(), "k"))[1]["id"] != first["id"]
    status, answer = await put(shelf, person, samples.PDF, "k")
    assert (status, answer["code"]) == (409, "idempotency_conflict")
    assert (await shelf.counts())["files"] == 4


async def test_repeats_at_once_are_one_file(shelf: FileService) -> None:
    person = await shelf.people.make()
    answers = await asyncio.gather(*(put(shelf, person, samples.PDF, "k") for _ in range(4)))
    assert {status for status, _ in answers} == {201}
    assert len({answer["id"] for _, answer in answers}) == 1
    assert (await shelf.counts())["files"] == 1


async def test_only_successes_are_remembered(shelf: FileService) -> None:
    person = await shelf.people.make()
    broken = samples.image()[:5000]
    for _ in range(2):
        assert (await put(shelf, person, broken, "k"))[0] == 415
    assert (await put(shelf, person, samples.image(), "k"))[0] == 201


async def test_a_refusal_does_not_wait_for_the_key_to_be_given_back(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which MongoDB may not answer, as it did not answer the work that failed."""
    person, thawed = await shelf.people.make(), asyncio.Event()
    release = Idempotency.release

    async def released(self: Idempotency, claim: Claim) -> None:
        await thawed.wait()
        await release(self, claim)

    monkeypatch.setattr(Idempotency, "release", released)
    # Of the ten seconds that one step may take.
    async with asyncio.timeout(BUDGET_SECONDS / 2):
        assert (await put(shelf, person, samples.image()[:5000], "k"))[0] == 415
    thawed.set()
    assert (await put(shelf, person, samples.image(), "k"))[0] == 201


async def test_a_key_that_is_none(shelf: FileService) -> None:
    status, answer = await put(shelf, await shelf.people.make(), samples.PDF, "k" * 256)
    assert (status, answer["code"]) == (422, "validation_failed")
