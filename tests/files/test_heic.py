"""HEIC, as iPhones send it: taken, stored as JPEG; what hostile files ask for is counted before a decoder sees them."""

from __future__ import annotations

import asyncio
import io
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from domain.errors import Code, DomainError
from domain.heic_bounds import MAX_ITEMS, MAX_META_BYTES
from server.files.image_processes import IMAGE_SECONDS, PictureMaker, PictureWorker
from tests.files import heic, samples
from tests.files.heic import Item, full, ispe
from tests.files.service import NOTHING, FileService


def quarters() -> Image.Image:
    """Each quarter of a colour of its own, so that turned and mirrored ones differ."""
    image = Image.new("RGB", (128, 96), "red")
    for place, colour in (((64, 0), "green"), ((0, 48), "blue"), ((64, 48), "white")):
        image.paste(colour, (*place, place[0] + 64, place[1] + 48))
    return image


def colours(image: Image.Image) -> list[tuple[int, ...]]:
    """Of the quarters, roughly."""
    rgb = image.convert("RGB")
    spots = [(rgb.width * x // 4, rgb.height * y // 4) for x in (1, 3) for y in (1, 3)]
    return [tuple(round(value / 64) for value in rgb.getpixel(spot)) for spot in spots]  # type: ignore[union-attr]


async def fetched(shelf: FileService, url: str) -> Image.Image:
    _, body = await shelf.get(url)
    return Image.open(io.BytesIO(body))


@pytest.mark.parametrize(("brand", "compatible"), [(b"heic", b"mif1heic"), (b"mif1", b"mif1heic"), (b"heix", b"mif1")])
async def test_a_photo_of_a_phone_is_stored_as_jpeg(shelf: FileService, brand: bytes, compatible: bytes) -> None:
    whole = heic.grid((900, 600))
    photo = whole[:8] + brand + whole[12:16] + compatible.ljust(8, b"\0") + whole[24:]
    answer = await shelf.uploaded(await shelf.people.make(), photo, "IMG_0001.HEIC")
    assert (answer["contentType"], answer["width"], answer["height"]) == ("image/jpeg", 900, 600)
    response, body = await shelf.get(answer["url"])
    assert (response.content_type, len(body)) == ("image/jpeg", answer["size"])
    assert 'filename="IMG_0001.jpg"' in response.headers["Content-Disposition"]
    image, small = await fetched(shelf, answer["url"]), await fetched(shelf, answer["thumbnailUrl"])
    assert (image.format, image.size, small.format, small.size) == ("JPEG", (900, 600), "JPEG", (320, 213))


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_it_stands_as_a_jpeg_would(shelf: FileService, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Secret Camera"
    person = await shelf.people.make()
    out = io.BytesIO()
    quarters().save(out, "JPEG", exif=exif)
    expected = await shelf.uploaded(person, out.getvalue())
    photo = heic.encoded(quarters(), exif=exif.tobytes(), xmp=b"<x:secret/>")
    assert b"Secret Camera" in photo
    answer = await shelf.uploaded(person, photo)
    assert (answer["width"], answer["height"]) == (expected["width"], expected["height"])
    for name in ("url", "thumbnailUrl"):
        _, body = await shelf.get(answer[name])
        assert b"ecret" not in body
        image = Image.open(io.BytesIO(body))
        assert not image.getexif()
        assert colours(image) == colours(await fetched(shelf, expected[name]))


async def test_its_colour_profile_is_applied_and_gone(shelf: FileService) -> None:
    photo = heic.encoded(Image.new("RGB", (64, 64), "red"), icc_profile=heic.profile_of_another_red())
    image = await fetched(shelf, (await shelf.uploaded(await shelf.people.make(), photo))["url"])
    assert "icc_profile" not in image.info
    red, _, blue = image.getpixel((5, 5))  # type: ignore[misc]
    assert blue > 200 > 60 > red


async def test_what_shines_through_is_white(shelf: FileService) -> None:
    photo = heic.encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 0)))
    image = await fetched(shelf, (await shelf.uploaded(await shelf.people.make(), photo))["url"])
    assert min(image.getpixel((5, 5))) > 250  # type: ignore[arg-type]


