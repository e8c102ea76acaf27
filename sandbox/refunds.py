"""Refunds of charges, with the transfer and the application fee given back in proportion."""

from __future__ import annotations

from sandbox import cards, charges, disputes, document, transfers
from sandbox.errors import invalid
from sandbox.reading import page
from sandbox.state import Object
from sandbox.world import Call, World


def create(call: Call) -> Object:
    world, params = call.world, call.params
    charge = charges.of_payment(world, params, call.account)
    amount = _amount(world, charge, params.get("amount"))
    reverse, fee_back = params.get("reverse_transfer", False), params.get("refund_application_fee", False)
    if reverse and not charge.get("transfer"):
        raise invalid(f"Charge {charge['id']} does not have an associated transfer to reverse.", "reverse_transfer")
    if fee_back and not charge["application_fee"]:
        raise invalid(f"Charge {charge['id']} does not have an application fee to refund.", "refund_application_fee")
    refunded = charge["amount_refunded"] + amount
    refund = document.complete(
        "refund",
        {
            "id": world.state.new_id("re"),
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "created": world.now(),
            "currency": charge["currency"],
            "destination_details": {"card": {"type": "refund", "reference_status": "pending"}, "type": "card"},
            "metadata": params.get("metadata") or {},
            "payment_intent": charge["payment_intent"],
            "reason": params.get("reason"),
            "status": "succeeded",
        },
    )
    world.state.put(refund, call.account)
    charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    world.state.put(charge)
    refund["balance_transaction"] = charges.book(
        world, call.account, "refund", -amount, charge["currency"], refund["id"]
    )
    if reverse:
        _reverse(world, charge, refund, refunded)
    if fee_back:
        _fee_back(world, charge, refunded)
    world.state.put(refund)
    world.emit("refund.created", refund)
    world.emit("charge.refunded", charge)
    method = world.state.find(charge["payment_method"] or "", "payment_method")
    if method is not None and cards.outcome(world, method).refund_fails:
        fail(world, refund)
    return refund


def _amount(world: World, charge: Object, given: int | None) -> int:
    if disputes.withholds(world, charge):
        raise invalid(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge", "charge_disputed"
        )
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} is {charge['status']}; cannot issue a refund.", "charge")
    left: int = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", None, "charge_already_refunded")
    amount = left if given is None else given
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount > left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})", "amount")
    return amount


def _share(whole: int, refunded: int, of: int, done: int) -> int:
    """Of the transfer or the fee, what the refunds until now make, less what was given back before."""
    return max(0, min(whole - done, whole * refunded // of - done))


def _reverse(world: World, charge: Object, refund: Object, refunded: int) -> None:
    transfer = world.take(charge["transfer"], "transfer")
    share = _share(transfer["amount"], refunded, charge["amount"], transfer["amount_reversed"])
    if share:
        made = transfers.reverse(world, transfer, share, {}, source_refund=refund["id"])
        refund["transfer_reversal"] = made["id"]


def _fee_back(world: World, charge: Object, refunded: int) -> None:
    fee = world.take(charge["application_fee"], "application_fee")
    share = _share(fee["amount"], refunded, charge["amount"], fee["amount_refunded"])
    if share:
        transfers.refund_fee(world, fee, share, {})


def fail(world: World, refund: Object) -> None:
    """The bank sends it back; the transfer stays reversed, as at Stripe."""
    if refund["status"] != "succeeded":
        raise invalid(f"This refund has a status of {refund['status']}.")
    owner = world.state.owner(refund["id"])
    charge = world.take(refund["charge"], "charge", owner=owner)
    txn = charges.book(world, owner, "refund_failure", refund["amount"], refund["currency"], refund["id"])
    refund |= {
        "status": "failed",
        "failure_reason": "lost_or_stolen_card",
        "failure_balance_transaction": txn,
    }
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    world.state.put(refund)
    world.state.put(charge)
    world.emit("refund.failed", refund)
    world.emit("charge.refund.updated", refund, {"status": "succeeded"})


def retrieve(call: Call) -> Object:
    return call.take("refund", "refund")


def every(call: Call) -> Object:
    names = {name: call.params[name] for name in ("charge", "payment_intent") if name in call.params}
    found = (
        one
        for one in call.state.all("refund", call.account)
        if all(one[name] == value for name, value in names.items())
    )
    return page(call.state, call.path, call.params, found)


def update(call: Call) -> Object:
    refund = retrieve(call)
    if before := call.changed(refund, "metadata"):
        call.state.put(refund)
        call.world.emit("refund.updated", refund, before)
    return refund
