"""Making a lone mongod the primary of a replica set of one: transactions and change streams need it."""

from __future__ import annotations

import asyncio
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

from server.embedded.programs import REPLICA_SET, EmbeddedError

# After a change of port mongod first asks at its old address for itself, for up to 30 s if nobody answers there.
_PRIMARY_WITHIN_SECONDS = 60.0
_NOT_YET_INITIALIZED, _ALREADY_INITIALIZED = 94, 23
_Client = AsyncMongoClient[dict[str, Any]]


async def ensure_primary(port: int) -> None:
    """Returns when the server at the loopback port takes writes. Raises EmbeddedError after 60 s."""
    client: _Client = AsyncMongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=5000)
    last_error: PyMongoError | None = None
    clock = asyncio.get_running_loop().time
    deadline = clock() + _PRIMARY_WITHIN_SECONDS
    async with client:
        while clock() < deadline:
            try:
                if await _is_primary(client, port):
                    return
            except PyMongoError as error:
                # It is still starting, being reconfigured by another program, or being brought back by the daemon.
                last_error = error
            await asyncio.sleep(0.02)
    raise EmbeddedError(f"mongod on port {port} did not become primary within 60 s. {last_error or ''}")


async def _is_primary(client: _Client, port: int) -> bool:
    hello = await client.admin.command("hello")
    if not hello.get("isWritablePrimary") and "setName" not in hello:
        await _configure(client, port)
    return bool(hello.get("isWritablePrimary"))


async def _configure(client: _Client, port: int) -> None:
    """Without a set name it either was never configured, or its old configuration names another port."""
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            return
        await _initiate(client, port)
        return
    config["members"] = _members(port)
    config["version"] += 1
    await client.admin.command("replSetReconfig", config, force=True)


async def _initiate(client: _Client, port: int) -> None:
    settings = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 500}
    config = {"_id": REPLICA_SET, "version": 1, "members": _members(port), "settings": settings}
    try:
        await client.admin.command("replSetInitiate", config)
    except OperationFailure as error:
        # Another program may have been quicker.
        if error.code != _ALREADY_INITIALIZED:
            raise


def _members(port: int) -> list[dict[str, Any]]:
    return [{"_id": 0, "host": f"127.0.0.1:{port}"}]
