"""What a payment does to money: the charge, the transfer to the trainer, the application fee, and the balances."""

from __future__ import annotations

from typing import Literal

from sandbox import document
from sandbox.cards import Outcome
from sandbox.errors import invalid, missing
from sandbox.reading import page
from sandbox.state import PLATFORM, Object
from sandbox.world import Call, World

_PENDING_SECONDS = 2 * 24 * 3600

# Of a balance transaction, and how reports call it.
Kind = Literal[
    "charge", "payment", "refund", "payment_refund", "transfer", "transfer_refund", "application_fee",
    "application_fee_refund", "adjustment", "refund_failure", "topup", "payout",
]  # fmt: skip
_CATEGORIES = {
    "payment": "charge",
    "payment_refund": "refund",
    "transfer_refund": "transfer_reversal",
    "application_fee": "platform_earning",
    "application_fee_refund": "platform_earning_refund",
    "adjustment": "dispute",
}


def stripes_fee(amount: int) -> int:
    """2.9 % and 30 of the currency's minor units."""
    return round(amount * 0.029) + 30


def book(
    world: World, owner: str, kind: Kind, amount: int, currency: str, source: str | None, *,
    fee: int = 0, pending: bool = False, category: str | None = None, fee_kind: str = "stripe_fee",
) -> str:  # fmt: skip
    """A balance transaction of ``owner``; answers its id."""
    now = world.now()
    fees = [{"amount": fee, "application": None, "currency": currency, "description": None, "type": fee_kind}]
    txn = document.complete(
        "balance_transaction",
        {
            "id": world.state.new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": now + (_PENDING_SECONDS if pending else 0),
            "balance_type": "payments",
            "created": now,
            "currency": currency,
            "fee": fee,
            "fee_details": fees if fee else [],
            "net": amount - fee,
            "reporting_category": category or _CATEGORIES.get(kind, kind),
            "source": source,
            "status": "pending" if pending else "available",
            "type": kind,
        },
    )
    world.state.put(txn, owner)
    found: str = txn["id"]
    return found


def charge(world: World, intent: Object, method: Object, outcome: Outcome, owner: str) -> Object:
    """A charge of the intent: failed where the outcome has a code, pending where it is delayed."""
    failed = outcome.code is not None and not outcome.delayed
    status = "failed" if failed else "pending" if outcome.delayed else "succeeded"
    kind = method["type"]
    made = document.complete(
        "charge",
        {
            "id": world.state.new_id("py" if outcome.delayed else "ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": 0 if failed else intent["amount"],
            "amount_refunded": 0,
            "application_fee_amount": intent["application_fee_amount"],
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "SPOTTER",
            "captured": not failed,
            "created": world.now(),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "fraud_details": {},
            "livemode": False,
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": intent["on_behalf_of"],
            "outcome": _outcome(outcome, failed),
            "paid": not failed and not outcome.delayed,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"type": kind, kind: _details(method)},
            "receipt_email": intent["receipt_email"],
            "refunded": False,
            "status": status,
            "transfer_group": intent["transfer_group"],
        },
    )
    if data := intent["transfer_data"]:
        made["transfer_data"] = {"amount": data.get("amount"), "destination": data["destination"]}
    world.state.put(made, owner)
    if failed:
        fail(world, made, outcome)
    elif not outcome.delayed:
        settle(world, made, outcome)
    else:
        world.emit("charge.pending", made)
    return made


def _outcome(outcome: Outcome, failed: bool) -> Object:
    return document.complete(
        "charge_outcome",
        {
            "network_status": "declined_by_network" if failed else "approved_by_network",
            "reason": outcome.decline_code if failed else None,
            "risk_level": "normal",
            "risk_score": 17,
            "seller_message": "The bank did not return any further details." if failed else "Payment complete.",
            "type": "issuer_declined" if failed else "authorized",
        },
    )


def _details(method: Object) -> Object:
    schema = f"payment_method_details_{method['type']}"
    known = document.properties(schema)
    shared = {name: value for name, value in method[method["type"]].items() if name in known}
    return document.complete(schema, {**shared, **({"network": method["card"]["brand"]} if "card" in method else {})})


def fail(world: World, charge: Object, outcome: Outcome) -> None:
    charge |= {
        "failure_code": outcome.code,
        "failure_message": outcome.message,
        "status": "failed",
        "paid": False,
        "captured": charge["captured"],
    }
    world.state.put(charge)
    world.emit("charge.failed", charge)


