"""Events as the API lists them: thirty days of them at Stripe, all of them here."""

from __future__ import annotations

from sandbox.errors import malformed
from sandbox.reading import page
from sandbox.state import Object
from sandbox.world import Call


def retrieve(call: Call) -> Object:
    return call.take("id", "event")


def every(call: Call) -> Object:
    kind, kinds = call.params.get("type"), call.params.get("types")
    if kind and kinds:
        raise malformed("You may only specify one of these parameters: type, types.", "types")
    delivered = call.params.get("delivery_success")
    found = (
        event
        for event in call.state.all("event", call.account)
        if _fits(event["type"], kind, kinds)
        and (delivered is None or delivered == (event["pending_webhooks"] == 0))
    )
    return page(call.state, call.path, call.params, found)


def _fits(type: str, kind: str | None, kinds: list[str] | None) -> bool:
    if kinds:
        return type in kinds
    if kind and kind.endswith("*"):
        return type.startswith(kind.removesuffix("*"))
    return kind in (None, type)
