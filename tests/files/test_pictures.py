"""Images are decoded and encoded anew, in a process that strangers' files may bring down."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms
from PIL.ImageFilter import GaussianBlur

from domain.errors import Code, DomainError
from handlers.ports import Pictures
from server.files import image_processes
from server.files.image_processes import PictureMaker
from tests.files import samples
from tests.files.samples import saved
from tests.files.service import Data, FileService
from tests.harness.freezing import freeze
from tests.harness.unread_errors import no_complaints


async def pictures(maker: PictureMaker, content: bytes) -> Pictures:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    async with maker.made("account", "network", len(content), chunks()) as made:
        return made


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


async def test_a_photo_of_several_views_is_a_photo(maker: PictureMaker) -> None:
    view = opened(samples.image()).convert("RGB")
    made = await pictures(maker, saved(view, "MPO", save_all=True, append_images=[view.rotate(90)]))
    assert (made.image.content_type, made.image.width, made.image.height) == ("image/jpeg", 640, 480)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("I;16", (64, 64), 40000), 156),
        (Image.new("1", (64, 64), 1), 255),
        (Image.new("LA", (64, 64), (100, 50)), (100, 100, 100, 50)),
        (Image.new("RGBA", (64, 64), (10, 20, 30, 40)), (10, 20, 30, 40)),
    ],
    ids=["16 bits", "1 bit", "grey with alpha", "alpha"],
)
async def test_pixels_stay_what_they_were(maker: PictureMaker, image: Image.Image, expected: Any) -> None:
    made = await pictures(maker, saved(image, "PNG"))
    assert opened(made.image.content).getpixel((5, 5)) == expected


async def test_print_colours_become_screen_colours(maker: PictureMaker) -> None:
    made = await pictures(maker, saved(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "JPEG"))
    image = opened(made.image.content)
    red, green, blue = image.getpixel((5, 5))  # type: ignore[misc]
    assert image.mode == "RGB"
    assert red > 200 > 60 > max(green, blue)


async def test_a_colour_profile_is_applied_and_gone(maker: PictureMaker) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (profile, b"nonsense" * 40):
        made = await pictures(maker, saved(opened(samples.image()), "JPEG", icc_profile=icc))
        assert "icc_profile" not in opened(made.image.content).info


BOMBS = {
    "a PNG of 50,000 x 50,000": samples.png_bomb(),
    "a PNG of 5,001 x 5,001": samples.png_bomb(5001),
    "a WebP of 16,383 x 16,383": samples.webp_bomb(),
    "a GIF frame beyond its canvas": samples.gif_frame_outside(),
    "a PNG with gigabytes of text": samples.png_with_a_text_bomb(),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_does_not_go_off(lone_maker: PictureMaker, name: str) -> None:
    # One before it, so that the process is there to be looked at.
    await pictures(lone_maker, samples.image(size=(8, 8)))
    pid = lone_maker.workers[0].pid
    with pytest.raises(DomainError) as refused:
        await pictures(lone_maker, BOMBS[name])
    assert refused.value.code is (Code.UNSUPPORTED_MEDIA if "text" in name else Code.PAYLOAD_TOO_LARGE)
    assert lone_maker.workers[0].pid == pid
    assert peak_megabytes(pid) < 300


def peak_megabytes(pid: int | None) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3


async def test_a_process_that_grew_large_is_ended(maker: PictureMaker) -> None:
    made = await pictures(maker, samples.image(size=(4000, 3000)))
    assert made.image.width == 4000
    assert maker.workers[0].pid is None


@pytest.mark.parametrize("kind", samples.ANIMATED)
@pytest.mark.parametrize("most", [{"frames": 10}, {"animated_pixels": 10 * 64 * 48}], ids=["frames", "pixels"])
async def test_an_endless_animation_is_given_up(monkeypatch: pytest.MonkeyPatch, kind: str, most: Data) -> None:
    """However its frames were counted before: here they are counted as they are decoded."""
    monkeypatch.setattr(image_processes, "_LIMITS", json.dumps({**json.loads(image_processes._LIMITS), **most}))
    maker = PictureMaker(1)
    with pytest.raises(DomainError) as refused:
        await pictures(maker, samples.animation(11, kind))
    assert refused.value.code is Code.PAYLOAD_TOO_LARGE
    assert "at most 1,000 frames of 50 megapixels (50,000,000 pixels) together" in refused.value.message
    made = await pictures(maker, samples.animation(10, kind))
    assert getattr(opened(made.image.content), "n_frames", 1) == 10
    await maker.stop()


@pytest.mark.parametrize("kind", samples.ANIMATED)
async def test_what_moves_is_seen_through_as_before(maker: PictureMaker, kind: str) -> None:
    """A spot that wanders over nothing leaves no traces, nor does what was written beside it."""
    frames = []
    for number in range(4):
        frame = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
        frame.paste((200, 10, 10, 255), (16 * number, 0, 16 * number + 16, 64))
        if kind == "WEBP":
            # Its encoder leaves out what is transparent, and then says that there is no transparency.
            frame.paste((10, 200, 10, 100), (0, 60, 64, 64))
        frames.append(frame)
    how = {"GIF": {"comment": b"secret"}, "PNG": {"icc_profile": b"secret" * 40}, "WEBP": {"xmp": b"secret"}}[kind]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    disposal = {} if kind == "WEBP" else {"disposal": 2 if kind == "GIF" else 1}
    sent = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=50, **how, **lossless, **disposal)
    assert spots(sent) == [[column == number for column in range(4)] for number in range(4)]
    made = await pictures(maker, sent)
    assert spots(made.image.content) == spots(sent)
    assert b"secret" not in made.image.content


def spots(content: bytes) -> list[list[bool]]:
    """Which quarters of each frame are not transparent."""
    image, found = opened(content), []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        alpha = image.convert("RGBA").getchannel("A")
        found.append([alpha.getpixel((16 * column + 8, 30)) > 128 for column in range(4)])  # type: ignore[operator]
    return found


async def test_a_process_that_dies_is_replaced(maker: PictureMaker) -> None:
    await pictures(maker, samples.image())
    first = maker.workers[0].pid
    assert first is not None

    async def chunks() -> AsyncIterator[bytes]:
        os.kill(first, signal.SIGKILL)
        yield samples.image()

    with pytest.raises(DomainError) as refused:
        async with maker.made("account", "network", len(samples.image()), chunks()):
            pass
    assert refused.value.code is Code.UNSUPPORTED_MEDIA
    await pictures(maker, samples.image())
    assert maker.workers[0].pid != first


async def test_what_a_killed_process_did_not_read_is_no_error_of_ours() -> None:
    """Some versions of asyncio report how its pipe broke, unless somebody asks."""
    maker = PictureMaker(1)
    await pictures(maker, samples.image())
    stopped = maker.workers[0].pid
    assert stopped is not None

    given = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        freeze(stopped)
        given.set()
        # More than a pipe holds: the task waits until it is read.
        yield bytes(1_000_000)

    with no_complaints():
        task = asyncio.create_task(made_of(maker, 1_000_000, chunks()))
        await given.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await maker.stop()
        del task, maker
        for _ in range(5):
            # Its transports are closed one after the other.
            await asyncio.sleep(0)
            gc.collect()


async def made_of(maker: PictureMaker, size: int, content: AsyncIterator[bytes]) -> None:
    async with maker.made("account", "network", size, content):
        pass


async def test_a_process_that_hangs_is_replaced() -> None:
    maker = PictureMaker(1)
    await pictures(maker, samples.image())
    hanging = maker.workers[0].pid
    assert hanging is not None
    freeze(hanging)
    # Only now: on a busy machine it takes a process longer to start.
    maker._timeout = 0.2
    with pytest.raises(DomainError) as refused:
        await pictures(maker, samples.image())
    # Nothing is known against the image.
    assert refused.value.code is Code.UNAVAILABLE
    assert not Path(f"/proc/{hanging}").exists()
    await maker.stop()


async def test_an_image_that_takes_its_time_is_ended_and_said_so() -> None:
    maker = PictureMaker(1, image_seconds=0.05)
    with pytest.raises(DomainError) as refused:
        await pictures(maker, samples.image(size=(4000, 3000)))
    assert refused.value.code is Code.UNSUPPORTED_MEDIA
    assert "takes more than 0.05 s" in refused.value.message
    assert maker.workers[0].pid is None
    await pictures(maker, samples.image(size=(8, 8)))
    await maker.stop()


async def test_a_detailed_png_is_made_in_time(maker: PictureMaker) -> None:
    """With all of zlib's effort it takes fifteen seconds."""
    noise = Image.frombytes("RGB", (2400, 1800), random.Random(1).randbytes(2400 * 1800 * 3)).filter(GaussianBlur(2))
    photo = Image.blend(opened(samples.image(size=(2400, 1800))).convert("RGB"), noise, 0.3)
    made = await pictures(maker, saved(photo, "PNG", compress_level=1))
    assert made.image.content_type == "image/png"