def settle(world: World, charge: Object, outcome: Outcome) -> None:
    """The money arrives, and goes on to the destination, less the application fee."""
    owner, currency, pending = world.state.owner(charge["id"]), charge["currency"], not outcome.available_at_once
    kind: Kind = "payment" if charge["id"].startswith("py_") else "charge"
    charge |= {"paid": True, "status": "succeeded", "captured": True, "amount_captured": charge["amount"]}
    charge["receipt_url"] = f"{world.url}/_sandbox/receipts/{charge['id']}"
    charge["balance_transaction"] = book(
        world, owner, kind, charge["amount"], currency, charge["id"], fee=stripes_fee(charge["amount"]), pending=pending
    )
    world.state.put(charge)
    if data := charge["transfer_data"]:
        amount = charge["amount"] if data["amount"] is None else data["amount"]
        group = charge["transfer_group"] or f"group_{charge['payment_intent']}"
        made = transfer(world, data["destination"], amount, currency, charge["id"], group, pending)
        charge |= {"transfer": made["id"], "transfer_group": group}
        if fee := charge["application_fee_amount"]:
            charge["application_fee"] = _fee(world, charge, made, fee, pending)["id"]
        world.state.put(charge)
    world.emit("charge.succeeded", charge)


def transfer(
    world: World, destination: str, amount: int, currency: str, source: str | None, group: str | None, pending: bool,
    given: Object | None = None,
) -> Object:  # fmt: skip
    """With the payment that arrives at the connected account."""
    state, now = world.state, world.now()
    payment = document.complete(
        "charge",
        {
            "id": state.new_id("py"),
            "object": "charge",
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": 0,
            "billing_details": document.complete("billing_details", {}),
            "captured": True,
            "created": now,
            "currency": currency,
            "disputed": False,
            "fraud_details": {},
            "livemode": False,
            "metadata": {},
            "paid": True,
            "refunded": False,
            "status": "succeeded",
        },
    )
    payment["balance_transaction"] = book(
        world, destination, "payment", amount, currency, payment["id"], pending=pending
    )
    made: Object = {
        "id": state.new_id("tr"),
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "created": now,
        "currency": currency,
        "description": None,
        "destination": destination,
        "destination_payment": payment["id"],
        "livemode": False,
        "metadata": {},
        "reversed": False,
        "source_transaction": source,
        "source_type": "card",
        "transfer_group": group,
        **(given or {}),
    }
    made["balance_transaction"] = book(world, PLATFORM, "transfer", -amount, currency, made["id"], pending=pending)
    payment["source_transfer"] = made["id"]
    state.put(payment, destination)
    state.put(made, PLATFORM)
    world.emit("payment.created", payment)
    world.emit("transfer.created", made)
    return made


def _fee(world: World, charge: Object, transfer: Object, amount: int, pending: bool) -> Object:
    account, currency = transfer["destination"], charge["currency"]
    fee = document.complete(
        "application_fee",
        {
            "id": world.state.new_id("fee"),
            "object": "application_fee",
            "account": account,
            "amount": amount,
            "amount_refunded": 0,
            "application": "ca_sandbox",
            "charge": transfer["destination_payment"],
            "created": world.now(),
            "currency": currency,
            "livemode": False,
            "originating_transaction": charge["id"],
            "refunded": False,
        },
    )
    fee["balance_transaction"] = book(world, PLATFORM, "application_fee", amount, currency, fee["id"], pending=pending)
    payment = world.take(transfer["destination_payment"], "charge", owner=account)
    payment |= {"application_fee": fee["id"], "application_fee_amount": amount}
    txn = world.take(payment["balance_transaction"], "balance_transaction", owner=account)
    detail = {"amount": amount, "application": "ca_sandbox", "currency": currency, "description": None}
    txn |= {"fee": amount, "net": txn["amount"] - amount, "fee_details": [{**detail, "type": "application_fee"}]}
    world.state.put(payment)
    world.state.put(txn)
    world.state.put(fee, PLATFORM)
    world.emit("application_fee.created", fee)
    return fee


def retrieve(call: Call) -> Object:
    return call.take("charge", "charge")


def every(call: Call) -> Object:
    fields = ("customer", "payment_intent", "transfer_group")
    names = {name: call.params[name] for name in fields if name in call.params}
    found = (
        one
        for one in call.state.all("charge", call.account)
        if all(one[name] == value for name, value in names.items())
    )
    return page(call.state, call.path, call.params, found)


def update(call: Call) -> Object:
    found = retrieve(call)
    if before := call.changed(found, "description", "metadata", "receipt_email", "transfer_group"):
        call.state.put(found)
        call.world.emit("charge.updated", found, before)
    return found


def of_payment(world: World, params: Object, owner: str) -> Object:
    """The charge that a refund or a dispute names, by itself or by its payment intent. Raises StripeError."""
    if id := params.get("charge"):
        found = world.state.find(id, "charge", owner)
        if found is None:
            raise missing("charge", id, "charge")
        return found
    if not (id := params.get("payment_intent")):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    intent = world.take(id, "payment_intent", "payment_intent", owner)
    if intent["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({id}) does not have a successful charge to refund.",
            "payment_intent",
            "payment_intent_unexpected_state",
        )
    return world.take(intent["latest_charge"], "charge", owner=owner)
