"""What only a sandbox has: routes under ``/_sandbox`` by which a test moves time, banks and the network.

docs/payments.md lists them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any

import msgspec
from aiohttp import web

from sandbox import accounts, charges, confirmations, disputes, document, refunds
from sandbox.delivery import Delivery, Disturbance, Endpoint
from sandbox.errors import StripeError, malformed
from sandbox.faults import Fault, Faults
from sandbox.state import PLATFORM, Object
from sandbox.world import World

Route = Callable[[Object, web.Request], Awaitable[Object] | Object]


class Control:
    def __init__(self, world: World, delivery: Delivery, faults: Faults) -> None:
        self.world = world
        self._delivery = delivery
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Callable[[Object, web.Request], Object]]] = [
            ("GET", "", self.status),
            ("POST", "/reset", self.reset),
            ("POST", "/clock", self.clock),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("PUT", "/endpoints", self.endpoints),
            ("PUT", "/delivery", self.disturb),
            ("POST", "/delivery/release", self.release),
            ("GET", "/deliveries", self.deliveries),
            ("POST", "/events", self.emit),
            ("POST", "/events/{id}/deliver", self.deliver),
            ("POST", "/payment_intents/{id}/settle", self.settle),
            ("POST", "/payment_intents/{id}/authenticate", self.authenticate),
            ("POST", "/disputes", self.dispute),
            ("POST", "/disputes/{id}/close", self.close_dispute),
            ("POST", "/refunds/{id}/fail", self.fail_refund),
            ("POST", "/accounts/{id}/onboard", self.onboard),
            ("POST", "/accounts/{id}/restrict", self.restrict),
            ("POST", "/balance", self.top_up),
        ]
        return [web.route(method, f"/_sandbox{path}", self._handler(work)) for method, path, work in table]

    def commit(self) -> None:
        """Write down what was done, and deliver the events of it."""
        emitted, self.world.emitted = self.world.emitted, []
        self._delivery.enqueue(emitted)
        self.world.state.commit()

    def _handler(self, work: Callable[[Object, web.Request], Object]) -> Callable[..., Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            if "Origin" in request.headers:
                # Pages that a developer happens to visit have no business here.
                return web.json_response(malformed("Not for web pages.").body(), status=403)
            try:
                body = await request.json() if request.can_read_body else {}
                if not isinstance(body, dict):
                    raise malformed("A JSON object is expected.")
                answer, status = work(body, request), 200
            except StripeError as error:
                answer, status = error.body(), error.status
            except (ValueError, KeyError, TypeError, document.Unfaithful, msgspec.ValidationError) as error:
                answer, status = malformed(f"{type(error).__name__}: {error}").body(), 400
            self.commit()
            return web.json_response(answer, status=status)

        return handle

    def status(self, body: Object, request: web.Request) -> Object:
        return {
            "version": document.version(),
            "now": self.world.now(),
            "pending": self._delivery.pending,
            "held": len(self._delivery.held),
            "delivery": asdict(self._delivery.disturbance),
            "endpoints": [{"url": one.url, "types": one.types} for one in self._delivery.endpoints],
            "faults": self._faults.listed(),
        }

    def reset(self, body: Object, request: web.Request) -> Object:
        """Forget everything but the endpoints."""
        self.world.state.reset()
        self._faults.clear()
        self._delivery.disturbance = Disturbance()
        self._delivery.held.clear()
        return {}

    def clock(self, body: Object, request: web.Request) -> Object:
        self.world.state.ahead += float(body["advance"])
        return {"now": self.world.now()}

    def add_fault(self, body: Object, request: web.Request) -> Object:
        fault = msgspec.convert(body, Fault)
        _known(body, Fault)
        self._faults.add(fault)
        return asdict(fault)

    def clear_faults(self, body: Object, request: web.Request) -> Object:
        self._faults.clear()
        return {}

    def endpoints(self, body: Object, request: web.Request) -> Object:
        self._delivery.endpoints[:] = msgspec.convert(body["endpoints"], list[Endpoint])
        return {"endpoints": len(self._delivery.endpoints)}

    def disturb(self, body: Object, request: web.Request) -> Object:
        how = msgspec.convert(body, Disturbance)
        _known(body, Disturbance)
        self._delivery.disturbance = how
        return asdict(how)

    def release(self, body: Object, request: web.Request) -> Object:
        return {"released": self._delivery.release(body.get("order", "same"), int(body.get("copies", 1)))}

    def deliveries(self, body: Object, request: web.Request) -> Object:
        return {"attempts": list(self._delivery.attempts), "pending": self._delivery.pending}

    def emit(self, body: Object, request: web.Request) -> Object:
        """An event of any type about any object: ``{type, object, account?}``; a string names one that there is."""
        given = body["object"]
        found = self.world.state.find(given) if isinstance(given, str) else given
        if found is None:
            raise malformed(f"No such object: {given}")
        return self.world.emit(body["type"], found, owner=body.get("account", PLATFORM))

    def deliver(self, body: Object, request: web.Request) -> Object:
        event = self._named(request, "event")
        self._delivery.again(event["id"], int(body.get("copies", 1)), body.get("timestamp"), body.get("secret"))
        return {"event": event["id"]}

    def settle(self, body: Object, request: web.Request) -> Object:
        intent = self._named(request, "payment_intent")
        confirmations.settle(self.world, intent, _succeeded(body))
        return intent

    def authenticate(self, body: Object, request: web.Request) -> Object:
        intent = self._named(request, "payment_intent")
        confirmations.authenticated(self.world, intent, _succeeded(body) is not False)
        return intent

    def dispute(self, body: Object, request: web.Request) -> Object:
        charge = charges.of_payment(self.world, body, body.get("account", PLATFORM))
        return disputes.open(self.world, charge, body.get("amount"), body.get("reason", "fraudulent"))

    def close_dispute(self, body: Object, request: web.Request) -> Object:
        dispute = self._named(request, "dispute")
        if body["outcome"] not in ("won", "lost"):
            raise malformed("outcome is won or lost", "outcome")
        disputes.end(self.world, dispute, body["outcome"] == "won")
        return dispute

    def fail_refund(self, body: Object, request: web.Request) -> Object:
        refund = self._named(request, "refund")
        refunds.fail(self.world, refund)
        return refund

    def onboard(self, body: Object, request: web.Request) -> Object:
        account = self._named(request, "account")
        accounts.complete_onboarding(self.world, account)
        return account

    def restrict(self, body: Object, request: web.Request) -> Object:
        account = self._named(request, "account")
        charges, payouts = bool(body.get("charges_enabled", False)), bool(body.get("payouts_enabled", False))
        accounts.restrict(self.world, account, charges, payouts)
        return account

    def top_up(self, body: Object, request: web.Request) -> Object:
        owner = body.get("account", PLATFORM)
        id = charges.book(self.world, owner, "topup", int(body["amount"]), body.get("currency", "usd"), None)
        return {"balance_transaction": id}

    def _named(self, request: web.Request, kind: str) -> Object:
        return self.world.take(request.match_info["id"], kind, owner=None)


def _succeeded(body: Object) -> bool | None:
    outcome = body.get("outcome")
    if outcome not in (None, "succeeded", "failed"):
        raise malformed("outcome is succeeded or failed", "outcome")
    return None if outcome is None else outcome == "succeeded"


def _known(body: Object, kind: Any) -> None:
    if unknown := set(body) - {field.name for field in fields(kind)}:
        raise malformed(f"Unknown: {', '.join(sorted(unknown))}")
