"""Classes of characters by Unicode's properties, and the patterns of texts that people write.

The ranges are those of DerivedCoreProperties and PropList; a test compares them with Python's own data.
"""

from __future__ import annotations

import re

# What no text needs: Unicode's controls (Cc), but for the three that lay several lines out: tab, line feed, return.
CONTROLS = r"\x00-\x1f\x7f-\x9f"
_NOT_OF_LINES = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"


def _span(first: int, last: int) -> str:
    # Written out: the dialect of JSON Schema has no "\U", and reads surrogate pairs as what they stand for.
    return f"{chr(first)}-{chr(last)}"


# Default_Ignorable_Code_Point: shown as nothing, wherever they stand.
IGNORABLE = (
    r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    r"\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    f"{_span(0x1BCA0, 0x1BCA3)}{_span(0x1D173, 0x1D17A)}{_span(0xE0000, 0xE0FFF)}"
)
# White_Space, what is shown as nothing, and the braille pattern that has no dot.
BLANK = rf"\s{CONTROLS}{IGNORABLE}\u2800"
# In one line: what nobody sees and what moves the letters around it. Joiners are letters' own in several scripts;
# variation selectors and tags belong to emoji.
UNSEEN = rf"{CONTROLS}\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"

# Python's "$" also matches before a final line feed; "\Z" does not.
LINE = rf"^(?=[{BLANK}]*[^{BLANK}])[^{UNSEEN}]*\Z"
LINES = rf"^(?=[{BLANK}]*[^{BLANK}])[^{_NOT_OF_LINES}]*\Z"
# The same where something else can stand in for the words.
MAYBE_BLANK_LINES = rf"^[^{_NOT_OF_LINES}]*\Z"

_SHOWN = re.compile(rf"[^{BLANK}]")


def is_blank(text: str) -> bool:
    """Whether it shows nothing: white space, ignorable characters, controls and U+2800 alone."""
    return _SHOWN.search(text) is None
