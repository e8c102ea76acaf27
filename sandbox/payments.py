"""PaymentIntents as the platform makes, changes, finds and cancels them."""

from __future__ import annotations

import re
import secrets

from sandbox import document
from sandbox.confirmations import confirm_intent
from sandbox.errors import invalid, malformed
from sandbox.intents import OPEN, check_method, check_secret, given_method, seen, unexpected
from sandbox.reading import page, rendered
from sandbox.state import PLATFORM, Object
from sandbox.world import Call, World

_MOST = 99_999_999
_LEAST = {"gbp": 30, "jpy": 50, "sek": 300, "nok": 300, "dkk": 250, "mxn": 1000, "hkd": 400, "inr": 50, "huf": 17500}
_LEAST_OF_OTHERS = 50
_CURRENCIES = {
    "usd", "aed", "aud", "brl", "cad", "chf", "cny", "czk", "dkk", "eur", "gbp", "hkd", "huf", "idr", "ils", "inr",
    "jpy", "krw", "mxn", "myr", "nok", "nzd", "php", "pln", "ron", "sar", "sek", "sgd", "thb", "try", "twd", "uah",
    "vnd", "zar",
}  # fmt: skip
_TYPES = ("card", "us_bank_account")
_SEARCHED = re.compile(
    r"^(?:metadata\[['\"]([^'\"]+)['\"]\]|(customer|status|currency|amount))\s*:\s*['\"]?([^'\"]*)['\"]?$"
)


def create(call: Call) -> Object:
    params = call.params
    if params["currency"] not in _CURRENCIES:
        raise malformed(f"Invalid currency: {params['currency']}. Stripe doesn't support it.", "currency")
    if params.get("payment_method_types") and params.get("automatic_payment_methods", {}).get("enabled"):
        raise malformed(
            "You may only specify one of these parameters: automatic_payment_methods, payment_method_types.",
            "payment_method_types",
        )
    if params.get("capture_method") == "manual":
        raise malformed("The sandbox captures automatically only.", "capture_method")
    types = params.get("payment_method_types")
    if types and not set(types) <= set(_TYPES):
        raise malformed(f"The sandbox has the payment method types {', '.join(_TYPES)} only.", "payment_method_types")
    automatic = {"allow_redirects": "always", "enabled": True, **(params.get("automatic_payment_methods") or {})}
    id = call.state.new_id("pi")
    intent = document.complete(
        "payment_intent",
        {
            "id": id,
            "object": "payment_intent",
            "amount": 0,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "automatic_payment_methods": None if types else automatic,
            "capture_method": params.get("capture_method", "automatic_async"),
            "client_secret": f"{id}_secret_{secrets.token_urlsafe(18)}",
            "confirmation_method": params.get("confirmation_method", "automatic"),
            "created": call.world.now(),
            "currency": params["currency"],
            "livemode": False,
            "metadata": {},
            "payment_method_types": types or (list(_TYPES) if params["currency"] == "usd" else ["card"]),
            "payment_method_options": {},
            "status": "requires_payment_method",
        },
    )
    _change(call, intent)
    call.state.put(intent, call.account)
    call.world.emit("payment_intent.created", intent)
    return confirm_intent(call, intent) if params.get("confirm") else intent


def _change(call: Call, intent: Object) -> Object:
    """Apply what was given. Raises StripeError before anything is changed."""
    world, params = call.world, call.params
    draft = dict(intent)
    before = call.changed(
        draft, "amount", "currency", "customer", "description", "metadata", "receipt_email", "setup_future_usage",
        "shipping", "statement_descriptor", "statement_descriptor_suffix", "transfer_group", "on_behalf_of",
        "application_fee_amount",
    )  # fmt: skip
    if "transfer_data" in params:
        data = {**(draft["transfer_data"] or {}), **params["transfer_data"]}
        if data != draft["transfer_data"]:
            before["transfer_data"] = draft["transfer_data"]
        draft["transfer_data"] = data
    _check_amount(draft)
    if draft["customer"]:
        world.take(draft["customer"], "customer", "customer", call.account)
    if data := draft["transfer_data"]:
        _check_destination(world, draft, data)
    elif draft["application_fee_amount"] and call.account == PLATFORM:
        raise invalid(
            "Can only apply an application_fee_amount when the PaymentIntent is attempting a direct payment (using an "
            "OAuth key or Stripe-Account header) or destination payment (using `transfer_data[destination]`).",
            "application_fee_amount",
        )
    if method := given_method(call):
        check_method(draft, method)
        draft |= {"payment_method": method["id"], "status": "requires_confirmation"}
    intent |= draft
    return before


