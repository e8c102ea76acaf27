"""A disk that has no room for uploads: what arrives is refused meanwhile, and counts for nobody afterwards."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from typing import IO

import pytest

from tests.files import samples
from tests.files.service import NOTHING, FileService


def _full() -> IO[bytes]:
    return open("/dev/full", "r+b")


def _without_a_file() -> IO[bytes]:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _over_quota() -> IO[bytes]:
    raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))


# Less than any buffer, less than is written at once, and more.
@pytest.mark.parametrize("size", [0, 100_000, 1_000_000])
@pytest.mark.parametrize("opened", [_full, _without_a_file, _over_quota])
async def test_a_full_disk_is_unavailable_and_counts_for_nobody(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch, opened: Callable[[], IO[bytes]], size: int
) -> None:
    person, context = await shelf.people.make(), shelf.running.node.context
    content = samples.mp4(size)
    with monkeypatch.context() as disk:
        disk.setattr(tempfile, "TemporaryFile", opened)
        status, answer = await shelf.put(person, content)
    assert (status, answer["code"]) == (503, "unavailable")
    assert answer["detail"] == "There is no room for uploads right now; try again later."
    assert context.spooling.taken == 0
    assert await shelf.counts() == NOTHING
    await shelf.uploaded(person, content)


async def test_a_disk_that_is_full_before_the_first_upload(
    shelf: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory for temporary files is the first that takes a few bytes: none does."""

    def _unwritable() -> list[str]:
        return ["/proc"]

    with monkeypatch.context() as disk:
        disk.setattr(tempfile, "tempdir", None)
        disk.setattr(tempfile, "_candidate_tempdir_list", _unwritable)
        status, answer = await shelf.put(await shelf.people.make(), samples.PDF)
    assert (status, answer["code"]) == (503, "unavailable")
    assert await shelf.counts() == NOTHING
    await shelf.uploaded(await shelf.people.make(), samples.PDF)
