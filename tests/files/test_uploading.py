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


async def test_an_animation_goes_on_moving(shelf: FileService) -> None:
    answer = await shelf.uploaded(await shelf.people.make(), samples.animation())
    _, body = await shelf.get(answer["url"])
    assert getattr(Image.open(io.BytesIO(body)), "n_frames", 1) == 4


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
    "a GIF that is a script": (b"GIF89a/*" + b"*/=1;alert(1)//" * 30, 415),
    "a PNG bomb": (samples.png_bomb(), 415),
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
