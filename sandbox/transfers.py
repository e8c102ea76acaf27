"""Transfers to connected accounts, their reversals, application fees and their refunds."""

from __future__ import annotations

from sandbox import charges, document
from sandbox.balances import available
from sandbox.errors import invalid
from sandbox.reading import page
from sandbox.state import PLATFORM, Object
from sandbox.world import Call, World


def create(call: Call) -> Object:
    world, params = call.world, call.params
    account = world.take(params["destination"], "account", "destination")
    if account["capabilities"].get("transfers") != "active":
        raise invalid(
            "Your destination account needs to have at least one of the following capabilities enabled: transfers, "
            "crypto_transfers, legacy_payments",
            "destination",
            "insufficient_capabilities_for_transfer",
        )
    amount, currency = params.get("amount"), params["currency"]
    source, group = params.get("source_transaction"), params.get("transfer_group")
    if source:
        amount, group = _of_charge(world, source, amount, currency, group)
    elif amount is None:
        raise invalid("Missing required param: amount.", "amount", "parameter_missing")
    elif amount > available(world, PLATFORM, currency):
        raise invalid(
            "You have insufficient available funds in your Stripe account. Try adding funds directly to your available "
            "balance by creating Charges using the 4000000000000077 test card.",
            None,
            "balance_insufficient",
        )
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    given = {"description": params.get("description"), "metadata": params.get("metadata") or {}}
    return charges.transfer(world, account["id"], amount, currency, source, group, False, given)


def _of_charge(
    world: World, source: str, amount: int | None, currency: str, group: str | None
) -> tuple[int, str | None]:
    charge = world.take(source, "charge", "source_transaction")
    if charge["currency"] != currency:
        raise invalid("The currency of source_transaction's balance transaction must be the transfer's.", "currency")
    if charge["status"] == "failed":
        raise invalid("The source_transaction failed.", "source_transaction")
    used = sum(
        one["amount"] - one["amount_reversed"]
        for one in world.state.all("transfer", PLATFORM)
        if one["source_transaction"] == source
    )
    left = charge["amount"] - used
    if amount is None:
        amount = left
    if amount > left:
        raise invalid(f"Transfers using this transaction as a source must not exceed the source amount of {left}.",
                      "amount")  # fmt: skip
    return amount, group or charge["transfer_group"]


def retrieve(call: Call) -> Object:
    return call.take("transfer", "transfer")


def every(call: Call) -> Object:
    names = {name: call.params[name] for name in ("destination", "transfer_group") if name in call.params}
    found = (
        one
        for one in call.state.all("transfer", call.account)
        if all(one[name] == value for name, value in names.items())
    )
    return page(call.state, call.path, call.params, found)


def create_reversal(call: Call) -> Object:
    transfer = call.take("id", "transfer")
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = call.params.get("amount", left)
    if left == 0:
        raise invalid(f"Transfer {transfer['id']} is already fully reversed.", None, "transfer_already_reversed")
    if not 1 <= amount <= left:
        raise invalid(f"Reversal amount ({amount}) is greater than unreversed amount on transfer ({left})", "amount")
    made = reverse(call.world, transfer, amount, call.params.get("metadata") or {})
    if call.params.get("refund_application_fee"):
        payment = call.world.take(transfer["destination_payment"], "charge", owner=transfer["destination"])
        if payment["application_fee"]:
            fee = call.world.take(payment["application_fee"], "application_fee")
            share = fee["amount"] * transfer["amount_reversed"] // transfer["amount"] - fee["amount_refunded"]
            if share > 0:
                refund_fee(call.world, fee, share, {})
    return made


def reverse(
    world: World, transfer: Object, amount: int, metadata: Object, source_refund: str | None = None
) -> Object:
    """Takes it from the connected account, whose balance may go below zero."""
    state, currency, account = world.state, transfer["currency"], transfer["destination"]
    payment = world.take(transfer["destination_payment"], "charge", owner=account)
    back = document.complete(
        "refund",
        {
            "id": state.new_id("pyr"),
            "object": "refund",
            "amount": amount,
            "charge": payment["id"],
            "created": world.now(),
            "currency": currency,
            "metadata": {},
            "status": "succeeded",
        },
    )
    made = document.complete(
        "transfer_reversal",
        {
            "id": state.new_id("trr"),
            "object": "transfer_reversal",
            "amount": amount,
            "created": world.now(),
            "currency": currency,
            "destination_payment_refund": back["id"],
            "metadata": metadata,
            "source_refund": source_refund,
            "transfer": transfer["id"],
        },
    )
    back["source_transfer_reversal"] = made["id"]
    back["balance_transaction"] = charges.book(world, account, "payment_refund", -amount, currency, back["id"])
    made["balance_transaction"] = charges.book(world, PLATFORM, "transfer_refund", amount, currency, made["id"])
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    payment["amount_refunded"] += amount
    payment["refunded"] = payment["amount_refunded"] == payment["amount"]
    state.put(back, account)
    state.put(made, PLATFORM)
    state.put(transfer)
    state.put(payment)
    world.emit("transfer.reversed", transfer)
    return made


def reversals(call: Call) -> Object:
    transfer = call.take("id", "transfer")
    found = (one for one in call.state.all("transfer_reversal") if one["transfer"] == transfer["id"])
    return page(call.state, call.path, call.params, found)


def reversal(call: Call) -> Object:
    call.take("transfer", "transfer")
    return call.take("id", "transfer_reversal")


# Application fees.


def fee(call: Call) -> Object:
    return call.take("id", "application_fee")


def fees(call: Call) -> Object:
    charge = call.params.get("charge")
    found = (
        one
        for one in call.state.all("application_fee", call.account)
        if charge in (None, one["charge"], one["originating_transaction"])
    )
    return page(call.state, call.path, call.params, found)


def create_fee_refund(call: Call) -> Object:
    found = fee(call)
    left = found["amount"] - found["amount_refunded"]
    amount = call.params.get("amount", left)
    if left == 0:
        raise invalid(f"Application fee {found['id']} has already been refunded.", None, "fee_already_refunded")
    if not 1 <= amount <= left:
        raise invalid(f"Refund amount ({amount}) is greater than unrefunded amount on fee ({left})", "amount")
    return refund_fee(call.world, found, amount, call.params.get("metadata") or {})


def refund_fee(world: World, fee: Object, amount: int, metadata: Object) -> Object:
    """From the platform to the connected account."""
    made = document.complete(
        "fee_refund",
        {
            "id": world.state.new_id("fr"),
            "object": "fee_refund",
            "amount": amount,
            "created": world.now(),
            "currency": fee["currency"],
            "fee": fee["id"],
            "metadata": metadata,
        },
    )
    currency, account = fee["currency"], fee["account"]
    made["balance_transaction"] = charges.book(world, PLATFORM, "application_fee_refund", -amount, currency, made["id"])
    charges.book(world, account, "adjustment", amount, currency, fee["charge"], category="fee")
    fee["amount_refunded"] += amount
    fee["refunded"] = fee["amount_refunded"] == fee["amount"]
    world.state.put(made, PLATFORM)
    world.state.put(fee)
    world.emit("application_fee.refunded", fee)
    return made


def fee_refunds(call: Call) -> Object:
    found = fee(call)
    every = (one for one in call.state.all("fee_refund") if one["fee"] == found["id"])
    return page(call.state, call.path, call.params, every)
