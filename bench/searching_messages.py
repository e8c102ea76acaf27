"""``message:search`` in a long history: ``python -m bench.searching_messages``.

One user's messages in many conversations, in sentences of twenty scripts. Each question is paged, to the end unless
what it finds is common, and compared with a plain look at all texts. By the store's own calls, beside an embedded
mongod.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bson import ObjectId

from domain.messages import MessageRecord
from domain.text import spelling
from server import embedded
from store.database import Database
from store.log.documents import MESSAGES, message_document
from store.log.search import MessageSearch
from store.store import Store

WORDS = {
    "Latin": "training café naïve Don\u2019t straße łódź tomorrow leg day über the and with session",
    "Greek": "αύριο προπόνηση γυμναστήριο Πόδια Ημέρα και",
    "Cyrillic": "завтра тренировка Ёлка приседания и ноги",
    "Armenian": "վաղը մարզում ոտքեր", "Hebrew": "מחר אימון שָׁלוֹם", "Arabic": "غدا تدريب مُحَمَّد أحمد",
    "Devanagari": "कल प्रशिक्षण योग कि की", "Bengali": "আগামীকাল প্রশিক্ষণ",
    "Gurmukhi": "ਕੱਲ੍ਹ ਸਿਖਲਾਈ", "Gujarati": "કાલે તાલીમ",
    "Tamil": "நாளை பயிற்சி", "Telugu": "రేపు శిక్షణ", "Kannada": "ನಾಳೆ ತರಬೇತಿ", "Malayalam": "നാളെ പരിശീലനം",
    "Sinhala": "හෙට පුහුණුව", "Thai": "พรุ่งนี้ฝึกซ้อม กิน", "Georgian": "ხვალ ვარჯიში", "Hangul": "내일 운동 하체 한국",
    "Kana": "あした トレーニング がくせい ｶﾞｸ", "Han": "明天训练 東京體育館",
}  # fmt: skip
RARE = "Zwölffingerdarm"
BATCH = 2_000
# Of what is common some pages are read.
ENOUGH = 400


def sentence(chance: random.Random) -> str:
    script = chance.choice(list(WORDS)) if chance.random() < 0.5 else "Latin"
    return " ".join(chance.choices(WORDS[script].split(), k=chance.randint(1, 24)))


def texts(chance: random.Random, count: int) -> Iterator[str]:
    for number in range(count):
        yield f"{RARE} {number}" if number in (count // 50, count - 10) else sentence(chance)


async def fill(database: Database, ids: Sequence[str], chance: random.Random, count: int) -> list[tuple[str, str, str]]:
    """What was said, oldest first: message, conversation, text. Few conversations have most of it."""
    said: list[tuple[str, str, str]] = []
    heads: dict[str, int] = {}
    sender, begin = str(ObjectId()), datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=count)
    weights = [1 / (rank + 1) for rank in range(len(ids))]
    for number, text in enumerate(texts(chance, count)):
        conversation = chance.choices(ids, weights)[0] if number >= len(ids) else ids[number]
        at = begin + timedelta(minutes=number)
        key = ObjectId(ObjectId.from_datetime(at).binary[:4] + ObjectId().binary[4:])
        heads[conversation] = heads.get(conversation, 0) + 1
        said.append((str(key), conversation, text))
        if len(said) % BATCH and number < count - 1:
            continue
        await database.collection(MESSAGES).insert_many(
            [_document(*one, sender) for one in said[-(len(said) % BATCH or BATCH) :]]
        )
    return said


_seqs: dict[str, int] = {}


def _document(key: str, conversation: str, text: str, sender: str) -> dict[str, Any]:
    _seqs[conversation] = _seqs.get(conversation, 0) + 1
    at = ObjectId(key).generation_time
    record = MessageRecord(
        id=key, conversation_id=conversation, sender_id=sender, client_message_id=key, text=text, created_at=at,
        updated_at=at,
    )  # fmt: skip
    return message_document(record) | {"seq": _seqs[conversation]}


def questions(said: Sequence[tuple[str, str, str]], chance: random.Random, count: int) -> Iterator[str]:
    yield from (RARE, "zwolffinger", "no such words", "e", "DON'T", "cafe", "体", "ガク", "कि", "кл", "하체", "กิน")
    for _ in range(count):
        text = chance.choice(said)[2]
        start = chance.randrange(len(text))
        yield text[start : start + chance.randint(1, 40)]


async def ask(
    search: MessageSearch, ids: Sequence[str], question: str, limit: int, enough: int = 10**9
) -> tuple[list[str], list[float]]:
    """What was found, to the end or until it is enough, and the milliseconds of each call."""
    found: list[str] = []
    took: list[float] = []
    cursor: str | None = None
    while True:
        begun = time.perf_counter()
        page = await search.page(ids, question, cursor, limit)
        took.append((time.perf_counter() - begun) * 1000)
        found += [record.id for record in page.records]
        cursor = page.rest
        if cursor is None or len(found) >= enough:
            return found, took


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--conversations", type=int, default=200)
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    chance = random.Random(chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        async with embedded.servers(Path(folder), redis=False) as urls:
            assert urls.mongo_url is not None
            database = Database(urls.mongo_url)
            store = Store(database)
            await store.prepare()
            ids = [str(ObjectId()) for _ in range(chosen.conversations)]
            begun = time.perf_counter()
            said = await fill(database, ids, chance, chosen.messages)
            print(f"{len(said)} messages in {len(ids)} conversations, filled in {time.perf_counter() - begun:.0f} s")
            spelled = [(key, spelling(text)) for key, _, text in reversed(said)]
            times: list[float] = []
            for question in questions(said, chance, chosen.questions):
                wanted = spelling(question)
                expected = [key for key, text in spelled if wanted and wanted in text]
                found, took = await ask(store.log.search, ids, question, chosen.limit, ENOUGH)
                times += took
                state = "right" if found == expected[: len(found)] else "WRONG"
                state += f" of {len(expected)}"
                print(
                    f"{len(took):4d} calls, median {statistics.median(took):6.1f} ms, slowest {max(took):6.1f} ms, "
                    f"{len(found):6d} {state}   {question[:30]!r}"
                )
            p95 = statistics.quantiles(times, n=20)[18]
            median, most = statistics.median(times), max(times)
            print(f"{len(times)} calls: median {median:.1f} ms, p95 {p95:.1f} ms, slowest {most:.1f} ms")
            stats = await database.db.command("collStats", MESSAGES)
            print(f"texts {stats['size'] >> 20} MB, index 'saying' {stats['indexSizes']['saying'] >> 20} MB")
            database.close()


if __name__ == "__main__":
    asyncio.run(main())
