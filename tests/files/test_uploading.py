"""What goes in, what comes out, and what is refused without a trace."""

from __future__ import annotations

import io

import aiohttp
import pytest
from PIL import Image

from tests.files import samples
from tests.files.service import NOTHING, FileService


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
async def test_an_image_comes_back_with_a_thumbnail(shelf: FileService, kind: str) -> None:
    person = await shelf.people.make()
    answer = await shelf.uploaded(person, samples.image(kind), "holiday.jpg")
    assert answer["contentType"] == f"image/{kind.lower()}"
    assert (answer["width"], answer["height"]) == (640, 480)
    response, body = await shelf.get(answer["url"])
    assert (response.status, response.content_type, len(body)) == (200, answer["contentType"], answer["size"])
    assert Image.open(io.BytesIO(body)).size == (640, 480)
    small, body = await shelf.get(answer["thumbnailUrl"])
    assert small.status == 200
    assert Image.open(io.BytesIO(body)).size == (320, 240)


async def test_metadata_is_gone_and_the_picture_stands_upright(shelf: FileService) -> None:
    content = samples.photo_with_metadata()
    assert b"Secret Camera" in content
    answer = await shelf.uploaded(await shelf.people.make(), content)
    assert (answer["width"], answer["height"]) == (480, 640)
    for path in (answer["url"], answer["thumbnailUrl"]):
        _, body = await shelf.get(path)
        picture = Image.open(io.BytesIO(body))
        assert not picture.getexif()
        assert b"ecret" not in body


@pytest.mark.parametrize("kind", samples.ANIMATED)
@pytest.mark.parametrize("loop", [0, 3])
async def test_an_animation_goes_on_moving(shelf: FileService, kind: str, loop: int) -> None:
    sent = samples.animation(kind=kind, loop=loop, duration=[50, 100, 150, 200])
    answer = await shelf.uploaded(await shelf.people.make(), sent)
    assert (answer["contentType"], answer["width"], answer["height"]) == (f"image/{kind.lower()}", 64, 48)
    _, body = await shelf.get(answer["url"])
    assert frames_of(body) == frames_of(sent)
    assert Image.open(io.BytesIO(body)).info["loop"] == loop
    _, small = await shelf.get(answer["thumbnailUrl"])
    thumbnail = Image.open(io.BytesIO(small))
    # The first frame, and no other.
    assert (getattr(thumbnail, "n_frames", 1), thumbnail.size) == (1, (64, 48))
    assert max(thumbnail.convert("RGB").getpixel((5, 5))) < 20  # type: ignore[arg-type]


def frames_of(content: bytes) -> list[tuple[int, int]]:
    """Of each: how red it is, roughly, and how long it is shown, in milliseconds."""
    image, found = Image.open(io.BytesIO(content)), []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        # Of a WebP, the duration is known once it is decoded.
        red = image.convert("RGB").getpixel((5, 5))[0]  # type: ignore[index]
        found.append((round(red / 30), int(image.info["duration"])))
    return found


async def test_the_still_of_an_animation_is_none_of_its_frames(shelf: FileService) -> None:
    """Of an APNG, for those that can't show it move."""
    sent = samples.animation(5, "PNG", default_image=True)
    answer = await shelf.uploaded(await shelf.people.make(), sent)
    _, body = await shelf.get(answer["url"])
    assert [red for red, _ in frames_of(body)] == [2, 4, 6, 8]
    _, small = await shelf.get(answer["thumbnailUrl"])
    assert Image.open(io.BytesIO(small)).convert("RGB").getpixel((5, 5)) == pytest.approx((60, 10, 10), abs=4)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
