"""What a file is by its bytes, whether it is whole, and what it may be called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.file_formats import is_whole, type_of
from domain.files import KINDS, MAX_NAME, display_name, url_expiry
from tests.files import samples

WHOLE = {
    "video/mp4": samples.mp4(),
    "video/quicktime": samples.mp4(brand=b"qt  "),
    "video/webm": samples.webm(),
    "application/pdf": samples.PDF,
}


class InMemory:
    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    def part(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]


@pytest.mark.parametrize("content_type", WHOLE)
def test_every_truncation_is_told(content_type: str) -> None:
    content = WHOLE[content_type]
    assert type_of(content) == content_type
    assert is_whole(content_type, InMemory(content))
    # What follows the last mark of a PDF is white space.
    most = len(content.rstrip())
    assert not any(is_whole(content_type, InMemory(content[:length])) for length in range(most))


@pytest.mark.parametrize("brand", [b"isom", b"iso2", b"iso5", b"iso6", b"mp42", b"avc1", b"M4V ", b"3gp5", b"dash"])
def test_what_phones_and_cameras_record_is_taken(brand: bytes) -> None:
    assert type_of(samples.mp4(brand=brand)) == "video/mp4"


@pytest.mark.parametrize("brand", [b"hevc", b"mif1", b"avif", b"M4A ", b"crx ", b"jp2 ", b"<htm", b"\0\0\0\0"])
def test_other_boxes_are_not(brand: bytes) -> None:
    assert type_of(samples.mp4(brand=brand)) is None


@pytest.mark.parametrize(
    ("brand", "compatible", "content_type"),
    [
        (b"heic", b"mif1heic", "image/heic"),
        (b"heix", b"mif1", "image/heic"),
        (b"mif1", b"mif1heic", "image/heic"),
        (b"mif1", b"mif1avif", None),
        (b"msf1", b"hevcheic", None),
        (b"avif", b"mif1heic", None),
        (b"isom", b"mif1heic", "video/mp4"),
    ],
)
def test_heic_is_known_by_its_brands(brand: bytes, compatible: bytes, content_type: str | None) -> None:
    assert type_of(samples.box(b"ftyp", brand + bytes(4) + compatible) + bytes(100)) == content_type


@given(st.binary(max_size=200), st.sampled_from(sorted(WHOLE)))
def test_no_bytes_are_too_strange(data: bytes, content_type: str) -> None:
    assert type_of(data) in {None, *KINDS}
    for tried in (data, WHOLE[content_type][:40] + data):
        assert is_whole(content_type, InMemory(tried)) in (True, False)


def test_boxes_without_end_are_given_up() -> None:
    endless = samples.mp4()[:32] + samples.box(b"free") * 200_000
    assert not is_whole("video/mp4", InMemory(endless))


@given(st.text(max_size=300) | st.none(), st.sampled_from(sorted(KINDS)))
def test_a_name_says_nothing_but_itself(name: str | None, content_type: str) -> None:
    shown = display_name(name, content_type)
    assert shown.isprintable()
    assert not set('/\\<>:"|?*;') & set(shown)
    assert not shown.startswith((".", " "))
    assert 4 <= len(shown) <= MAX_NAME + 5
    # It stays what it is, and is opened as what it is.
    assert display_name(shown, content_type) == shown
    assert type_ending(shown) == content_type


def type_ending(name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    return {
        "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "gif": "image/gif",
        "mp4": "video/mp4", "m4v": "video/mp4", "mov": "video/quicktime", "qt": "video/quicktime",
        "webm": "video/webm", "heic": "image/heic", "heif": "image/heic", "pdf": "application/pdf",
    }[ending]


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_a_url_is_good_for_a_day_and_the_same_for_an_hour(now: datetime) -> None:
    expiry = url_expiry(now)
    assert timedelta(hours=24) <= datetime.fromtimestamp(expiry, UTC) - now
    assert datetime.fromtimestamp(expiry, UTC) - now <= timedelta(hours=25)
    assert expiry % 3600 == 0
