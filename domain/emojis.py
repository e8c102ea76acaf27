"""Emoji as UTS #51 lists them (emoji-test.txt, by the ``emoji`` library), each by one spelling.

Devices write some with and some without U+FE0F, which asks for the coloured form; the fully-qualified form is the one
that they are compared and shown by.
"""

from __future__ import annotations

from functools import lru_cache

from emoji import EMOJI_DATA, STATUS

_COLOURED = "\ufe0f"
# Modifiers and hair stand alone in no qualified form, and are emoji all the same.
_QUALIFIED = {
    spelling.replace(_COLOURED, ""): spelling
    for spelling, data in EMOJI_DATA.items()
    if data["status"] in (STATUS["fully_qualified"], STATUS["component"])
}


def fully_qualified(text: str) -> str | None:
    """The one emoji that the text is, in its fully-qualified form; nothing for any other text."""
    if text.startswith(_COLOURED) or _COLOURED * 2 in text:
        return None
    return _QUALIFIED.get(text.replace(_COLOURED, ""))


@lru_cache(maxsize=1024)
def same_emoji(text: str) -> str:
    """What two spellings of an emoji have in common. Earlier versions stored any text: that is its own spelling."""
    return fully_qualified(text) or text