async def test_an_animation_stands_upright(shelf: FileService, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Secret Camera"
    answer = await shelf.uploaded(await shelf.people.make(), samples.animation(kind=kind, exif=exif))
    assert (answer["width"], answer["height"]) == (48, 64)
    _, body = await shelf.get(answer["url"])
    image = Image.open(io.BytesIO(body))
    assert (image.size, getattr(image, "n_frames", 1)) == ((48, 64), 4)
    assert b"ecret" not in body


TOO_LARGE = {
    "a PNG of too many pixels": (
        samples.png_bomb(5001),
        "The image has 5,001 x 5,001 pixels; at most 25 megapixels (25,000,000 pixels) are taken as PNG.",
    ),
    "an animation of too many frames": (
        samples.gif_of(1001, 8, 8),
        "The image has more than 1,000 frames; "
        "at most 1,000 frames of 50 megapixels (50,000,000 pixels) together are taken.",
    ),
    "an animation of too many pixels": (
        samples.gif_of(103, 700, 700),
        "The image has 103 frames of 700 x 700 pixels; "
        "at most 1,000 frames of 50 megapixels (50,000,000 pixels) together are taken.",
    ),
    "too many bytes": (
        samples.image()[:-2] + bytes(10_000_001),
        "A file of this kind has at most 10 MB (10,000,000 bytes).",
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_is_too_large_is_told_the_limit(shelf: FileService, decoded: list[int], name: str) -> None:
    content, detail = TOO_LARGE[name]
    status, answer = await shelf.put(await shelf.people.make(), content)
    assert (status, answer["code"], answer["detail"]) == (413, "payload_too_large", detail)
    (error,) = answer["errors"]
    assert error["field"] == "file"
    assert "at most" in error["message"]
    # It costs no decoder anything.
    assert decoded == []
    assert await shelf.counts() == NOTHING


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (samples.mp4(700_000), "video/mp4"),
        (samples.mp4(brand=b"qt  "), "video/quicktime"),
        (samples.webm(), "video/webm"),
        (samples.PDF, "application/pdf"),
    ],
)
async def test_videos_and_pdfs_come_back_as_they_were(shelf: FileService, content: bytes, content_type: str) -> None:
    answer = await shelf.uploaded(await shelf.people.make(), content)
    assert (answer["contentType"], answer["size"]) == (content_type, len(content))
    assert "width" not in answer
    response, body = await shelf.get(answer["url"])
    assert (response.status, body) == (200, content)
    disposition = response.headers["Content-Disposition"]
    assert disposition.startswith("attachment" if content_type == "application/pdf" else "inline")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


CORPUS = {
    "html": (b"<!DOCTYPE html><script>alert(1)</script>", 415),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", 415),
    "text": (b"hello", 415),
    "zip": (b"PK\x03\x04" + bytes(100), 415),
    "program": (b"\x7fELF" + bytes(100), 415),
    "empty": (b"", 422),
    "a PDF that begins later": (b"x" * 100 + samples.PDF, 415),
    "a truncated PDF": (samples.PDF[:-10], 415),
    "a truncated JPEG": (samples.image()[:5000], 415),
    "a truncated PNG": (samples.image("PNG")[:-5000], 415),
    "a truncated MP4": (samples.mp4(5000)[:-1], 415),
    "an MP4 with a tail": (samples.mp4() + b"<html>", 415),
    "an MP4 without a description": (samples.box(b"ftyp", b"isom\0\0\2\0isom") + samples.box(b"mdat", b"x" * 50), 415),
    "a truncated WebM": (samples.webm()[:-3], 415),
    "a JPEG's head on HTML": (b"\xff\xd8\xff\xe0<html><script>", 415),
    # Its size is what it says first.
    "a GIF that is a script": (b"GIF89a/*" + b"*/=1;alert(1)//" * 30, 413),
    "a PNG bomb": (samples.png_bomb(), 413),
    "too large an image": (samples.image()[:-2] + bytes(10_000_001), 413),
    "too large a PDF": (b"%PDF-1.4\n" + bytes(20_000_001), 413),
}


@pytest.mark.parametrize("name", CORPUS)
async def test_what_is_refused_leaves_nothing(shelf: FileService, name: str) -> None:
    content, status = CORPUS[name]
    person = await shelf.people.make()
    answered, answer = await shelf.put(person, content, "photo.jpg", "image/jpeg")
    assert answered == status, answer
    assert answer["code"] == {413: "payload_too_large", 415: "unsupported_media", 422: "validation_failed"}[status]
    assert await shelf.counts() == NOTHING


async def test_a_tail_behind_an_image_does_not_survive(shelf: FileService) -> None:
    content = samples.image() + b"<script>alert(1)</script>PK\x03\x04"
    answer = await shelf.uploaded(await shelf.people.make(), content)
    _, body = await shelf.get(answer["url"])
    assert b"script" not in body


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "C:\\a\\b.ini", 'a"b\r\nX-Evil: 1.pdf', "ü" * 300 + ".pdf", "", ".", "a;b=c"],
)
async def test_a_name_is_only_a_name(shelf: FileService, name: str) -> None:
    person = await shelf.people.make()
    raw = named(name.replace("\r", "").replace("\n", "").replace('"', "%22").encode())
    status, answer = await shelf.post(person, raw, **{"Content-Type": "multipart/form-data; boundary=xx"})
    assert status == 201, answer
    response, _ = await shelf.get(answer["url"])
    disposition = response.headers["Content-Disposition"]
    assert response.content_type == "application/pdf"
    assert not set("/\\") & set(disposition)
    assert "X-Evil" not in response.headers


def named(name: bytes) -> bytes:
    """The body of a form with a PDF of that name."""
    head = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
    return head + b"Content-Type: text/html\r\n\r\n" + samples.PDF + b"\r\n--xx--\r\n"


async def test_the_form_has_to_be_one_whole_file(shelf: FileService) -> None:
    person = await shelf.people.make()
    two = aiohttp.FormData()
    two.add_field("file", samples.PDF, filename="a")
    two.add_field("file", samples.PDF, filename="b")
    assert (await shelf.post(person, two))[0] == 422
    assert (await shelf.put(person, samples.PDF, field="other"))[0] == 422
    multipart = {"Content-Type": "multipart/form-data; boundary=xx"}
    for body, headers, status in (
        (named(b"a\x00.pdf"), multipart, 400),
        (samples.PDF, {"Content-Type": "application/pdf"}, 415),
        (b"", multipart, 400),
        (b"--xx--\r\n", multipart, 422),
        (b"garbage", multipart, 400),
        (b"--xx\r\n", multipart, 422),
        (b'--xx\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + samples.PDF, multipart, 400),
        (samples.PDF, {"Content-Type": "multipart/form-data"}, 400),
    ):
        answered, answer = await shelf.post(person, body, **headers)
        assert answered == status, (body, answer)
    assert await shelf.counts() == NOTHING