def _check_amount(intent: Object) -> None:
    amount, currency = intent["amount"], intent["currency"]
    least = _LEAST.get(currency, _LEAST_OF_OTHERS)
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount < least:
        raise invalid(
            f"Amount must be at least {least} of the minor unit of {currency}", "amount", "amount_too_small"
        )
    if amount > _MOST:
        raise invalid(f"Amount must be no more than {_MOST}", "amount", "amount_too_large")


def _check_destination(world: World, intent: Object, data: Object) -> None:
    account = world.take(data["destination"], "account", "transfer_data[destination]")
    if account["capabilities"].get("transfers") != "active":
        raise invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, "
            "crypto_transfers, legacy_payments",
            "transfer_data[destination]",
            "insufficient_capabilities_for_transfer",
        )
    fee = intent["application_fee_amount"]
    if fee is not None and data.get("amount") is not None:
        raise invalid(
            "You may only provide one of application_fee_amount or transfer_data[amount].", "transfer_data[amount]"
        )
    if fee is not None and not 0 < fee <= intent["amount"]:
        raise invalid(
            "The application fee must be positive and no greater than the amount.", "application_fee_amount"
        )
    if data.get("amount") is not None and not 0 < data["amount"] <= intent["amount"]:
        raise invalid("The transfer amount must be no greater than the amount.", "transfer_data[amount]")


def retrieve(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    check_secret(call, intent)
    return seen(call, intent)


def every(call: Call) -> Object:
    customer = call.params.get("customer")
    found = (one for one in call.state.all("payment_intent", call.account) if customer in (None, one["customer"]))
    return page(call.state, call.path, call.params, found)


def search(call: Call) -> Object:
    """``metadata['name']:'value'`` and a few fields, joined by AND. Stripe's index lags behind by up to a minute."""
    terms = []
    for clause in re.split(r"\s+AND\s+", call.params["query"]):
        found = _SEARCHED.match(clause.strip())
        if found is None:
            raise malformed(f"The sandbox does not understand the clause {clause[:100]}.", "query")
        terms.append(found.groups())
    matching = [
        rendered(call.state, one)
        for one in call.state.all("payment_intent", call.account)
        if all(str(one["metadata"].get(key) if key else one[name]) == value for key, name, value in terms)
    ]
    place = call.params.get("page", "0")
    if not place.isdecimal():
        raise malformed("Invalid page.", "page")
    start = int(place)
    end = start + call.params.get("limit", 10)
    more = len(matching) > end
    return {
        "object": "search_result",
        "data": matching[start:end],
        "has_more": more,
        "next_page": str(end) if more else None,
        "url": call.path,
    }


def update(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    if intent["status"] not in OPEN and set(call.params) - {"metadata", "description", "receipt_email", "expand"}:
        raise unexpected(call, intent, f"This PaymentIntent could not be updated because it has a status of "
                          f"{intent['status']}.")  # fmt: skip
    _change(call, intent)
    call.state.put(intent)
    return intent


def cancel(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    if intent["status"] not in (*OPEN, "requires_capture"):
        raise unexpected(
            call,
            intent,
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
            "with one of the following statuses may be canceled: requires_payment_method, requires_capture, "
            "requires_confirmation, requires_action, processing.",
        )
    intent |= {
        "status": "canceled",
        "canceled_at": call.world.now(),
        "cancellation_reason": call.params.get("cancellation_reason"),
        "next_action": None,
    }
    call.state.put(intent)
    call.world.emit("payment_intent.canceled", intent)
    return intent
