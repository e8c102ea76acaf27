"""What is refused before there is a route: heads that no parser takes, and what no route of ours could be sent.

Nothing of the request is quoted. What aiohttp's parser means is known by its own words, which come before what it
quotes.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import hdrs, web
from aiohttp.http import HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage, BadHttpMethod, InvalidHeader, InvalidURLError, LineTooLong

from domain.errors import Code, DomainError
from rest.errors import NO_CONTENT_CODING, ClosingError
from rest.pace import EXPECTATION

LONGEST_LINE: Final = 8190
MOST_HEADERS: Final = 128
# All of a head together; nginx takes as much by default.
MOST_HEAD_BYTES: Final = 32 * 1024
METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
CODINGS: Final = "identity"
_CONTINUE = "100-continue"
# A token in the place of the method, and the rest as it has to be.
_OTHER_METHOD = re.compile(r"b['\"][!#$%&*+.^_|~0-9A-Za-z-]{1,40} \S+ HTTP/1\.[01]")
_TWICE = re.compile(r"Duplicate '([A-Za-z-]{1,40})' header")
# By fragments of the parser's first line, in this order.
_BY_WORDS: Final = (
    ("Too many headers", f"it has at most {MOST_HEADERS} headers"),
    ("Missing 'Host'", "with HTTP/1.1 it has a Host header"),
    (hdrs.CONTENT_LENGTH, "Content-Length is one whole number, and not beside Transfer-Encoding"),
    ("Bad status line", "its first line is a method, a path and HTTP/1.1"),
    ("header", "each header is a name, a colon and a value without control characters, in a line of its own"),
    ("chunk", "each chunk begins with its length in hex digits, in a line of its own"),
)
_ANY = "it is written as HTTP/1.1 says (RFC 9112)"


class HeadTooLarge(BadHttpMessage):
    """The head of a request, or what stands around the pieces of its body."""

    def __init__(self) -> None:
        super().__init__("head too large")


def of_parser(error: BaseException | None) -> DomainError:
    """For what the parser does not take; the connection ends with it."""
    text = str(getattr(error, "message", ""))
    words = text.partition("\n")[0]
    if isinstance(error, HeadTooLarge | LineTooLong) or words.startswith("Too many headers"):
        limits = f"{LONGEST_LINE:,} bytes, in all {MOST_HEADERS} headers and {MOST_HEAD_BYTES:,} bytes"
        return ClosingError(Code.HEAD_TOO_LARGE, f"The URL and each header of a request have at most {limits}.")
    if hdrs.TRANSFER_ENCODING in words and hdrs.CONTENT_LENGTH not in words:
        return unknown_transfer_coding()
    if isinstance(error, BadHttpMethod) and _OTHER_METHOD.search(text):
        return ClosingError(Code.METHOD_NOT_ALLOWED, f"The methods are {METHODS}.")
    return ClosingError(Code.MALFORMED, f"This is no request that HTTP knows: {_right(error, words)}.")


def _right(error: BaseException | None, words: str) -> str:
    if isinstance(error, BadHttpMethod):
        if "HTTPS" in words:
            return "this port takes plain HTTP, and what came is encrypted"
        return "it begins with a method and a blank"
    if isinstance(error, InvalidURLError):
        return "its target is a path that begins with a slash"
    if (twice := _TWICE.search(words)) is not None:
        return f"{twice[1]} is there once"
    if isinstance(error, InvalidHeader):
        words = "header"
    return next((right for fragment, right in _BY_WORDS if fragment in words), _ANY)


def of_head(request: web.BaseRequest) -> DomainError | None:
    """What no route of ours could take; nothing where there is no fault."""
    headers = request.headers
    # The parser reads every coding that ends in ``chunked`` as if it were that alone (RFC 9112, 6.1: answer 501).
    codings = headers.getall(hdrs.TRANSFER_ENCODING, ())
    if codings and request.version < HttpVersion11:
        # Whatever is in front may have read none (RFC 9112, 6.1), and taken the body for the next request.
        return ClosingError(Code.MALFORMED, "HTTP/1.0 knows no Transfer-Encoding.")
    if codings and [coding.strip().lower() for coding in codings] != ["chunked"]:
        return unknown_transfer_coding()
    encodings = headers.getall(hdrs.CONTENT_ENCODING, ())
    if encodings and (len(encodings) > 1 or encodings[0].strip().lower() != CODINGS):
        return _unknown_content_coding()
    if EXPECTATION in request and request[EXPECTATION].strip().lower() != _CONTINUE:
        return ClosingError(Code.MALFORMED, f"The only Expect taken is {_CONTINUE}.")
    return None


def unknown_transfer_coding() -> DomainError:
    """For a body in another transfer coding than ``chunked`` alone."""
    return ClosingError(Code.NOT_IMPLEMENTED, "The only Transfer-Encoding taken is chunked.")


def _unknown_content_coding() -> DomainError:
    return ClosingError(Code.UNSUPPORTED_MEDIA, NO_CONTENT_CODING)


def more_headers(error: DomainError) -> dict[str, str]:
    """What HTTP asks for beside the status."""
    if error.code is Code.METHOD_NOT_ALLOWED:
        return {hdrs.ALLOW: METHODS}
    return {hdrs.ACCEPT_ENCODING: CODINGS} if error.code is Code.UNSUPPORTED_MEDIA else {}