async def made(maker: PictureMaker, content: bytes) -> int:
    """Its width, by the process alone."""

    async def chunks() -> AsyncIterator[bytes]:
        yield content

    async with maker.made("account", "network", len(content), chunks()) as pictures:
        return pictures.image.width


@pytest.mark.verify
async def test_the_largest_photo_has_room() -> None:
    """Of 48 megapixels, with a colour profile to be applied; with threads the decoder reserves half a gigabyte more."""
    photo = heic.grid((8064, 6048), properties=(samples.box(b"colr", b"prof" + heic.profile_of_another_red()),))
    worker = PictureWorker(3 * IMAGE_SECONDS)

    async def chunks() -> AsyncIterator[bytes]:
        yield photo

    try:
        pictures = await worker.make(len(photo), chunks())
        assert pictures.image.width == 8064
    finally:
        await worker.end()


async def test_the_kernel_counts_its_decoder_s_threads(maker: PictureMaker) -> None:
    await made(maker, heic.grid((64, 64), 64))
    pid, threads = maker.workers[0].pid, set[int]()
    working = asyncio.create_task(made(maker, heic.grid((2048, 2048))))
    while not working.done():
        threads.add(len(list(Path(f"/proc/{pid}/task").iterdir())))
        await asyncio.sleep(0.005)
    assert await working == 2048
    # One of the codec's; of several images at once there is none.
    assert max(threads) <= 2
    hurried = PictureMaker(1, image_seconds=0.05)
    with pytest.raises(DomainError) as refused:
        await made(hurried, heic.grid((4096, 4096)))
    assert "takes more than 0.05 s" in refused.value.message
    await hurried.stop()


def coded(*properties: bytes, **how: object) -> Item:
    configuration, data = heic.tile(64)
    return Item(b"hvc1", data, (configuration, *properties), **how)  # type: ignore[arg-type]


SOUND = heic.grid((200, 100), 64)
TILE = coded(ispe(64, 64))
HUGE = ispe(40_000, 40_000)
ENORMOUS = ispe(0xFFFFFFFF, 0xFFFFFFFF)
UNIT = struct.pack(">BBBBHH", 0, 0, 0, 0, 64, 64)

