"""Disputes: opened by a customer's bank, answered by the platform, won or lost."""

from __future__ import annotations

from sandbox import charges, document
from sandbox.errors import invalid
from sandbox.reading import page
from sandbox.state import Object
from sandbox.world import Call, World

_FEE = 1500
_ANSWER_SECONDS = 7 * 24 * 3600
_OPEN = ("needs_response", "under_review")
# What Stripe's documentation has a test send as evidence.
_DECIDING = {"winning_evidence": True, "losing_evidence": False}


def open(world: World, charge: Object, amount: int | None, reason: str = "fraudulent") -> Object:
    """The bank takes the money back from the platform, and a fee besides. Raises StripeError."""
    if charge["disputed"]:
        raise invalid(f"Charge {charge['id']} is disputed already.", "charge")
    if charge["status"] != "succeeded":
        raise invalid(f"Charge {charge['id']} is {charge['status']}.", "charge")
    owner, now = world.state.owner(charge["id"]), world.now()
    amount = charge["amount"] - charge["amount_refunded"] if amount is None else amount
    if not 1 <= amount <= charge["amount"]:
        raise invalid("The amount of a dispute is at most the charge's.", "amount")
    dispute: Object = {
        "id": world.state.new_id("du"),
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": now,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**document.complete("dispute_evidence", {}), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + _ANSWER_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "status": "needs_response",
    }
    world.state.put(dispute, owner)
    charge["disputed"] = True
    world.state.put(charge)
    world.emit("charge.dispute.created", dispute)
    _book(world, dispute, -amount, _FEE, "dispute")
    world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _book(world: World, dispute: Object, amount: int, fee: int, category: str) -> None:
    owner = world.state.owner(dispute["id"])
    txn = charges.book(
        world, owner, "adjustment", amount, dispute["currency"], dispute["id"], fee=fee, category=category
    )
    dispute["balance_transactions"] = [*dispute["balance_transactions"], world.state.find(txn)]
    world.state.put(dispute)


def withholds(world: World, charge: Object) -> bool:
    """Whether a bank has money of it or may keep it: then it can't be refunded. What was won can."""
    ours = (one for one in world.state.all("dispute") if one["charge"] == charge["id"])
    return charge["disputed"] and not all(one["is_charge_refundable"] for one in ours)


def end(world: World, dispute: Object, won: bool) -> None:
    """The bank's decision. Raises StripeError when there was one."""
    if dispute["status"] not in _OPEN:
        raise invalid("This dispute is already closed")
    before = {"status": dispute["status"]}
    dispute |= {"status": "won" if won else "lost", "is_charge_refundable": won}
    world.state.put(dispute)
    world.emit("charge.dispute.updated", dispute, before)
    if won:
        _book(world, dispute, dispute["amount"], 0, "dispute_reversal")
        world.emit("charge.dispute.funds_reinstated", dispute)
    world.emit("charge.dispute.closed", dispute)


def retrieve(call: Call) -> Object:
    return call.take("dispute", "dispute")


def every(call: Call) -> Object:
    names = {name: call.params[name] for name in ("charge", "payment_intent") if name in call.params}
    found = (
        one
        for one in call.state.all("dispute", call.account)
        if all(one[name] == value for name, value in names.items())
    )
    return page(call.state, call.path, call.params, found)


def update(call: Call) -> Object:
    """Evidence; handed in unless ``submit`` is false."""
    dispute = retrieve(call)
    if dispute["status"] not in _OPEN:
        raise invalid("This dispute is already closed")
    before = call.changed(dispute, "metadata")
    evidence = call.params.get("evidence") or {}
    if evidence:
        dispute["evidence"] = {**dispute["evidence"], **evidence}
        dispute["evidence_details"] = {**dispute["evidence_details"], "has_evidence": True}
    if call.params.get("submit", True) and evidence:
        before["status"] = dispute["status"]
        count = dispute["evidence_details"]["submission_count"] + 1
        dispute["evidence_details"] = {**dispute["evidence_details"], "submission_count": count}
        dispute["status"] = "under_review"
    call.state.put(dispute)
    call.world.emit("charge.dispute.updated", dispute, before)
    decision = _DECIDING.get(str(evidence.get("uncategorized_text")))
    if decision is not None and dispute["status"] == "under_review":
        end(call.world, dispute, decision)
    return dispute


def close(call: Call) -> Object:
    """The platform gives in."""
    dispute = retrieve(call)
    end(call.world, dispute, won=False)
    return dispute
