"""The test cards and bank accounts of Stripe's documentation, and what becomes of a payment with each.

https://docs.stripe.com/testing
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox import document
from sandbox.errors import StripeError, invalid, malformed, missing
from sandbox.state import PLATFORM, Object
from sandbox.world import World

RAW_NUMBER = (
    "Sending credit card numbers directly to the Stripe API is generally unsafe. To continue processing use Stripe.js, "
    "the Stripe mobile bindings, or Stripe Elements."
)
ATTACHED_ELSEWHERE = (
    "This PaymentMethod was previously used without being attached to a Customer or was detached from a Customer, and "
    "may not be used again."
)


@dataclass(frozen=True)
class Outcome:
    """``code``: of the refusal; ``authenticate``: the customer has to; ``delayed``: settles when it is told to."""

    code: str | None = None
    decline_code: str | None = None
    message: str = "Your card was declined."
    authenticate: bool = False
    delayed: bool = False
    fails_later: bool = False
    disputed: str | None = None
    refund_fails: bool = False
    available_at_once: bool = False


@dataclass(frozen=True)
class Card:
    number: str
    brand: str
    outcome: Outcome = Outcome()


def _declined(decline_code: str, message: str = "Your card was declined.") -> Outcome:
    return Outcome("card_declined", decline_code, message)


_FUNDS = _declined("insufficient_funds", "Your card has insufficient funds.")
_GENERIC = _declined("generic_decline")
_EXPIRED = Outcome("expired_card", "expired_card", "Your card has expired.")
_CVC = Outcome("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
_PROCESSING = Outcome(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little bit.",
)
_AUTHENTICATE = Outcome(authenticate=True)
AUTHENTICATION_REQUIRED = Outcome(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
AUTHENTICATION_FAILED = Outcome(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)

# By the token of Stripe's documentation, ``pm_card_`` left out.
TEST_CARDS = {
    "visa": Card("4242424242424242", "visa"),
    "visa_debit": Card("4000056655665556", "visa"),
    "mastercard": Card("5555555555554444", "mastercard"),
    "mastercard_debit": Card("5200828282828210", "mastercard"),
    "amex": Card("378282246310005", "amex"),
    "discover": Card("6011111111111117", "discover"),
    "bypassPending": Card("4000000000000077", "visa", Outcome(available_at_once=True)),
    "visa_chargeDeclined": Card("4000000000000002", "visa", _GENERIC),
    "visa_chargeDeclinedInsufficientFunds": Card("4000000000009995", "visa", _FUNDS),
    "visa_chargeDeclinedLostCard": Card("4000000000009987", "visa", _declined("lost_card")),
    "visa_chargeDeclinedStolenCard": Card("4000000000009979", "visa", _declined("stolen_card")),
    "visa_chargeDeclinedFraudulent": Card("4100000000000019", "visa", _declined("fraudulent")),
    "visa_chargeDeclinedVelocityLimitExceeded": Card(
        "4000000000006975", "visa", _declined("card_velocity_exceeded")
    ),
    "chargeDeclinedExpiredCard": Card("4000000000000069", "visa", _EXPIRED),
    "chargeDeclinedIncorrectCvc": Card("4000000000000127", "visa", _CVC),
    "chargeDeclinedProcessingError": Card("4000000000000119", "visa", _PROCESSING),
    "chargeCustomerFail": Card("4000000000000341", "visa", _GENERIC),
    "authenticationRequired": Card("4000002760003184", "visa", _AUTHENTICATE),
    "authenticationRequiredOnSetup": Card("4000002500003155", "visa", _AUTHENTICATE),
    "threeDSecure2Required": Card("4000000000003220", "visa", _AUTHENTICATE),
    "threeDSecureRequired": Card("4000000000003063", "visa", _AUTHENTICATE),
    "createDispute": Card("4000000000000259", "visa", Outcome(disputed="fraudulent")),
    "createDisputeProductNotReceived": Card("4000000000002685", "visa", Outcome(disputed="product_not_received")),
    "refundFail": Card("4000000000005126", "visa", Outcome(refund_fails=True)),
}
# Names that the documentation used before.
TEST_CARDS["chargeDeclined"] = TEST_CARDS["visa_chargeDeclined"]
TEST_CARDS["chargeDeclinedInsufficientFunds"] = TEST_CARDS["visa_chargeDeclinedInsufficientFunds"]
_BY_NUMBER = {card.number: card for card in TEST_CARDS.values()}

_BANK_TOKENS = {
    "usBankAccount_success": "000123456789",
    "usBankAccount": "000123456789",
    "usBankAccount_processing": "000123456789",
    "usBankAccount_insufficientFunds": "000222222227",
    "usBankAccount_accountClosed": "000111111113",
}
_BANK_OUTCOMES = {
    "000123456789": Outcome(delayed=True),
    "000222222227": Outcome(
        "payment_method_customer_decline", None, "The customer's account has insufficient funds.", delayed=True,
        fails_later=True,
    ),
    "000111111113": Outcome(
        "bank_account_unusable", None, "The bank account has been closed.", delayed=True, fails_later=True
    ),
}  # fmt: skip


def outcome(world: World, method: Object) -> Outcome:
    """What becomes of a payment with this payment method."""
    number = world.state.kept[f"number:{method['id']}"]["number"]
    if method["type"] == "us_bank_account":
        return _BANK_OUTCOMES.get(number, Outcome(delayed=True))
    return _BY_NUMBER[number].outcome


def find(world: World, id: str, param: str, owner: str = PLATFORM) -> Object:
    """The payment method; a token such as ``pm_card_visa`` makes a new one. Raises StripeError."""
    if id.startswith("pm_card_") and (card := TEST_CARDS.get(id.removeprefix("pm_card_"))):
        return _card(world, {}, card, 12, 2034, owner)
    if number := _BANK_TOKENS.get(id.removeprefix("pm_")):
        return _bank(world, {}, number, owner)
    found = world.state.find(id, "payment_method", owner)
    if found is None:
        raise missing("PaymentMethod", id, param)
    return found


def make(world: World, params: Object, owner: str = PLATFORM) -> Object:
    """From ``type`` and the details of that type. Raises StripeError."""
    kind = params["type"]
    if kind == "card":
        return _from_card(world, params, params.get("card"), owner)
    if kind == "us_bank_account":
        details = params.get("us_bank_account") or {}
        return _bank(world, params, details.get("account_number", "000123456789"), owner)
    raise invalid(f"The sandbox has no payment methods of the type {kind}.", "type")


def _from_card(world: World, params: Object, details: Object | None, owner: str) -> Object:
    if not details:
        raise malformed("Missing required param: card.", "card", "parameter_missing")
    if token := details.get("token"):
        card = TEST_CARDS.get(token.removeprefix("tok_"))
        if card is None:
            raise missing("token", token, "card[token]")
        return _card(world, params, card, 12, 2034, owner)
    number = details["number"].replace(" ", "").replace("-", "")
    card = _BY_NUMBER.get(number)
    if card is None:
        raise _refused_number(number)
    month, year = details["exp_month"], details["exp_year"]
    if not 1 <= month <= 12:
        raise StripeError(
            402, "Your card's expiration month is invalid.", type="card_error", code="invalid_expiry_month",
            param="exp_month",
        )  # fmt: skip
    if not 2026 <= year <= 2076:
        raise StripeError(
            402, "Your card's expiration year is invalid.", type="card_error", code="invalid_expiry_year",
            param="exp_year",
        )  # fmt: skip
    return _card(world, params, card, month, year, owner)


def _refused_number(number: str) -> StripeError:
    if not (number.isdecimal() and 12 <= len(number) <= 19 and _luhn(number)):
        return StripeError(
            402, "Your card number is incorrect.", type="card_error", code="incorrect_number", param="number"
        )
    message = "Your card was declined. Your request was in test mode, but used a non test card."
    return StripeError(402, message, type="card_error", code="card_declined", decline_code="test_mode_live_card")


def _luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def _card(world: World, params: Object, card: Card, month: int, year: int, owner: str) -> Object:
    details = document.complete(
        "payment_method_card",
        {
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": month,
            "exp_year": year,
            "fingerprint": f"fp{card.number[:4]}{card.number[-8:]}",
            "funding": "credit",
            "last4": card.number[-4:],
            "networks": {"available": [card.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
        },
    )
    return _made(world, params, "card", details, card.number, owner)


def _bank(world: World, params: Object, number: str, owner: str) -> Object:
    details = document.complete(
        "payment_method_us_bank_account",
        {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "STRIPE TEST BANK",
            "last4": number[-4:],
            "routing_number": "110000000",
        },
    )
    return _made(world, params, "us_bank_account", details, number, owner)


def _made(world: World, params: Object, kind: str, details: Object, number: str, owner: str) -> Object:
    billing = document.complete("billing_details", params.get("billing_details") or {})
    billing["address"] = document.complete("address", billing["address"] or {})
    method: Object = {
        "id": world.state.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": params.get("allow_redisplay", "unspecified"),
        "billing_details": billing,
        "created": world.now(),
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": params.get("metadata") or {},
        "type": kind,
        kind: details,
    }
    # The number is in no object, so it is in no answer, event or log.
    world.state.keep(f"number:{method['id']}", {"number": number})
    return world.state.put(method, owner)
