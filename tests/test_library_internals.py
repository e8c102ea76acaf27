"""What we rely on of libraries though they don't promise it.

Their versions are capped in setup.cfg. When a ceiling is raised, a failure here says what has to be looked at.
That everything relied on is listed is found by reading our own sources.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import socketio
from aiohttp import http_websocket, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("domain", "store", "handlers", "rest", "server")
# Not a library's.
STANDARD = {"_exit"}

# The holder, the private name, and what it is needed for.
RELIED_ON: list[tuple[Any, str, str]] = [
    (socketio.AsyncServer, "_engineio_server_class", "putting our Engine.IO server under python-socketio's"),
    (web.BaseRequest, "_message", "a request's raw head, when it is handed to another worker"),
    (RequestHandler, "_messages", "whether more than one request was read, when one is handed over"),
    (RequestHandler, "_message_tail", "what was read behind the request, when it is handed over"),
    (RequestHandler, "_current_request", "how far the body is that a connection receives"),
    (RequestHandler, "_request_count", "how many requests a connection has brought"),
    (RequestHandler, "_waiter", "answering a head that is refused before it is whole"),
    (BaseProtocol, "_buffer_paused", "telling requests that wait for us from a head that does not end"),
    (BaseProtocol, "_upgraded", "telling what is no HTTP any more"),
    (RawRequestMessage, "_replace", "answering an expectation when the body is read, not before"),
    (BaseProtocol, "_reading_paused", "telling a sender that waits for us from one that does not send"),
    (web.Server, "_kwargs", "making our handlers with the options that aiohttp's would have"),
    (web.Server, "_loop", "making our handlers in the server's loop"),
    (web.AppRunner, "_make_server", "serving with our handlers"),
    (web.WebSocketResponse, "_post_start", "the handshake without the response's own reader"),
    (web.WebSocketResponse, "_writer", "what marks a WebSocket response as prepared"),
    (WebSocketDataQueue, "_size", "the reader looks at how full its queue is"),
    (WebSocketDataQueue, "_limit", "the reader looks at how full its queue may be"),
]
PRIVATE_MODULES = {"aiohttp._websocket.reader"}
# By distribution: what we lean on is this version's, and no later one's untried.
# Of motor a function is replaced; of pymongo and uvloop errors are told apart by their words.
CAPPED = ("aiohttp", "motor", "pymongo", "python-engineio", "python-socketio", "uvloop")


@pytest.mark.parametrize(("holder", "name", "purpose"), RELIED_ON, ids=[f"{h.__name__}.{n}" for h, n, _ in RELIED_ON])
def test_a_private_name_is_still_there(holder: type, name: str, purpose: str) -> None:
    assert _has(holder, name), f"{holder.__module__}.{holder.__name__} lost {name}; it is needed for {purpose}"


def test_a_reader_feeds_whatever_is_given_it() -> None:
    """The transport is given to aiohttp's reader in the place of its queue."""
    received: list[object] = []

    class Sink(WebSocketDataQueue):
        _size = _limit = 0

        def __init__(self) -> None:
            """The queue's own is not called, as the transport's does not."""

        def feed_data(self, data: Any, size: int) -> None:
            received.append(data)

    http_websocket.WebSocketReader(Sink(), 100, False, True).feed_data(b"\x81\x81\x00\x00\x00\x00x")
    assert received == [(http_websocket.WSMsgType.TEXT, "x", "")], (
        "messages come otherwise: read WebSocketTransport.feed_data"
    )


def test_hooks_are_called_as_they_were() -> None:
    expected: dict[Any, list[str]] = {
        web.WebSocketResponse._post_start: ["self", "request", "protocol", "writer"],
        RequestHandler.set_parser: ["self", "parser", "data_received_cb"],
        web.AppRunner._make_server: ["self"],
    }
    for hook, parameters in expected.items():
        assert list(inspect.signature(hook).parameters) == parameters, hook.__qualname__


@pytest.mark.parametrize("library", CAPPED)
def test_such_a_library_stays_below_a_version_that_was_not_tried(library: str) -> None:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    (requirement,) = re.findall(rf"^{library}>=\S+,<(\S+)$", config["options"]["install_requires"], re.MULTILINE)
    ceiling = [int(part) for part in requirement.split(".")]
    installed = [int(part) for part in metadata.version(library).split(".")[: len(ceiling)]]
    assert installed < ceiling, f"{library} {metadata.version(library)} is installed, which was not tried here"


def test_every_private_name_is_listed() -> None:
    listed = {name for _, name, _ in RELIED_ON} | STANDARD
    unlisted = {f"{place}: {name}" for place, name in _private_names() if name not in listed}
    assert not unlisted, "name what is relied on in RELIED_ON and cap the library, or do without"


def test_every_private_module_is_listed() -> None:
    assert {module for _, module in _private_modules()} == PRIVATE_MODULES


def test_nothing_is_listed_that_nobody_needs() -> None:
    used = {name for _, name in _private_names()}
    assert {name for _, name, _ in RELIED_ON} <= used


def _has(holder: type, name: str) -> bool:
    """As an attribute of the class, or of what its ``__init__`` makes."""
    return hasattr(holder, name) or any(re.search(rf"self\.{name}\b", _source(base)) for base in holder.__mro__)


def _source(holder: type) -> str:
    try:
        return inspect.getsource(holder)
    except (OSError, TypeError):
        # Compiled, where attributes of the class are all that is there: ``__mro__`` of WebSocketDataQueue.
        return _uncompiled(holder)


def _uncompiled(holder: type) -> str:
    """aiohttp ships the Python that its compiled modules are made from."""
    if not holder.__module__.endswith("reader_c"):
        return ""
    return inspect.getsource(importlib.import_module(holder.__module__.replace("reader_c", "reader_py")))


def _files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


@cache
def _private_names() -> tuple[tuple[str, str], ...]:
    return tuple(_found_private_names())


def _found_private_names() -> Iterator[tuple[str, str]]:
    """Reached through an object that is not the class's own, or inherited from a library's class."""
    for path in _files():
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                holder = node.value
                if not (isinstance(holder, ast.Name) and holder.id in ("self", "cls")):
                    yield place, node.attr
        yield from ((place, name) for name in _inherited(_module(path)))


def _inherited(module: ModuleType) -> Iterator[str]:
    for holder in vars(module).values():
        if not inspect.isclass(holder) or holder.__module__ != module.__name__:
            continue
        foreign = [base for base in holder.__mro__[1:-1] if _is_library(base)]
        if not foreign:
            continue
        source = inspect.getsource(holder)
        for name in set(re.findall(r"(?:self\.|def |^    )(_[a-z]\w*)", source, re.MULTILINE)):
            if any(_has(base, name) for base in foreign):
                yield name


def _is_library(base: type) -> bool:
    """Those of Python itself, and msgspec's, which are made to be extended, do not count."""
    package = base.__module__.partition(".")[0]
    return package in ("aiohttp", "engineio", "socketio", "limits", "prometheus_client", "redis", "motor", "pymongo")


def _module(path: Path) -> ModuleType:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))


def _private_modules() -> Iterator[tuple[str, str]]:
    for path in _files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if re.search(r"(^|\.)_[a-z]", name):
                    yield path.name, name
