"""What every operation on a PaymentIntent has to know: who may see what of it, and with what it can be paid."""

from __future__ import annotations

import secrets

from sandbox import cards
from sandbox.errors import StripeError, invalid, malformed
from sandbox.reading import rendered
from sandbox.state import Object
from sandbox.world import Call

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_CLIENT_FIELDS = (
    "id", "object", "amount", "automatic_payment_methods", "canceled_at", "cancellation_reason", "capture_method",
    "client_secret", "confirmation_method", "created", "currency", "description", "last_payment_error", "livemode",
    "next_action", "payment_method", "payment_method_types", "processing", "receipt_email", "setup_future_usage",
    "shipping", "status",
)  # fmt: skip


def seen(call: Call, intent: Object) -> Object:
    """A publishable key is shown what a customer may see."""
    if call.key == "secret":
        return intent
    return {name: intent[name] for name in _CLIENT_FIELDS}


def check_secret(call: Call, intent: Object) -> None:
    given = call.params.get("client_secret")
    if given is None and call.key == "secret":
        return
    if given is None:
        raise malformed("Missing required param: client_secret.", "client_secret", "parameter_missing")
    if not secrets.compare_digest(given.encode(), intent["client_secret"].encode()):
        raise invalid(
            "The client_secret provided does not match any associated PaymentIntent on this account. Ensure the "
            "client_secret and the PaymentIntent belong to the same account.",
            "client_secret",
        )


def given_method(call: Call) -> Object | None:
    params = call.params
    if id := params.get("payment_method"):
        return cards.find(call.world, id, "payment_method", call.account)
    if data := params.get("payment_method_data"):
        if call.key == "secret" and "number" in (data.get("card") or {}):
            raise StripeError(402, cards.RAW_NUMBER)
        return cards.make(call.world, data, call.account)
    return None


def check_method(intent: Object, method: Object) -> None:
    if method["type"] not in intent["payment_method_types"]:
        raise invalid(
            f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent.", "payment_method"
        )
    if method["customer"] not in (None, intent["customer"]):
        raise invalid(
            "The provided PaymentMethod is attached to a Customer. Please include that Customer in the `customer` "
            "parameter of the request.",
            "payment_method",
        )


def unexpected(call: Call, intent: Object, message: str) -> StripeError:
    shown = rendered(call.state, seen(call, intent))
    return StripeError(400, message, code="payment_intent_unexpected_state", payment_intent=shown)
