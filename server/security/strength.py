"""How soon a password would be guessed, by zxcvbn, within a bounded time.

The library tries every spelling that characters which stand for letters (``4`` for ``a``) allow: their number is the
product over the letters, and thirty characters take seconds. What allows too many is looked at without its marks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from math import prod

from zxcvbn import zxcvbn
from zxcvbn.matching import L33T_TABLE

# zxcvbn's scale of 0 to 4; below it lies what is guessed within a million tries.
LEAST_SCORE = 2
# Its work grows faster than the text: 16 characters of the worst kind that a search found take 10 ms of a core.
LOOKED_AT = 16
MOST_SPELLINGS = 8
_MOST_OWN_WORDS = 24
_STANDS_FOR_NOTHING = "~"
_MARKS = frozenset(mark for marks in L33T_TABLE.values() for mark in marks if not mark.isalnum())


def weakness(password: str, own: Iterable[str] = ()) -> str | None:
    """Why a password is among the first that are guessed, in words for people; None when it is not.

    ``own``: what is known of its owner (address, name), which is guessed before anything else.
    """
    text = unicodedata.normalize("NFKC", password)
    known = own_words(own)
    found = _estimated(text[:LOOKED_AT], known)
    if found is not None and len(text) > LOOKED_AT:
        # A long one is as good as the better of its ends.
        return found if _estimated(text[-LOOKED_AT:], known) is not None else None
    return found


def _estimated(text: str, known: list[str]) -> str | None:
    if spellings(text) > MOST_SPELLINGS:
        text = "".join(_STANDS_FOR_NOTHING if one in _MARKS else one for one in text)
    result = zxcvbn(text, user_inputs=known)
    if result["score"] >= LEAST_SCORE:
        return None
    why = result["feedback"]["warning"] or "It is short for how predictable it is."
    return f"is among the passwords that are guessed first. {why} Several uncommon words are better."


def spellings(text: str) -> int:
    """How many ways there are to read the characters that stand for letters."""
    return prod(max(1, sum(mark in text for mark in marks)) for marks in L33T_TABLE.values())


def own_words(own: Iterable[str]) -> list[str]:
    """The texts, and the words of which they consist."""
    words: dict[str, None] = {}
    for text in own:
        folded = unicodedata.normalize("NFKC", text).casefold()
        parts = "".join(one if one.isalnum() else " " for one in folded).split()
        for word in (folded, folded.partition("@")[0], "".join(parts), *parts):
            if len(word) > 2:
                words |= {word[:LOOKED_AT]: None, word[-LOOKED_AT:]: None}
    return list(words)[:_MOST_OWN_WORDS]
