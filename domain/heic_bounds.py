"""What a HEIC file would have its decoder do, counted by its boxes (ISO/IEC 14496-12 and 23008-12) beforehand.

Taken is what phones write: an image coded as a whole, or a grid of such tiles. The size that a file says its images
have is what the decoder holds them to, so it is what is counted. What can't be read here is not given to the decoder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.file_formats import Bytes
from domain.image_limits import MAX_PIXELS, TooMuch, require_few_pixels

# The decoder's own bound. A photo of 48 megapixels has some 200 tiles, and half as many of its depth and its light.
MAX_ITEMS = 1000
# A description of so many takes a tenth of it.
MAX_META_BYTES = 1_000_000
_MAX_BOXES = 1000
_MAX_EXTENTS = 10_000
# Rotations, crops and the like: each goes over all pixels.
_MAX_PROPERTIES = 32
# Tiles reach beyond the image, and transparency is coded as a second one.
_MAX_CODED_PIXELS = 2 * MAX_PIXELS["image/heic"]
# Exif and XMP are copied for each image that they are said to be of.
_MAX_METADATA_BYTES = 20_000_000
_CODED = frozenset({b"hvc1", b"hev1"})


def require_within_bounds(file: Bytes) -> None:
    """Waits for the disk. Raises ``TooMuch``, of too many pixels ``TooLarge``."""
    try:
        described = _described(file)
        _require_moderate(described, file)
    except (_Unreadable, IndexError):
        raise TooMuch("is damaged or incomplete") from None


class _Unreadable(Exception):
    """Not as the standard has it, or beyond the end."""


class _Reader:
    """Numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        if length > self.left:
            raise _Unreadable
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def boxes(self) -> Iterator[tuple[bytes, _Reader]]:
        while self.left:
            size, kind, head = self.number(4), self.take(4), 8
            if size == 1:
                size, head = self.number(8), 16
            elif size == 0:
                size = self.left + head
            if size < head:
                raise _Unreadable
            yield kind, _Reader(self.take(size - head))


@dataclass(slots=True)
class _Item:
    kind: bytes = b""
    # Of its content, and where its first part lies: in the file or in the description.
    size: int = 0
    start: int = 0
    in_meta: bool = False
    pixels: tuple[int, int] | None = None
    properties: int = 0


@dataclass(slots=True)
class _Described:
    items: dict[int, _Item] = field(default_factory=dict)
    primary: int = 0
    # Kind, from, to.
    references: list[tuple[bytes, int, list[int]]] = field(default_factory=list)
    idat: bytes = b""


def _described(file: Bytes) -> _Described:
    meta = _meta_of(file)
    meta.take(4)
    boxes: dict[bytes, _Reader] = {}
    for count, (kind, content) in enumerate(meta.boxes()):
        # Which of two a decoder would believe is not to be guessed at.
        if count == _MAX_BOXES or kind in boxes:
            raise _Unreadable
        boxes[kind] = content
    found = _Described()
    if not {b"pitm", b"iinf", b"iloc", b"iprp"} <= boxes.keys():
        raise _Unreadable
    version = boxes[b"pitm"].number(4) >> 24
    found.primary = boxes[b"pitm"].number(4 if version else 2)
    _read_kinds(boxes[b"iinf"], found)
    if b"idat" in boxes:
        found.idat = boxes[b"idat"].data
    _read_places(boxes[b"iloc"], found, file.size)
    _read_properties(boxes[b"iprp"], found)
    if b"iref" in boxes:
        _read_references(boxes[b"iref"], found)
    return found


def _meta_of(file: Bytes) -> _Reader:
    """The one description; what lies behind the boxes (phones append things) is nobody's business."""
    meta, at = None, 0
    for _ in range(_MAX_BOXES):
        head = file.part(at, 16)
        size, kind, skipped = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, skipped = int.from_bytes(head[8:16], "big"), 16
        elif size == 0:
            size = file.size - at
        if kind == b"moov":
            raise TooMuch("is a sequence of images; one alone is taken")
        if len(head) < 8 or size < skipped or at + size > file.size:
            break
        if kind == b"meta":
            if meta is not None:
                raise _Unreadable
            if size > MAX_META_BYTES:
                raise TooMuch(f"has a description of more than {MAX_META_BYTES:,} bytes")
            meta = _Reader(file.part(at + skipped, size - skipped))
        at += size
    if meta is None:
        raise _Unreadable
    return meta


def _read_kinds(box: _Reader, found: _Described) -> None:
    version = box.number(4) >> 24
    if box.number(4 if version else 2) > MAX_ITEMS:
        raise TooMuch(f"has more than {MAX_ITEMS:,} parts")
    for kind, entry in box.boxes():
        version = entry.number(4) >> 24
        if kind != b"infe" or version not in (2, 3) or len(found.items) == MAX_ITEMS:
            raise _Unreadable
        number = entry.number(2 if version == 2 else 4)
        entry.take(2)
        item = _Item(kind=entry.take(4))
        if number in found.items:
            raise _Unreadable
        found.items[number] = item
        # Of metadata: name, type and coding; what is compressed may unfold to anything.
        if item.kind == b"mime" and entry.take(entry.left).split(b"\0")[2:3] not in ([], [b""]):
            raise TooMuch("has compressed metadata")


