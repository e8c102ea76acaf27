"""What Stripe answers and tells, as records of ours; of an event only where to look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from domain.payments import DisputeStatus, Incoming, Intent, ListedIntent

# Inquiries ("warning_…") and what was prevented take no money.
DISPUTES: dict[str, DisputeStatus] = {
    "needs_response": "open", "under_review": "open", "won": "won", "lost": "lost"
}  # fmt: skip
_ID = re.compile(r"[0-9a-f]{24}")


def intent_of(found: Any) -> Intent:
    transfer = found.transfer_data
    return Intent(
        id=found.id,
        status=found.status,
        amount=found.amount,
        received=found.amount_received,
        currency=found.currency,
        destination=None if transfer is None else _id_of(transfer.destination),
        declined=found.status == "requires_payment_method" and found.last_payment_error is not None,
        client_secret=found.client_secret or "",
    )


def listed_intent(found: Any) -> ListedIntent:
    charge = found.latest_charge
    return ListedIntent(
        intent=intent_of(found),
        purchase=own_id(metadata_of(found).get("purchase")),
        refunded=0 if charge is None else charge.amount_refunded,
    )


def incoming(event: dict[str, Any]) -> Incoming:
    about = event["data"]["object"]
    kind = about.get("object")
    intent = about.get("id") if kind == "payment_intent" else about.get("payment_intent")
    purchase = (about.get("metadata") or {}).get("purchase") if kind == "payment_intent" else None
    account = event.get("account") or (about.get("id") if kind == "account" else None)
    texts = {"account": account, "intent": _id_of(intent), "purchase": own_id(purchase)}
    known = {name: value for name, value in texts.items() if isinstance(value, str)}
    return Incoming(id=str(event["id"]), type=str(event["type"]), **known)


def metadata_of(found: Any) -> dict[str, Any]:
    return dict(found.metadata.to_dict()) if found.metadata else {}


def with_metadata(listed: Sequence[Any], name: str, value: str) -> Any:
    return next((one for one in listed if metadata_of(one).get(name) == value), None)


def own_id(claimed: Any) -> str | None:
    """What may be an id of ours."""
    return claimed if isinstance(claimed, str) and _ID.fullmatch(claimed) else None


def _id_of(reference: Any) -> str | None:
    """What may be expanded."""
    found = reference.get("id") if isinstance(reference, dict) else getattr(reference, "id", reference)
    return found if isinstance(found, str) else None
