"""Whether a MongoDB that cannot be used may be waited for, or whether its settings are wrong."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pymongo
from motor.motor_asyncio import AsyncIOMotorDatabase
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from domain.errors import unavailable
from store.failures import is_transient

REACH_SECONDS = 3.0
# Unauthorized, AuthenticationFailed, UserNotFound, Atlas's word for both.
_REFUSED = frozenset({13, 18, 11, 8000})

# In the words of an error: of the system, of its resolver (negative), of OpenSSL, of Python's ssl.
_SYSTEM_ERROR = re.compile(
    r"\[Errno (?P<number>-?\d{1,5})\]|\[SSL: (?P<tls>\w{1,60})\]|timed out|TLS/SSL connection has been closed"
)


class Misconfigured(Exception):
    """Waiting does not help. The message says why, and nothing of the URL, which holds a password."""


@contextmanager
def understood_url() -> Iterator[None]:
    """The driver's complaints about a URL, as ``Misconfigured``."""
    try:
        yield
    except (ConfigurationError, ValueError) as error:
        raise _misconfigured("MONGO_URL is not understood.") from error


async def require(database: AsyncIOMotorDatabase[dict[str, Any]]) -> None:
    """Returns when a primary takes our credentials. Raises ``Misconfigured``, or ``unavailable`` for "not now"."""
    try:
        with pymongo.timeout(REACH_SECONDS):
            hello = await database.command("hello")
    except PyMongoError as error:
        # A URL that names MongoDB by DNS is resolved by the first operation.
        is_unresolved = _is_unresolved(error)
        reason = None if is_unresolved else refusal(error) or _unreachable(error, database) or _unusable(error)
        if reason is not None:
            raise _misconfigured(reason) from error
        if is_unresolved or is_transient(error):
            raise unavailable() from error
        raise
    if not _has_transactions(hello):
        raise _misconfigured("MongoDB is neither of a replica set nor of a sharded cluster: it has no transactions.")


def _misconfigured(reason: str) -> Misconfigured:
    return Misconfigured(f"{reason} Look at MONGO_URL: it takes a replica set.")


def _has_transactions(hello: Mapping[str, Any]) -> bool:
    """Of a replica set that is not initiated yet: it will, and what is written until then is refused as "not now"."""
    return "setName" in hello or hello.get("msg") == "isdbgrid" or bool(hello.get("isreplicaset"))


def refusal(error: PyMongoError) -> str | None:
    """A sentence for credentials that are refused."""
    if isinstance(error, OperationFailure) and error.code in _REFUSED:
        return "MongoDB refuses the credentials."
    return None


def _unreachable(error: PyMongoError, database: AsyncIOMotorDatabase[dict[str, Any]]) -> str | None:
    """A sentence, when no server can ever be selected by what the URL says."""
    if not isinstance(error, ServerSelectionTimeoutError):
        return None
    # motor types this property as a method.
    topology: Any = database.client.topology_description
    found = list(topology.server_descriptions().values())
    if not found or all(isinstance(one.error, ConfigurationError) for one in found):
        return "MongoDB answers, and is not of the replica set that is named."
    if all(_has_no_address(one.error) for one in found):
        return "No host of that name exists for MongoDB."
    return None


def _is_unresolved(error: PyMongoError) -> bool:
    """Whether name servers were asked in vain, which the driver tells as a wrong URL."""
    if not isinstance(error, ConfigurationError) or error.__cause__ is None:
        return False
    # It is here if there is such a cause, and takes time to import.
    from dns.exception import Timeout
    from dns.resolver import NoNameservers, NoResolverConfiguration

    return isinstance(error.__cause__, Timeout | NoNameservers | NoResolverConfiguration | OSError)


def _unusable(error: PyMongoError) -> str | None:
    """A sentence for what the driver finds wrong only once it connects."""
    if not isinstance(error, ConfigurationError):
        return None
    if error.__cause__ is not None:
        from dns.resolver import NXDOMAIN, NoAnswer

        if isinstance(error.__cause__, NXDOMAIN | NoAnswer):
            return "MongoDB's name has no SRV record."
    return "MONGO_URL, or the version of MongoDB that it leads to, is not understood."


def _has_no_address(error: BaseException | None) -> bool:
    cause = None if error is None else error.__cause__
    return isinstance(cause, socket.gaierror) and cause.errno in (socket.EAI_NONAME, socket.EAI_NODATA)


def kind_of(error: BaseException) -> str:
    """What an error came from, for the log: the kind, and what the system calls it. The driver hands on some as words
    alone; of those nothing else is told, as they have addresses in them."""
    while error.__cause__ is not None:
        error = error.__cause__
    name, found = type(error).__name__, _SYSTEM_ERROR.search(str(error))
    return name if found is None else f"{name} {_name_of(found)}"


def _name_of(found: re.Match[str]) -> str:
    if found["number"] is None:
        return found["tls"] or found[0]
    number = int(found["number"])
    of_names = (one for one in dir(socket) if one.startswith("EAI_") and getattr(socket, one) == number)
    return errno.errorcode.get(number) or next(of_names, found[0])
