"""Holds what a server of the tests answers against what the documents say of it: no code comes that is not described."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from domain.errors import Code, DomainError
from rest import errors
from rest.openapi import codes_of as codes_of_route
from rest.routes import ROWS
from server.asyncapi import codes_of as codes_of_command
from server.sockets.dispatcher import UNNAMED, Dispatcher
from server.sockets.namespaces import NAMESPACES

# What HTTP itself asks for, whatever the route.
_OF_HTTP = {Code.METHOD_NOT_ALLOWED, Code.NOT_IMPLEMENTED, Code.MALFORMED, Code.PAYLOAD_TOO_LARGE, Code.INTERNAL}
_ROUTES = {(row.method, row.full_path.partition(":")[0]): row for row in ROWS}
_COMMANDS = {row.event: row for rows in NAMESPACES.values() for row in rows}

undescribed: set[str] = set()


@contextmanager
def refusals_observed() -> Iterator[None]:
    """Of all servers in this process, while it lasts."""
    answered, counted = errors.problem, Dispatcher._count

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

    errors.problem, Dispatcher._count = problem, count  # type: ignore[method-assign]
    try:
        yield
    finally:
        errors.problem, Dispatcher._count = answered, counted  # type: ignore[method-assign]