async def test_who_gives_up_leaves_no_process_busy(maker: PictureMaker) -> None:
    await pictures(maker, samples.image())
    busy = maker.workers[0].pid
    arrived = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        arrived.set()
        await asyncio.Event().wait()
        yield b""

    async def waits() -> None:
        async with maker.made("account", "network", 100, chunks()):
            pass

    task = asyncio.create_task(waits())
    await arrived.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not Path(f"/proc/{busy}").exists()
    await pictures(maker, samples.image())


async def test_the_process_has_nothing_of_ours(shelf_alone: FileService) -> None:
    """No descriptor, no environment, no controlling signals of the server's group; gone with the node."""
    assert all(worker.pid is None for worker in shelf_alone.running.node.pictures.workers)
    await shelf_alone.uploaded(await shelf_alone.people.make(), samples.image())
    (pid,) = [worker.pid for worker in shelf_alone.running.node.pictures.workers if worker.pid is not None]
    assert sorted(entry.name for entry in Path(f"/proc/{pid}/fd").iterdir()) == ["0", "1", "2"]
    assert b"JWT_SECRET" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert os.getpgid(pid) != os.getpgid(0)
    await shelf_alone.running.node.pictures.stop()
    assert not Path(f"/proc/{pid}").exists()


async def test_the_process_closes_what_it_inherits() -> None:
    """Asyncio's own loop gives it nothing; uvloop, on which a server runs, whatever is inheritable."""
    ends = os.pipe()
    try:
        command = (sys.executable, "-I", str(image_processes._PROGRAM), "1.0", image_processes._LIMITS)
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, pass_fds=ends)
        assert process.stdout is not None
        try:
            assert await process.stdout.readexactly(1) == b"+"
            assert sorted(entry.name for entry in Path(f"/proc/{process.pid}/fd").iterdir()) == ["0", "1", "2"]
        finally:
            process.kill()
            await process.wait()
    finally:
        for end in ends:
            os.close(end)
