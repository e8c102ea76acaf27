"""Confirming a PaymentIntent, and all that follows: authentication, the charge, a bank that decides later."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from sandbox import cards, charges, customers, disputes
from sandbox.cards import Outcome
from sandbox.errors import declined, invalid
from sandbox.intents import OPEN, check_method, check_secret, given_method, seen, unexpected
from sandbox.reading import rendered
from sandbox.state import Object
from sandbox.world import Call, World


def confirm(call: Call) -> Object:
    intent = call.take("intent", "payment_intent")
    check_secret(call, intent)
    return seen(call, confirm_intent(call, intent))


def confirm_intent(call: Call, intent: Object) -> Object:
    if intent["status"] == "succeeded":
        raise unexpected(
            call,
            intent,
            "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
        )
    if intent["status"] not in OPEN:
        raise unexpected(
            call,
            intent,
            f"You cannot confirm this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent"
            " with one of the following statuses may be confirmed: requires_confirmation, requires_action.",
        )
    method = given_method(call)
    if method is None and intent["payment_method"]:
        method = cards.find(call.world, intent["payment_method"], "payment_method", call.account)
    if method is None:
        raise unexpected(
            call,
            intent,
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
        )
    check_method(intent, method)
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
            "these payment methods might redirect your customer off of your page, you must provide a `return_url`. If "
            "you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to "
            "`true` and `automatic_payment_methods[allow_redirects]` to `never`.",
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
