"""The link that ends mails of a kind: a page that asks, and the form or mail program that says so (RFC 8058)."""

from __future__ import annotations

from functools import partial
from html import escape

from aiohttp import web

from domain.networks import network_of
from domain.notifications import NotificationKind
from rest.adapter import caller_of, owner_of
from rest.answering import answered_in_time
from rest.limits import Counting
from rest.requests import Parser, read_body
from rest.route import HttpHandler, Route, Services
from store.command_budget import Budget

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Spotter</title></head>
<body style="margin:4em auto;max-width:32em;padding:0 1em;font:16px/1.5 Helvetica,Arial,sans-serif;color:#111827">
<h1 style="font-size:22px">Spotter</h1>
{body}
</body></html>
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
_ASK = """<p>Mails about {about}: do you want no more of them?</p>
<form method="post"><button name="List-Unsubscribe" value="One-Click" style="font:inherit;padding:.5em 1em">No more of \
these mails</button></form>"""
_DONE = "<p>You get no more mails about {about}. In the app you can turn them on again.</p>"


def unsubscribe_handler(route: Route, services: Services) -> HttpHandler:
    parser = Parser(route)
    text = _ASK if route.method == "GET" else _DONE

    async def answer(request: web.Request, budget: Budget) -> web.StreamResponse:
        caller = await caller_of(request, services, public=True)
        await Counting(services.limiter, request, caller).begin(route.rate)
        with budget.paused():
            if route.has_body:
                # Mail programs and browsers put it in different forms; that it is a POST says all.
                command = parser.parse_path(request)
                await read_body(request, is_json=False)
            else:
                command = await parser.parse(request)
        budget.owner, budget.network = owner_of(caller), network_of(caller.address)
        kind: NotificationKind = await route.handler(services.context, caller, command)
        page = _PAGE.format(body=text.format(about=escape(kind.about)))
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": _POLICY})

    async def handle(request: web.Request) -> web.StreamResponse:
        return await answered_in_time(Budget(), partial(answer, request))

    return handle
