"""The pages of Stripe's that people see: onboarding, authentication, the dashboard.

The first two have one form, posted to its own URL.
"""

from __future__ import annotations

from html import escape

from aiohttp import web

from sandbox import accounts, confirmations
from sandbox.balances import available
from sandbox.control import Control
from sandbox.state import Object

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 system-ui;max-width:32rem;margin:4rem auto;padding:0 1rem;color:#1a1f36}}
button{{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:.4rem;background:#635bff;color:#fff}}</style></head>
<body><p><small>Stripe sandbox: no money moves.</small></p><h1>{title}</h1>{body}</body></html>
"""
_FORM = '<p>{text}</p><form method="post"><button type="submit">{button}</button></form>'


def _page(title: str, body: str, status: int = 200) -> web.Response:
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    text = _PAGE.format(title=escape(title), body=body)
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _gone() -> web.Response:
    return _page("Not found", "<p>There is no such page, or it has expired.</p>", 404)


class Pages:
    def __init__(self, control: Control) -> None:
        self._control = control
        self._world = control.world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_sandbox/onboarding/{token}", self.onboarding),
            web.post("/_sandbox/onboarding/{token}", self.onboarded),
            web.get("/_sandbox/authenticate/{token}", self.authentication),
            web.post("/_sandbox/authenticate/{token}", self.authenticated),
            web.get("/_sandbox/dashboard/{token}", self.dashboard),
        ]

    async def onboarding(self, request: web.Request) -> web.Response:
        link, good = accounts.find_link(self._world, request.match_info["token"])
        if link is None:
            return _gone()
        if not good:
            raise web.HTTPSeeOther(link["refresh_url"])
        text = f"Completes the onboarding of <code>{escape(link['account'])}</code>."
        return _page("Get paid by Spotter", _FORM.format(text=text, button="Agree and submit"))

    async def onboarded(self, request: web.Request) -> web.Response:
        name = request.match_info["token"]
        link, good = accounts.find_link(self._world, name)
        if link is None:
            return _gone()
        if not good:
            raise web.HTTPSeeOther(link["refresh_url"])
        account = self._world.state.find(link["account"], "account")
        if account is None:
            return _gone()
        self._world.state.keep(f"link:{name}", {**link, "used": True})
        accounts.complete_onboarding(self._world, account)
        self._control.commit()
        raise web.HTTPSeeOther(link["return_url"])

    async def authentication(self, request: web.Request) -> web.Response:
        asked = self._asked(request)
        if asked is None:
            return _gone()
        amount = f"{asked['amount']} {escape(asked['currency'])}"
        return _page("3D Secure", _FORM.format(text=f"Confirms a payment of {amount}.", button="Complete"))

    async def authenticated(self, request: web.Request) -> web.Response:
        """``outcome=failed`` in the form is a customer who could not."""
        asked = self._asked(request)
        if asked is None:
            return _gone()
        back = self._world.state.kept[f"authentication:{request.match_info['token']}"]["return_url"]
        passed = (await request.post()).get("outcome") != "failed"
        confirmations.authenticated(self._world, asked, passed)
        self._control.commit()
        if back:
            sign = "&" if "?" in back else "?"
            secret = asked["client_secret"]
            target = f"{back}{sign}payment_intent={asked['id']}&payment_intent_client_secret={secret}"
            raise web.HTTPSeeOther(target)
        return _page("3D Secure", "<p>Done. Go back to the app.</p>")

    def _asked(self, request: web.Request) -> Object | None:
        """The payment intent, while it waits for this page."""
        kept = self._world.state.kept.get(f"authentication:{request.match_info['token']}")
        found = self._world.state.find(kept["intent"], "payment_intent") if kept else None
        if found is None or found["status"] != "requires_action":
            return None
        return found if request.match_info["token"] in str(found["next_action"]) else None

    async def dashboard(self, request: web.Request) -> web.Response:
        token = f"login:{request.match_info['token']}"
        kept = self._world.state.kept.get(token)
        account = self._world.state.find(kept["account"], "account") if kept else None
        if account is None:
            return _gone()
        # A sign-in link is good once.
        self._world.state.forget(token)
        self._control.commit()
        currency = account["default_currency"]
        sums = available(self._world, account["id"], currency)
        return _page("Express dashboard", f"<p>{escape(account['id'])}: {sums} {escape(currency)} available.</p>")