def _read_places(box: _Reader, found: _Described, file_size: int) -> None:
    version = box.number(4) >> 24
    sizes, more = box.number(1), box.number(1)
    offset_bytes, length_bytes, base_bytes = sizes >> 4, sizes & 15, more >> 4
    index_bytes = more & 15 if version else 0
    extents, total = 0, 0
    for _ in range(box.number(4 if version == 2 else 2)):
        item = found.items.get(box.number(4 if version == 2 else 2), _Item())
        method = box.number(2) & 15 if version else 0
        if method > 1:
            raise _Unreadable
        box.take(2)
        base = box.number(base_bytes)
        item.in_meta = method == 1
        count = box.number(2)
        extents += count
        if extents > _MAX_EXTENTS:
            raise TooMuch(f"lies in more than {_MAX_EXTENTS:,} pieces")
        for number in range(count):
            box.take(index_bytes)
            start, length = base + box.number(offset_bytes), box.number(length_bytes)
            if start + length > (len(found.idat) if item.in_meta else file_size):
                raise _Unreadable
            if number == 0:
                item.start = start
            item.size += length
            total += length
    # Pieces that lie in the same place are copied each time.
    if total > max(2 * file_size, MAX_META_BYTES):
        raise TooMuch("has parts that lie in the same place")


def _read_properties(box: _Reader, found: _Described) -> None:
    sizes: list[tuple[int, int] | None] = [None]
    for kind, content in box.boxes():
        if kind == b"ipco":
            for name, each in content.boxes():
                each_size = None
                if name == b"ispe":
                    each.take(4)
                    each_size = each.number(4), each.number(4)
                sizes.append(each_size)
        elif kind == b"ipma":
            _read_associations(content, found, sizes)


def _read_associations(box: _Reader, found: _Described, sizes: list[tuple[int, int] | None]) -> None:
    head = box.number(4)
    for _ in range(box.number(4)):
        item = found.items.get(box.number(4 if head >> 24 else 2), _Item())
        for _ in range(box.number(1)):
            index = box.number(2) & 0x7FFF if head & 1 else box.number(1) & 0x7F
            item.properties += 1
            size = sizes[index]
            if size is not None and item.pixels is not None:
                raise _Unreadable
            item.pixels = size or item.pixels
        if item.properties > _MAX_PROPERTIES:
            raise TooMuch(f"has more than {_MAX_PROPERTIES} properties of a part")


def _read_references(box: _Reader, found: _Described) -> None:
    width = 4 if box.number(4) >> 24 else 2
    for kind, content in box.boxes():
        source = content.number(width)
        found.references.append((kind, source, [content.number(width) for _ in range(content.number(2))]))


def _require_moderate(found: _Described, file: Bytes) -> None:
    parts: dict[int, list[int]] = defaultdict(list)
    beside: dict[int, list[int]] = defaultdict(list)
    metadata = 0
    for kind, source, targets in found.references:
        if kind == b"dimg":
            parts[source] += targets
        elif kind == b"auxl":
            for target in targets:
                beside[target].append(source)
        elif kind == b"cdsc" and source in found.items:
            metadata += found.items[source].size * len(targets)
    if metadata > _MAX_METADATA_BYTES:
        raise TooMuch(f"has metadata of more than {_MAX_METADATA_BYTES // 1_000_000} MB")
    shown = found.items.get(found.primary)
    if shown is None:
        raise _Unreadable
    if shown.kind not in _CODED | {b"grid"}:
        raise TooMuch("is of a kind of HEIC that is not taken")
    coded = 0
    for number in (found.primary, *beside[found.primary]):
        coded += _coded_pixels(found, number, parts[number], file)
        for tile in parts[number]:
            coded += sum(_area(found.items.get(each)) for each in beside[tile])
    if coded > _MAX_CODED_PIXELS:
        raise TooMuch("has much more in it than it shows")


def _coded_pixels(found: _Described, number: int, tiles: list[int], file: Bytes) -> int:
    item = found.items.get(number)
    if item is None or item.pixels is None:
        raise _Unreadable
    sizes = [item.pixels]
    if item.kind == b"grid":
        sizes.append(_size_of_grid(found, item, len(tiles), file))
    for size in sizes:
        require_few_pixels("image/heic", size)
    if item.kind != b"grid":
        return _area(item)
    if not all(tile in found.items and found.items[tile].kind in _CODED for tile in tiles):
        raise TooMuch("is of a kind of HEIC that is not taken")
    return sum(_area(found.items[tile]) for tile in tiles)


def _area(item: _Item | None) -> int:
    if item is None or item.pixels is None:
        raise _Unreadable
    return item.pixels[0] * item.pixels[1]


def _size_of_grid(found: _Described, item: _Item, tiles: int, file: Bytes) -> tuple[int, int]:
    """ISO/IEC 23008-12, 6.6.2.3: version, flags, rows and columns less one, width and height."""
    length = min(item.size, 12)
    data = found.idat[item.start : item.start + length] if item.in_meta else file.part(item.start, length)
    content = _Reader(data)
    content.take(1)
    width = 4 if content.number(1) & 1 else 2
    if (content.number(1) + 1) * (content.number(1) + 1) != tiles:
        raise _Unreadable
    return content.number(width), content.number(width)
