"""Text as search compares it: one folding for what was written and for what is looked for.

Folding makes one spelling of canonical and compatibility forms, of upper and lower case, of Latin, Greek and Cyrillic
letters with and without accents, of Arabic and Hebrew with and without points, and of typographic apostrophes, quotes
and dashes. Whatever is a letter of its own stays: vowel signs of Indic scripts and Thai, voiced kana, Hangul.
"""

from __future__ import annotations

import re
import unicodedata

from domain.characters import IGNORABLE

# What people type for letters that have no decomposition.
_PLAIN = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Left out, as many people do who type; the acute and the grave stand for it on some keyboards.
_APOSTROPHES = "'`\u00b4\u02b9\u02bb\u02bc\u02bd\u2018\u2019\u201b\u2032\uff07"
_QUOTES_AND_DASHES = {
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u301d\u301e", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
}
_SIGNS = str.maketrans({**dict.fromkeys(_APOSTROPHES, ""), **_QUOTES_AND_DASHES, "\u2044": "/"})
# Line ends and tabs are blanks.
_UNSEEN = re.compile(rf"[\x00-\x08\x0e-\x1f\x7f-\x9f{IGNORABLE}]+")
# Marks above, below and through letters, each after a letter of a script for which they are no letters themselves.
_LETTERS = (
    r"A-Za-z\u00aa-\u02af\u0370-\u0482\u048a-\u052f\u1c80-\u1c8f\u1d00-\u1dbf\u1e00-\u1fff\u2c60-\u2c7f"
    r"\ua640-\ua69d\ua720-\ua7ff\uab30-\uab6f"
)
_MARKS = r"\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_POINTS = (
    r"\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    r"\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u08ca-\u08e1\u08e3-\u08ff\u0640"
)
_ACCENTS = re.compile(f"[{_MARKS}{_POINTS}]+")
_LETTER, _POINT = re.compile(f"[{_LETTERS}]"), re.compile(f"[{_POINTS}]+")
# So that a text without any is not translated letter by letter.
_ANY_SIGN = re.compile("[{}]".format("".join(map(chr, _SIGNS))))
_ANY_PLAIN = re.compile("[{}]".format("".join(map(chr, _PLAIN))))
# Longer words differ by their first letters only.
LONGEST = 20


def spelling(text: str) -> str:
    """One spelling for all the ways in which something is written, signs included: "Café" is "CAFE", "Don't" "dont".

    Blanks are single ones. What was found as a part of a text is found in its spelling too.
    """
    bare = text.lower()
    if not (bare.isascii() and bare.isprintable()):
        # A message is spelled on its way into the log: nearly all are spelled letter by letter, and have few that need
        # a look.
        foreign = set(_FOREIGN.findall(bare))
        if len(foreign) > _FEW:
            letters = text.translate(_by_letter)
            return _spelled_together(text) if _DEPENDS in letters else " ".join(letters.split())
        for letter in foreign:
            spelled = _by_letter[ord(letter)]
            if spelled == _DEPENDS:
                return _spelled_together(text)
            if spelled != letter:
                bare = bare.replace(letter, spelled)
    bare = bare.replace("'", "").replace("`", "")
    # Of blanks it has spaces alone, and single ones are as they should be.
    return " ".join(bare.split()) if "  " in bare else bare.strip(" ")


def _spelled_together(text: str) -> str:
    """As for texts in which letters depend on those beside them."""
    seen = _UNSEEN.sub("", _with_plain_signs(text))
    # Folding a letter may bring up a new accent: the Turkish İ.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", seen).casefold())
    bare = _with_plain_signs(_ACCENTS.sub(_without_accents, decomposed))
    if _ANY_PLAIN.search(bare):
        bare = bare.translate(_PLAIN)
    return " ".join(unicodedata.normalize("NFC", bare).split())


_FOREIGN = re.compile(r"[^\x20-\x7e]")
# To replace each of so many costs less than to look at every letter.
_FEW = 8
# Stands for a letter that may join with the one before it; it is no character.
_DEPENDS = "\uffff"
_JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")
# Of what people write; whoever sends all of Unicode is not to fill memory with it.
MOST_LETTERS = 5_000


class _Letters(dict[int, str]):
    """The spelling of each letter that was met, for ``str.translate``."""

    def __missing__(self, number: int) -> str:
        letter = chr(number)
        spelled = " " if letter.isspace() and not _UNSEEN.match(letter) else _spelled_together(letter)
        if _depends(letter) or (spelled and _depends(spelled[0])) or _JAMO.search(spelled):
            spelled = _DEPENDS
        if len(self) < MOST_LETTERS:
            self[number] = spelled
        return spelled


def _depends(letter: str) -> bool:
    """Whether it joins with what stands before it, or is made of a blank and such a mark."""
    if letter == _DEPENDS or _ACCENTS.match(letter):
        return True
    decomposed = unicodedata.normalize("NFKD", letter)
    return unicodedata.category(decomposed[0])[0] == "M" or (
        len(decomposed) > 1 and any(character.isspace() for character in decomposed)
    )


_by_letter = _Letters()


def _with_plain_signs(text: str) -> str:
    return text.translate(_SIGNS) if _ANY_SIGN.search(text) else text


def _without_accents(found: re.Match[str]) -> str:
    before = found.start()
    if before and _LETTER.match(found.string, before - 1):
        return ""
    return _POINT.sub("", found.group())


def plain(text: str) -> str:
    """The spelling of a name without signs: "Sao-Paulo" is "SÃO  PAULO"."""
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
    bare = "".join(map(_letter_or_blank, spelling(text))).split()
    # A mark alone is no word.
    return [word for word in bare if any(unicodedata.category(character)[0] in "LN" for character in word)]


def _letter_or_blank(character: str) -> str:
    return character if unicodedata.category(character)[0] in "LNM" else " "
