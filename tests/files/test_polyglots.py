"""Files that are two things at once, or say that they are something else."""

from __future__ import annotations

import io
import zipfile

import pytest

from tests.files import samples
from tests.files.service import NOTHING, FileService

SCRIPT = b"<script>alert(document.domain)</script>"


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("evil.class", b"\xca\xfe\xba\xbe evil")
    return out.getvalue()


IMAGES = {
    "a GIF that is also an archive": samples.animation() + archive(),
    "a JPEG with HTML behind it": samples.image() + b"<html>" + SCRIPT,
    "a JPEG with HTML in its comment": samples.image(comment=SCRIPT),
    "a PNG with an archive behind it": samples.image("PNG") + archive(),
    "a WebP with a program behind it": samples.image("WEBP") + b"\x7fELF evil",
}


@pytest.mark.parametrize("name", IMAGES)
async def test_of_an_image_only_the_image_is_left(shelf: FileService, name: str) -> None:
    answer = await shelf.uploaded(await shelf.people.make(), IMAGES[name], "picture.html")
    for url in (answer["url"], answer["thumbnailUrl"]):
        response, body = await shelf.get(url)
        assert not any(evil in body for evil in (b"script", b"<html", b"PK\x03\x04", b"evil"))
        assert response.content_type.startswith("image/")
        assert ".html" not in response.headers["Content-Disposition"]


@pytest.mark.parametrize(
    "content",
    [
        samples.PDF.replace(b"%%EOF", SCRIPT + b"\n%%EOF"),
        samples.PDF.replace(b"1 0 obj", b"%" + archive().replace(b"\n", b" ") + b"\n1 0 obj"),
    ],
    ids=["HTML", "archive"],
)
async def test_a_pdf_that_is_more_is_saved_as_a_pdf_and_run_nowhere(shelf: FileService, content: bytes) -> None:
    answer = await shelf.uploaded(await shelf.people.make(), content, "invoice.html")
    response, body = await shelf.get(answer["url"])
    assert (response.content_type, body) == ("application/pdf", content)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Content-Disposition"].startswith('attachment; filename="invoice.pdf"')
    assert "sandbox" in response.headers["Content-Security-Policy"]


REFUSED = {
    "HTML before a PDF": SCRIPT + samples.PDF,
    "a PDF with an archive behind it": samples.PDF + archive() + bytes(3000),
    "HTML in the place of boxes": samples.mp4() + SCRIPT,
    "a box list that is HTML": b"\0\0\0\x20ftyp<!--" + SCRIPT + samples.mp4(),
    "HEIC that says it is compatible with MP4": samples.box(b"ftyp", b"heic\0\0\0\0mp42isom") + samples.mp4()[32:],
    "AVIF": samples.box(b"ftyp", b"avif\0\0\0\0avifmif1"),
    "Matroska": samples.webm().replace(b"webm", b"mkv\0"),
    "a sound": samples.box(b"ftyp", b"M4A \0\0\0\0M4A ") + samples.box(b"moov") + samples.box(b"mdat", b"x"),
    "RIFF that is no WebP": b"RIFF\x24\0\0\0WAVEfmt " + bytes(100),
    "an SVG with an XML head": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
    "a PDF without a version": b"%PDF-x.y" + samples.PDF[8:],
    "a BMP": b"BM" + bytes(100),
    "a TIFF": b"II*\0" + bytes(100),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_pretends_is_refused(shelf: FileService, name: str) -> None:
    for declared in ("image/png", "application/pdf"):
        person = await shelf.people.make()
        status, answer = await shelf.put(person, REFUSED[name], "file.pdf", declared)
        assert (status, answer["code"]) == (415, "unsupported_media"), answer
    assert await shelf.counts() == NOTHING


async def test_neither_name_nor_declared_type_is_believed(shelf: FileService) -> None:
    status, answer = await shelf.put(await shelf.people.make(), samples.image("PNG"), "movie.mp4", "video/mp4")
    assert (status, answer["contentType"]) == (201, "image/png")
    response, _ = await shelf.get(answer["url"])
    assert 'filename="movie.png"' in response.headers["Content-Disposition"]
