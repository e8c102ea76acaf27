"""Connected accounts: made by the platform, completed by their owners on a page, restricted by Stripe."""

from __future__ import annotations

import secrets

from sandbox import document
from sandbox.errors import StripeError, invalid, malformed
from sandbox.reading import page
from sandbox.state import PLATFORM, Object
from sandbox.world import Call, World, require

_LINK_SECONDS = 300
_DUE = ["business_type", "external_account", "tos_acceptance.date", "tos_acceptance.ip"]
_CURRENCIES = {"US": "usd", "GB": "gbp", "CA": "cad", "AU": "aud", "JP": "jpy", "CH": "chf", "IN": "inr", "SE": "sek"}


def create(call: Call) -> Object:
    params = call.params
    if params.get("type") and params.get("controller"):
        raise invalid("You may not provide the `type` parameter and `controller` parameters simultaneously.", "type")
    dashboard = params.get("controller", {}).get("stripe_dashboard", {}).get("type", "full")
    kind = params.get("type") or {"express": "express", "none": "none"}.get(dashboard, "none")
    country = params.get("country", "US")
    account: Object = {
        "id": call.state.new_id("acct", 16),
        "object": "account",
        "business_profile": document.complete("account_business_profile", params.get("business_profile", {})),
        "business_type": params.get("business_type"),
        "capabilities": {name: "inactive" for name, one in params.get("capabilities", {}).items() if one["requested"]},
        "charges_enabled": False,
        "controller": _controller(kind, params.get("controller", {})),
        "country": country,
        "created": call.world.now(),
        "default_currency": params.get("default_currency") or _CURRENCIES.get(country, "eur"),
        "details_submitted": False,
        "email": params.get("email"),
        "metadata": params.get("metadata") or {},
        "payouts_enabled": False,
        "requirements": _requirements(_DUE, "requirements.past_due"),
        "type": kind,
    }
    if kind == "standard" and not account["capabilities"]:
        account["capabilities"] = {"card_payments": "inactive", "transfers": "inactive"}
    return call.state.put(account, PLATFORM)


def _controller(kind: str, given: Object) -> Object:
    express = kind == "express"
    payer = given.get("fees", {}).get("payer") or ("application_express" if express else "account")
    losses = given.get("losses", {}).get("payments") or ("application" if kind in ("express", "custom") else "stripe")
    usual = {"express": "express", "custom": "none"}.get(kind, "full")
    dashboard = given.get("stripe_dashboard", {}).get("type") or usual
    return {
        "type": "application",
        "is_controller": True,
        "fees": {"payer": payer},
        "losses": {"payments": losses},
        "requirement_collection": given.get("requirement_collection", "stripe"),
        "stripe_dashboard": {"type": dashboard},
    }


def _requirements(due: list[str], reason: str | None) -> Object:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": reason,
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    }


def retrieve(call: Call) -> Object:
    return call.world.take(call.variables["account"], "account")


def own(call: Call) -> Object:
    if call.account == PLATFORM:
        return document.complete(
            "account", {"id": PLATFORM, "object": "account", "type": "standard", "country": "US", "email": None}
        )
    return call.world.take(call.account, "account")


def every(call: Call) -> Object:
    return page(call.state, call.path, call.params, call.state.all("account"))


def update(call: Call) -> Object:
    account = retrieve(call)
    before = call.changed(account, "email", "metadata", "business_type", "default_currency")
    for name, one in call.params.get("capabilities", {}).items():
        active = "active" if account["details_submitted"] else "inactive"
        if one.get("requested"):
            account["capabilities"].setdefault(name, active)
        else:
            account["capabilities"].pop(name, None)
    call.state.put(account)
    if before or "capabilities" in call.params:
        emit_updated(call.world, account, before)
    return account


def delete(call: Call) -> Object:
    account = retrieve(call)
    if any(txn["net"] for txn in call.state.all("balance_transaction", account["id"])):
        raise invalid("An account with a balance cannot be deleted.")
    call.state.delete(account["id"])
    call.state.put({"id": account["id"], "object": "deleted_account"})
    return {"id": account["id"], "object": "account", "deleted": True}


def emit_updated(world: World, account: Object, before: Object | None = None) -> None:
    world.emit("account.updated", account, before, owner=account["id"])


# Account links: single use, for minutes.


def link(call: Call) -> Object:
    account = call.world.take(call.params["account"], "account", "account")
    require(call, "refresh_url", "return_url")
    for name in ("refresh_url", "return_url"):
        if not call.params[name].startswith(("http://", "https://")):
            raise malformed("Not a valid URL", name, "url_invalid")
    if call.params["type"] == "account_update" and account["type"] != "custom":
        raise invalid("You cannot create `account_update` type Account Links for this account.", "type")
    token, now = secrets.token_urlsafe(24), call.world.now()
    kept = {name: call.params[name] for name in ("account", "refresh_url", "return_url")}
    call.state.keep(f"link:{token}", {**kept, "expires_at": now + _LINK_SECONDS})
    url = f"{call.world.url}/_sandbox/onboarding/{token}"
    return {"object": "account_link", "created": now, "expires_at": now + _LINK_SECONDS, "url": url}


def find_link(world: World, token: str) -> tuple[Object | None, bool]:
    """The link, and whether it is still good; None for one that never was."""
    found = world.state.kept.get(f"link:{token}")
    return found, found is not None and not found.get("used") and world.now() < found["expires_at"]


def complete_onboarding(world: World, account: Object) -> None:
    before = {name: account[name] for name in ("charges_enabled", "payouts_enabled", "details_submitted")}
    account |= {
        "charges_enabled": True,
        "payouts_enabled": True,
        "details_submitted": True,
        "business_type": account["business_type"] or "individual",
        "capabilities": dict.fromkeys(account["capabilities"], "active"),
        "requirements": _requirements([], None),
    }
    world.state.put(account)
    emit_updated(world, account, before)


def restrict(world: World, account: Object, charges: bool, payouts: bool) -> None:
    """What Stripe does to an account that owes it an answer, or undoes."""
    before = {name: account[name] for name in ("charges_enabled", "payouts_enabled")}
    due = [] if charges and payouts else ["individual.verification.document"]
    account |= {
        "charges_enabled": charges,
        "payouts_enabled": payouts,
        "capabilities": dict.fromkeys(account["capabilities"], "active" if charges else "inactive"),
        "requirements": _requirements(due, "requirements.past_due" if due else None),
    }
    world.state.put(account)
    emit_updated(world, account, before)


def login_link(call: Call) -> Object:
    account = retrieve(call)
    if account["controller"]["stripe_dashboard"]["type"] != "express":
        raise invalid("Cannot create a login link for an account that has no Express Dashboard.")
    if not account["details_submitted"]:
        raise StripeError(400, "Cannot create a login link for an account that has not completed onboarding.")
    token = secrets.token_urlsafe(24)
    call.state.keep(f"login:{token}", {"account": account["id"]})
    url = f"{call.world.url}/_sandbox/dashboard/{token}"
    return {"object": "login_link", "created": call.world.now(), "url": url}
