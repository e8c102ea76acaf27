"""PaymentIntents: made and changed by the platform's key, confirmed by it or by a phone with the client secret."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any

from sandbox import cards, charges, customers, disputes, document
from sandbox.cards import Outcome
from sandbox.errors import StripeError, declined, invalid, malformed
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
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_TYPES = ("card", "us_bank_account")
_CLIENT_FIELDS = (
    "id", "object", "amount", "automatic_payment_methods", "canceled_at", "cancellation_reason", "capture_method",
    "client_secret", "confirmation_method", "created", "currency", "description", "last_payment_error", "livemode",
    "next_action", "payment_method", "payment_method_types", "processing", "receipt_email", "setup_future_usage",
    "shipping", "status",
)  # fmt: skip
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
    return _confirm(call, intent) if params.get("confirm") else intent


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
    if method := _given_method(call):
        _check_method(draft, method)
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


def _given_method(call: Call) -> Object | None:
    params = call.params
    if id := params.get("payment_method"):
        return cards.find(call.world, id, "payment_method", call.account)
    if data := params.get("payment_method_data"):
        if call.key == "secret" and "number" in (data.get("card") or {}):
            raise StripeError(402, cards.RAW_NUMBER)
        return cards.make(call.world, data, call.account)
    return None


def _check_method(intent: Object, method: Object) -> None:
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


def retrieve(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    _check_secret(call, intent)
    return seen(call, intent)


def seen(call: Call, intent: Object) -> Object:
    """A publishable key is shown what a customer may see."""
    if call.key == "secret":
        return intent
    return {name: intent[name] for name in _CLIENT_FIELDS}


def _check_secret(call: Call, intent: Object) -> None:
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
    start = int(call.params.get("page", "0") or 0)
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
    if intent["status"] not in _OPEN and set(call.params) - {"metadata", "description", "receipt_email", "expand"}:
        raise _unexpected(call, intent, f"This PaymentIntent could not be updated because it has a status of "
                          f"{intent['status']}.")  # fmt: skip
    _change(call, intent)
    call.state.put(intent)
    return intent


def _unexpected(call: Call, intent: Object, message: str) -> StripeError:
    shown = rendered(call.state, seen(call, intent))
    return StripeError(400, message, code="payment_intent_unexpected_state", payment_intent=shown)


def cancel(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    if intent["status"] not in (*_OPEN, "requires_capture"):
        raise _unexpected(
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


def confirm(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    _check_secret(call, intent)
    return seen(call, _confirm(call, intent))


def _confirm(call: Call, intent: Object) -> Object:
    if intent["status"] == "succeeded":
        raise _unexpected(
            call,
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
        )
    if intent["status"] not in _OPEN:
        raise _unexpected(
            call,
            intent,
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent"
            " with one of the following statuses may be confirmed: requires_confirmation, requires_action.",
        )
    method = _given_method(call)
    if method is None and intent["payment_method"]:
        method = cards.find(call.world, intent["payment_method"], "payment_method", call.account)
    if method is None:
        raise _unexpected(
            call,
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
        )
    _check_method(intent, method)
    _check_return(call, intent)
    outcome = cards.outcome(call.world, method)
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    call.changed(intent, "setup_future_usage", "receipt_email", "shipping")
    if outcome.authenticate and call.params.get("off_session"):
        outcome = replace(cards.AUTHENTICATION_REQUIRED)
    if outcome.authenticate:
        return _ask(call, intent)
    return pay(call.world, intent, method, outcome, shown=lambda: rendered(call.state, seen(call, intent)))


def _check_return(call: Call, intent: Object) -> None:
    automatic = intent["automatic_payment_methods"]
    if call.key != "secret" or not automatic or automatic["allow_redirects"] == "never":
        return
    if not call.params.get("return_url") and not call.params.get("use_stripe_sdk"):
        raise invalid(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of "
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you "
            "don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` "
            "and `automatic_payment_methods[allow_redirects]` to `never`.",
            "return_url",
        )


def _ask(call: Call, intent: Object) -> Object:
    """The customer has to authenticate, on the page that the next action names."""
    token = secrets.token_urlsafe(24)
    call.state.keep(f"authentication:{token}", {"intent": intent["id"], "return_url": call.params.get("return_url")})
    url = f"{call.world.url}/_sandbox/authenticate/{token}"
    action: dict[str, Any]
    if call.params.get("return_url"):
        target = {"return_url": call.params["return_url"], "url": url}
        action = {"type": "redirect_to_url", "redirect_to_url": target}
    else:
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": url}}
    intent |= {"status": "requires_action", "next_action": action}
    call.state.put(intent)
    call.world.emit("payment_intent.requires_action", intent)
    return intent


def authenticated(world: World, intent: Object, passed: bool) -> None:
    """The customer did, or could not."""
    if intent["status"] != "requires_action":
        raise invalid(f"This PaymentIntent has a status of {intent['status']}.")
    intent["next_action"] = None
    method = world.take(intent["payment_method"], "payment_method", owner=world.state.owner(intent["id"]))
    if passed:
        pay(world, intent, method, Outcome())
        return
    _refuse(world, intent, method, cards.AUTHENTICATION_FAILED, None)


def pay(world: World, intent: Object, method: Object, outcome: Outcome, shown: Any = None) -> Object:
    """Charge. Raises StripeError for a decline when ``shown``, the intent as the caller may see it, is given."""
    owner = world.state.owner(intent["id"])
    made = charges.charge(world, intent, method, outcome, owner)
    intent["latest_charge"] = made["id"]
    if made["status"] == "failed":
        _refuse(world, intent, method, outcome, made["id"])
        if shown is None:
            return intent
        assert outcome.code is not None
        raise declined(
            outcome.code,
            outcome.decline_code,
            outcome.message,
            charge=made["id"],
            payment_intent=shown(),
            payment_method=rendered(world.state, method),
        )
    if made["status"] == "pending":
        intent["status"] = "processing"
        world.state.put(intent)
        world.emit("payment_intent.processing", intent)
        return intent
    _succeed(world, intent, method, made, outcome)
    return intent


def _succeed(world: World, intent: Object, method: Object, made: Object, outcome: Outcome) -> None:
    intent |= {"status": "succeeded", "amount_received": intent["amount"], "processing": None}
    if intent["customer"] and intent["setup_future_usage"] and not method["customer"]:
        customers.attach_to(world, method, intent["customer"])
    elif not method["customer"]:
        customers.spend(world, method)
    world.state.put(intent)
    world.emit("payment_intent.succeeded", intent)
    if outcome.disputed:
        disputes.open(world, made, made["amount"], outcome.disputed)


def _refuse(world: World, intent: Object, method: Object, outcome: Outcome, charge: str | None) -> None:
    error = {"type": "card_error" if method["type"] == "card" else "invalid_request_error", "code": outcome.code}
    error |= {"message": outcome.message, "decline_code": outcome.decline_code, "charge": charge}
    problem: Object = {name: value for name, value in error.items() if value is not None}
    problem["payment_method"] = rendered(world.state, method)
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_payment_error": problem}
    world.state.put(intent)
    world.emit("payment_intent.payment_failed", intent)


def settle(world: World, intent: Object, succeeded: bool | None = None) -> None:
    """What the bank decides about a delayed payment; None for what its test account stands for."""
    if intent["status"] != "processing":
        raise invalid(f"This PaymentIntent has a status of {intent['status']}.")
    owner = world.state.owner(intent["id"])
    method = world.take(intent["payment_method"], "payment_method", owner=owner)
    made = world.take(intent["latest_charge"], "charge", owner=owner)
    outcome = cards.outcome(world, method)
    if succeeded if succeeded is not None else not outcome.fails_later:
        charges.settle(world, made, Outcome())
        _succeed(world, intent, method, made, Outcome())
        return
    if outcome.code is None:
        outcome = Outcome("payment_intent_payment_attempt_failed", None, "The payment failed.")
    charges.fail(world, made, outcome)
    _refuse(world, intent, method, outcome, made["id"])
