"""Every command of every namespace, read from the rows themselves: a new row is tested without being told of."""

from __future__ import annotations

import pytest

from domain.wire.base import Command
from server.sockets.admission import RenewToken
from server.sockets.namespaces import NAMESPACES

Row = tuple[str, str, type[Command]]

OWN: tuple[str, type[Command]] = ("auth:refresh", RenewToken)
COMMANDS: tuple[Row, ...] = tuple(
    (namespace, event, command)
    for namespace, rows in NAMESPACES.items()
    for event, command in [OWN, *((row.event, row.command) for row in rows)]
)
every_command = pytest.mark.parametrize(
    ("namespace", "event", "command"), COMMANDS, ids=[f"{namespace} {event}" for namespace, event, _ in COMMANDS]
)
