"""The kind of device behind a request, as its owner would call it."""

from __future__ import annotations

# In this order: an iPad's says "Mac OS X" too, an Android phone's "Linux".
_KINDS = (
    ("ipad", "an iPad"),
    ("iphone", "an iPhone"),
    ("android", "an Android device"),
    ("okhttp", "an Android device"),
    ("windows", "a Windows computer"),
    ("macintosh", "a Mac"),
    ("mac os x", "a Mac"),
    ("cfnetwork", "an Apple device"),
    ("darwin", "an Apple device"),
    ("cros", "a Chromebook"),
    ("linux", "a Linux computer"),
    ("dart", "a phone or tablet"),
)
UNKNOWN = "a device of unknown kind"


def kind_of_device(agent: str) -> str:
    """By the ``User-Agent``; one of a few constants, never its text."""
    folded = agent.lower()
    return next((kind for mark, kind in _KINDS if mark in folded), UNKNOWN)
