"""Web addresses that people give of themselves: parsed, and shown so that nobody takes them for others.

Letters of other scripts can look like Latin ones, so that a host which is not ASCII is written as ASCII (IDNA): a
reader then sees that it is not the one that it looks like, whether scripts mix within a word or not.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from yarl import URL

_SCHEMES = ("http", "https")
_LONGEST_HOST = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Browsers take these for addresses of IPv4, in spellings that hardly anybody can read.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PARTS = re.compile(r"(?P<scheme>[^:]+)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)


@lru_cache(maxsize=4096)
def web_address(text: str) -> str:
    """The address with its host in ASCII; raises ``ValueError`` for what is no http or https URL of a host."""
    parts, url = _PARTS.fullmatch(text), URL(text)
    # Decoding it refuses what only looks like IDNA.
    host = url.raw_host if url.host else None
    if parts is None or url.scheme not in _SCHEMES or not host or url.user is not None or url.explicit_port == 0:
        raise ValueError(text)
    if parts["authority"].startswith("["):
        _check_ipv6(host)
    else:
        _check(host)
    if parts["authority"].isascii():
        return text
    port = "" if url.explicit_port is None else f":{url.explicit_port}"
    return f"{parts['scheme']}://{host}{port}{parts['rest']}"


def shown(stored: str | None) -> str | None:
    """As others may see what is stored; nothing for what earlier versions took and no browser would open."""
    if stored is None:
        return None
    try:
        return web_address(stored)
    except ValueError:
        return None


def _check_ipv6(host: str) -> None:
    # What is in brackets may be anything to a parser; a zone (RFC 6874) is one of the reader's own machine.
    if "%" in host:
        raise ValueError(host)
    IPv6Address(host)


def _check(host: str) -> None:
    # The root may be written out.
    labels = host.removesuffix(".").split(".")
    if len(host) > _LONGEST_HOST or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(host)
    if _NUMBER.fullmatch(labels[-1]):
        IPv4Address(host.removesuffix("."))
