"""What a line of the tables says: who may do what, and how a good request for it is made."""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rest.route import Route
from rest.routes import ROWS
from tests.authorisation.parties import Made, Parties
from tests.authorisation.people import Asker

# The columns of the tables. Client and trainer are the two whose booking, conversation and so on it is.
REST_COLUMNS = ("nobody", "other client", "other trainer", "blocked", "admin", "client", "trainer")
# Nobody and the blocked are in no namespace.
SOCKET_COLUMNS = ("other client", "other trainer", "admin", "client", "trainer")
OUTSIDERS = frozenset({"nobody", "other client", "other trainer", "blocked"})

REFUSALS = {"401": "unauthenticated", "403": "forbidden", "404": "not_found", "blk": "account_blocked"}
OK = "ok"
ROUTES: dict[str, Route] = {f"{row.method} {row.path}": row for row in ROWS}

Says = Callable[[Parties, Asker], Any] | Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """``of``: makes what the command is about; its id goes into the path or, with a name, into what is said.

    ``says``: the body, query or argument. ``stands_in``: who is allowed is somebody new in the same role, because
    nobody survives the command.
    """

    row: str
    outcomes: Mapping[str, str]
    of: Made | None
    field: str | None
    says: Says | None
    stands_in: bool

    def __str__(self) -> str:
        return self.row

    async def asker(self, parties: Parties, column: str) -> Asker:
        who = parties.people[column]
        if self.stands_in and who is not None and self.outcomes[column] == OK:
            return await parties.newcomer(who.user.role)
        return who

    async def request(self, parties: Parties, who: Asker, *, lasting: bool) -> tuple[str, Any]:
        """What the path names, and what is said; ``lasting``: about something that is there to stay."""
        about = "" if self.of is None else await parties.made(self.of, lasting=lasting)
        said = self.says(parties, who) if callable(self.says) else self.says
        if inspect.isawaitable(said):
            said = await said
        return about, said if self.field is None else {self.field: about, **(said or {})}


def besides_gone(answer: Any) -> Any:
    """What is told; ``gone`` repeats the ids that were asked for."""
    return {name: value for name, value in answer.items() if name != "gone"} if isinstance(answer, dict) else answer


def rest(
    row: str, outcomes: str, of: Made | tuple[str, Made] | None = None, says: Says | None = None, *,
    stands_in: bool = False,
) -> Case:  # fmt: skip
    return _case(row, outcomes, REST_COLUMNS, of, says, stands_in)


def socket(
    row: str, outcomes: str, of: tuple[str, Made] | None = None, says: Says | None = None
) -> Case:
    """``row``: namespace and event."""
    return _case(row, outcomes, SOCKET_COLUMNS, of, says, False)


def _case(
    row: str, outcomes: str, columns: tuple[str, ...], of: Made | tuple[str, Made] | None, says: Says | None,
    stands_in: bool,
) -> Case:  # fmt: skip
    field, made = of if isinstance(of, tuple) else (None, of)
    return Case(row, dict(zip(columns, outcomes.split(), strict=True)), made, field, says, stands_in)


async def prepared(
    case: Case, parties: Parties, who: Asker, *, lasting: bool = False
) -> tuple[str, str, object, Asker, str | None]:
    """The arguments of a good request."""
    route = ROUTES[case.row]
    about, said = await case.request(parties, who, lasting=lasting)
    key = secrets.token_hex(8) if route.needs_key else None
    return route.method, re.sub(r"\{\w+\}", about, route.path), said, who, key
