"""Holds what servers of the tests refuse and send against the documents: nothing comes that is not described."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from domain.errors import Code, DomainError
from rest import errors
from rest.openapi import codes_of as codes_of_route
from rest.routes import ROWS
from server.asyncapi import codes_of as codes_of_command
from server.sockets.dispatcher import UNNAMED, Dispatcher
from server.sockets.namespaces import NAMESPACES

# What HTTP itself asks for, whatever the route.
_OF_HTTP = {
    Code.METHOD_NOT_ALLOWED, Code.NOT_IMPLEMENTED, Code.MALFORMED, Code.PAYLOAD_TOO_LARGE, Code.HEAD_TOO_LARGE,
    Code.UNSUPPORTED_MEDIA, Code.INTERNAL,
}  # fmt: skip
_ROUTES = {(row.method, row.full_path.partition(":")[0]): row for row in ROWS}
_COMMANDS = {row.event: row for rows in NAMESPACES.values() for row in rows}

undescribed: set[str] = set()


@contextmanager
def refusals_observed() -> Iterator[None]:
    """Of all servers in this process, while it lasts."""
    answered, counted = errors.problem, Dispatcher._count
    patch = pytest.MonkeyPatch()

    def problem(error: DomainError, request: web.Request) -> web.Response:
        resource = request.match_info.route.resource
        path = "" if resource is None else resource.canonical
        row = _ROUTES.get((request.method.replace("HEAD", "GET"), path))
        if row is not None and error.code not in {*codes_of_route(row), *_OF_HTTP}:
            undescribed.add(f"{row.method} {row.path}: {error.code}")
        return answered(error, request)

    def count(dispatcher: Dispatcher, event: str, code: str) -> None:
        row = _COMMANDS.get(event)
        if row is not None and event != UNNAMED and code != "ok" and code not in codes_of_command(row):
            undescribed.add(f"{event}: {code}")
        counted(dispatcher, event, code)

    patch.setattr(errors, "problem", problem)
    patch.setattr(Dispatcher, "_count", count)
    try:
        yield
    finally:
        patch.undo()


def event_received(namespace: str, event: str, data: Any) -> None:
    """``test:…`` are marks that tests publish themselves, over Redis."""
    if event.startswith("test:"):
        return
    # It takes some tenths of a second, which most test processes can do without.
    from tests.documents.answers import assert_event_described

    try:
        assert_event_described(namespace, event, data)
    except (AssertionError, ValueError) as error:
        undescribed.add(f"{namespace} {event}: {error}")
