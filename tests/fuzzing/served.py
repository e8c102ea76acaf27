"""What a run of Schemathesis is given beside the server: tokens of each role, and good requests.

It runs in a process of its own, whose hooks (``hooks.py``) ask for these over HTTP.
"""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, get_args

from aiohttp import web

from domain.accounts import Role
from rest.routes import ROWS
from tests.authorisation.cases import Case
from tests.authorisation.parties import Parties
from tests.authorisation.people import Asker, Signed
from tests.authorisation.rest_table import CASES
from tests.bookings.market import Somebody
from tests.files.samples import PDF

NOBODY = "nobody"
_ROUTES = {f"{row.method} {row.path}": row for row in ROWS}


@asynccontextmanager
async def prompter(parties: Parties) -> AsyncIterator[str]:
    """The URL of ``/token`` and ``/good``."""
    served = _Prompter(parties)
    app = web.Application()
    app.add_routes([web.get("/token", served.token), web.get("/good", served.good)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class _Prompter:
    def __init__(self, parties: Parties) -> None:
        self._parties = parties

    async def token(self, request: web.Request) -> web.Response:
        """Of the role's own person, in a new session; with ``new`` of somebody who is not needed afterwards, with
        ``instead`` of somebody who is the role's own person from now on."""
        role = request.query["role"]
        if "instead" in request.query:
            self._parties.people[role] = None
        who = await (self._newcomer(role) if "new" in request.query else self._person(role))
        token, _ = await self._parties.market.people.sign_in(who.user)
        return web.json_response({"token": token})

    async def good(self, request: web.Request) -> web.Response:
        """A request for each line of the table of who may do what, by its row, or for those of one ``row``."""
        found: dict[str, list[dict[str, Any]]] = {}
        for case in CASES:
            if request.query.get("row", case.row) != case.row:
                continue
            found.setdefault(case.row, []).append(await self._request(case, request.query["role"]))
        return web.json_response(found)

    async def _request(self, case: Case, role: str) -> dict[str, Any]:
        who: Asker = None if role == NOBODY else await self._person(role)
        about, said = await case.request(self._parties, who, lasting=False)
        route = _ROUTES[case.row]
        headers = {"Idempotency-Key": secrets.token_hex(8)} if route.needs_key else {}
        if isinstance(said, Signed):
            # Only Stripe can sign.
            return {"about": about, "headers": headers}
        if route.consumes == "multipart/form-data":
            return {"about": about, "headers": headers, "file": b64encode(PDF).decode()}
        return {"about": about, "headers": headers, **({} if said is None else {_place(route.has_body): said})}

    async def _person(self, role: str) -> Somebody:
        who = self._parties.people.get(role)
        if who is None:
            who = self._parties.people[role] = await self._newcomer(role)
        return who

    async def _newcomer(self, role: str) -> Somebody:
        return await self._parties.newcomer(next(known for known in get_args(Role) if known == role))


def _place(has_body: bool) -> str:
    return "body" if has_body else "query"
