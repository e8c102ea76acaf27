"""argon2 off the loop, in a queue with an end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from domain.errors import Code, DomainError
from server.security.passwords import CHEAP, STANDARD, Argon2Passwords


@pytest.fixture
def passwords() -> Iterator[Argon2Passwords]:
    made = Argon2Passwords(CHEAP, threads=1, waiting=2)
    yield made
    made.close()


async def test_a_hash_fits_its_password_only(passwords: Argon2Passwords) -> None:
    hashed = await passwords.hash("one password")
    assert hashed.startswith("$argon2id$")
    assert await passwords.verify(hashed, "one password")
    assert not await passwords.verify(hashed, "another password")
    assert not await passwords.verify("no hash at all", "one password")
    assert not await passwords.verify(None, "one password")


async def test_a_salt_repeats_a_hash(passwords: Argon2Passwords) -> None:
    salt = "00112233445566778899aabbccddeeff"
    assert await passwords.hash("one password", salt) == await passwords.hash("one password", salt)
    assert await passwords.hash("one password") != await passwords.hash("one password")


async def test_letters_composed_differently_are_the_same(passwords: Argon2Passwords) -> None:
    assert await passwords.verify(await passwords.hash("caf\u00e9 au lait"), "cafe\u0301 au lait")


async def test_too_many_at_once_are_turned_away_and_room_comes_back(
    passwords: Argon2Passwords, thread_gate: threading.Event
) -> None:
    running = threading.Event()

    def work() -> None:
        running.set()
        thread_gate.wait()

    held = [asyncio.ensure_future(passwords._queue.run(work)) for _ in range(3)]
    await asyncio.to_thread(running.wait)
    with pytest.raises(DomainError) as refused:
        await passwords.hash("one password")
    assert refused.value.code is Code.UNAVAILABLE
    thread_gate.set()
    await asyncio.gather(*held)
    assert await passwords.hash("one password")


async def test_who_gives_up_waiting_holds_the_place_until_the_work_is_done(
    passwords: Argon2Passwords, thread_gate: threading.Event
) -> None:
    running = threading.Event()

    def work() -> None:
        running.set()
        thread_gate.wait()

    waiting = asyncio.ensure_future(passwords._queue.run(work))
    await asyncio.to_thread(running.wait)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert passwords._queue.at_work == 1
    thread_gate.set()
    await passwords.hash("one password")


async def test_the_standard_parameters_are_those_of_the_design() -> None:
    assert (STANDARD.time, STANDARD.memory, STANDARD.lanes) == (3, 64 * 1024, 4)
    standard, cheap = Argon2Passwords(STANDARD), Argon2Passwords(CHEAP)
    hashed = await cheap.hash("one password")
    assert standard.is_outdated(hashed)
    assert not cheap.is_outdated(hashed)
    standard.close()
    cheap.close()
