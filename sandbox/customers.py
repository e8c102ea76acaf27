"""Customers, their saved payment methods, and the sessions by which a phone's payment sheet offers those."""

from __future__ import annotations

import secrets

from sandbox import cards, document
from sandbox.errors import StripeError, invalid, malformed, missing
from sandbox.reading import page
from sandbox.state import Object
from sandbox.world import Call, World, forbidden

_SESSION_SECONDS = 1800
_EPHEMERAL_SECONDS = 3600
_FIELDS = ("email", "name", "phone", "description", "address", "shipping", "metadata", "preferred_locales")


def create(call: Call) -> Object:
    customer = document.complete(
        "customer",
        {
            "id": call.state.new_id("cus", 14),
            "object": "customer",
            "balance": 0,
            "created": call.world.now(),
            "delinquent": False,
            "invoice_prefix": secrets.token_hex(4).upper(),
            "invoice_settings": document.complete("invoice_setting_customer_setting", {}),
            "livemode": False,
            "metadata": {},
            "preferred_locales": [],
            "tax_exempt": "none",
        },
    )
    for name in ("cash_balance", "discount", "default_source", "test_clock", "customer_account"):
        customer[name] = None
    call.changed(customer, *_FIELDS)
    call.state.put(customer, call.account)
    call.world.emit("customer.created", customer)
    return customer


def retrieve(call: Call) -> Object:
    id = call.variables["customer"]
    if call.state.find(id, "deleted_customer", call.account):
        return {"id": id, "object": "customer", "deleted": True}
    return call.take("customer", "customer")


def every(call: Call) -> Object:
    email = call.params.get("email")
    found = (one for one in call.state.all("customer", call.account) if email in (None, one["email"]))
    return page(call.state, call.path, call.params, found)


def update(call: Call) -> Object:
    customer = call.take("customer", "customer")
    if before := call.changed(customer, *_FIELDS):
        call.state.put(customer)
        call.world.emit("customer.updated", customer, before)
    return customer


def delete(call: Call) -> Object:
    customer = call.take("customer", "customer")
    for method in list(call.state.all("payment_method", call.account)):
        if method["customer"] == customer["id"]:
            call.state.put({**method, "customer": None, "detached": True})
    call.world.emit("customer.deleted", customer)
    call.state.delete(customer["id"])
    call.state.put({"id": customer["id"], "object": "deleted_customer"}, call.account)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def session(call: Call) -> Object:
    id = call.params.get("customer")
    if not id:
        raise malformed("Missing required param: customer.", "customer", "parameter_missing")
    call.world.take(id, "customer", "customer", call.account)
    components = {}
    for name in document.properties("customer_session_resource_components"):
        given = call.params["components"].get(name, {})
        components[name] = {"enabled": given.get("enabled", False)}
        schema = f"customer_session_resource_components_resource_{name}"
        if "features" in document.properties(schema):
            features = document.complete(f"{schema}_resource_features", given.get("features", {}))
            components[name]["features"] = features if given.get("features") else None
    if not any(one["enabled"] for one in components.values()):
        raise invalid("You must enable at least one component.", "components")
    now, secret = call.world.now(), f"cuss_secret_{secrets.token_urlsafe(32)}"
    call.state.keep(f"session:{secret}", {"customer": id, "expires_at": now + _SESSION_SECONDS})
    return {
        "object": "customer_session",
        "client_secret": secret,
        "components": components,
        "created": now,
        "customer": id,
        "customer_account": None,
        "expires_at": now + _SESSION_SECONDS,
        "livemode": False,
    }


def ephemeral_key(call: Call) -> Object:
    id = call.params.get("customer")
    if not id:
        raise malformed("Missing required param: customer.", "customer", "parameter_missing")
    call.world.take(id, "customer", "customer", call.account)
    now, secret = call.world.now(), f"ek_test_{secrets.token_urlsafe(32)}"
    call.state.keep(f"ephemeral:{secret}", {"customer": id, "expires_at": now + _EPHEMERAL_SECONDS})
    return {
        "id": call.state.new_id("ephkey"),
        "object": "ephemeral_key",
        "created": now,
        "expires": now + _EPHEMERAL_SECONDS,
        "livemode": False,
        "secret": secret,
    }


# Payment methods.


def create_method(call: Call) -> Object:
    if call.key == "secret" and "number" in (call.params.get("card") or {}):
        raise StripeError(402, cards.RAW_NUMBER, code=None)
    if not call.params.get("type"):
        raise malformed("Missing required param: type.", "type", "parameter_missing")
    return cards.make(call.world, call.params, call.account)


def method(call: Call) -> Object:
    return _visible(call, cards.find(call.world, call.variables["payment_method"], "id", call.account))


def methods(call: Call) -> Object:
    id = call.variables.get("customer") or call.params.get("customer") or call.customer
    if call.customer not in (None, id):
        raise forbidden("This ephemeral key is of another customer.")
    if id:
        call.world.take(id, "customer", "customer", call.account)
    kind = call.params.get("type")
    found = (
        one
        for one in call.state.all("payment_method", call.account)
        if one["customer"] == id and id and kind in (None, one["type"])
    )
    return page(call.state, call.path, call.params, found)


def attach(call: Call) -> Object:
    found = method(call)
    customer = call.params.get("customer", "")
    call.world.take(customer, "customer", "customer", call.account)
    return attach_to(call.world, found, customer)


def attach_to(world: World, method: Object, customer: str) -> Object:
    if method["customer"] == customer:
        return method
    if method["customer"] or f"spent:{method['id']}" in world.state.kept:
        raise invalid(cards.ATTACHED_ELSEWHERE)
    method["customer"] = customer
    world.state.put(method)
    world.emit("payment_method.attached", method)
    return method


def detach(call: Call) -> Object:
    found = method(call)
    if not found["customer"]:
        raise invalid("The payment method you provided is not attached to a customer so detachment is impossible.")
    before = {"customer": found["customer"]}
    found["customer"] = None
    call.state.put(found)
    spend(call.world, found)
    call.world.emit("payment_method.detached", found, before)
    return found


def spend(world: World, method: Object) -> None:
    """One that was used or detached without a customer can't be used again."""
    world.state.keep(f"spent:{method['id']}", {})


def _visible(call: Call, found: Object) -> Object:
    if call.customer is not None and found["customer"] != call.customer:
        raise missing("payment_method", found["id"])
    return found