TOO_LARGE = {
    "an image that says it is huge": (heic.container([coded(HUGE)]), "40,000 x 40,000"),
    "one that says it is larger than numbers": (heic.container([coded(ENORMOUS)]), "4,294,967,295"),
    "a grid that says it is huge": (heic.grid((200, 100), 64, said=(40_000, 2_000)), "40,000 x 2,000"),
    "a grid that is huge and says it is small": (heic.grid((40_000, 2_000), 64, said=(64, 64), shape=(4, 2)), "40,000"),
}
UNSUPPORTED = {
    "tiles beyond what is shown": (
        heic.container(
            [
                Item(b"grid", struct.pack(">BBBBHH", 0, 0, 1, 1, 64, 64), (ispe(64, 64),), [(b"dimg", (2, 2, 2, 2))]),
                coded(ispe(6000, 6000)),
            ]
        ),
        "much more in it than it shows",
    ),
    "many items": (heic.container([TILE] * (MAX_ITEMS + 1)), "more than 1,000 parts"),
    "a grid of grids": (
        heic.container(
            [
                Item(b"grid", UNIT, (ispe(64, 64),), [(b"dimg", (2,))]),
                Item(b"grid", UNIT, (ispe(64, 64),), [(b"dimg", (3,))]),
                TILE,
            ]
        ),
        "of a kind of HEIC",
    ),
    "a grid of itself": (
        heic.container([Item(b"grid", UNIT, (ispe(64, 64),), [(b"dimg", (1,))])]),
        "of a kind of HEIC",
    ),
    "an overlay": (heic.container([Item(b"iovl", bytes(20), (ispe(64, 64),), [(b"dimg", (2,))]), TILE]), "of a kind"),
    "a transparency that is huge": (
        heic.container([TILE, *[coded(ispe(7000, 7000), references=[(b"auxl", (1,))])] * 3]),
        "much more in it",
    ),
    "parts in one place": (
        heic.container([TILE, *[Item(b"Exif", SOUND * 100)] * 100]),
        "lie in the same place",
    ),
    "metadata of many": (
        heic.container([Item(b"hvc1", TILE.content, TILE.properties, hidden=True)] * 200 + [
            Item(b"Exif", bytes(200_000), references=[(b"cdsc", range(1, 201))])
        ]),
        "metadata of more than 20 MB",
    ),
    "compressed metadata": (
        heic.container([TILE, Item(b"mime", b"x", strings=b"application/rdf+xml\0deflate\0")]),
        "compressed metadata",
    ),
    "turned for ever": (
        heic.container([coded(ispe(64, 64), *[samples.box(b"irot", bytes([n % 4, n])) for n in range(40)])]),
        "more than 32 properties",
    ),
    "a long description": (
        heic.container([TILE])[:24]
        + full(b"meta", samples.box(b"free", bytes(MAX_META_BYTES)))
        + heic.container([TILE])[24:],
        "description of more than",
    ),
    "a sequence": (SOUND + samples.box(b"moov", bytes(20)), "sequence"),
    "two descriptions": (SOUND[:24] + heic.part_of(SOUND, b"meta") + SOUND[24:], "damaged"),
    "no size": (heic.container([coded()]), "damaged"),
    "two sizes": (heic.container([coded(ispe(64, 64), ispe(32, 32))]), "damaged"),
    "truncated": (SOUND[:-100], "damaged"),
    "truncated in its description": (SOUND[:300], "damaged"),
    "nothing but a head": (SOUND[:24], "damaged"),
    "a tile that is missing": (heic.grid((200, 100), 64, shape=(1, 1)), "damaged"),
}


@pytest.mark.parametrize("name", [*TOO_LARGE, *UNSUPPORTED])
async def test_a_hostile_file_is_refused_before_a_decoder_sees_it(
    shelf: FileService, decoded: list[int], name: str
) -> None:
    content, why = {**TOO_LARGE, **UNSUPPORTED}[name]
    status, answer = await shelf.put(await shelf.people.make(), content, "IMG.HEIC", "image/heic")
    expected = (413, "payload_too_large") if name in TOO_LARGE else (415, "unsupported_media")
    assert (status, answer["code"]) == expected, answer
    assert why in answer["detail"]
    if name in TOO_LARGE:
        assert answer["errors"] == [
            {"field": "file", "message": "at most 50 megapixels (50,000,000 pixels) are taken as HEIC"}
        ]
    if name != "a tile that is missing":
        assert decoded == []
    assert await shelf.counts() == NOTHING


LYING = {
    "coded larger than it says": heic.container([Item(b"hvc1", heic.tile()[1], (heic.tile()[0], ispe(64, 64)))]),
    "coded smaller than it says": heic.container([coded(ispe(7000, 7000))]),
    "nonsense in the place of its code": heic.container([Item(b"hvc1", bytes(5000), TILE.properties)]),
    "no configuration": heic.container([Item(b"hvc1", TILE.content, (ispe(64, 64),))]),
}


@pytest.mark.parametrize("name", LYING)
async def test_who_lies_about_what_is_coded_gets_nowhere(lone_maker: PictureMaker, name: str) -> None:
    await made(lone_maker, samples.image(size=(8, 8)))
    pid = lone_maker.workers[0].pid
    with pytest.raises(DomainError) as refused:
        await made(lone_maker, LYING[name])
    assert refused.value.code is Code.UNSUPPORTED_MEDIA
    # Nor does it bring the process down, or make it grow.
    assert lone_maker.workers[0].pid == pid
    assert lone_maker.workers[0].seconds < 1
