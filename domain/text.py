"""Text as search compares it: without case, accents and punctuation."""

from __future__ import annotations

import unicodedata

# What people type for letters that have no decomposition.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc`")
# Longer words differ by their first letters only.
LONGEST = 20


def plain(text: str) -> str:
    """One spelling for all the ways in which a name is written: "Sao Paulo" is "SÃO  PAULO"."""
    return " ".join(_split(text))


def folded(text: str) -> str:
    """The same for names that differ in case or blanks only."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def words(text: str) -> list[str]:
    """The different words of a text, in their order, cut to ``LONGEST`` characters."""
    return list(dict.fromkeys(word[:LONGEST] for word in _split(text)))


def beginnings(word: str) -> list[str]:
    """Everything that somebody may have typed of a word so far."""
    return [word[:length] for length in range(1, len(word) + 1)]


def _split(text: str) -> list[str]:
    # Folding a letter may bring up a new accent: the Turkish İ.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return "".join(map(_letter_or_blank, bare.translate(_APOSTROPHES).translate(_PLAIN))).split()


def _letter_or_blank(character: str) -> str:
    return character if unicodedata.category(character)[0] in "LNM" else " "
