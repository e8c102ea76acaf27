"""Balances, as sums of their transactions."""

from __future__ import annotations

from collections import defaultdict

from sandbox.reading import page
from sandbox.state import Object
from sandbox.world import Call, World


def balance(call: Call) -> Object:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for txn in call.state.all("balance_transaction", call.account):
        sums[txn["currency"]][txn["available_on"] > call.world.now()] += txn["net"]
    sums = sums or {"usd": [0, 0]}
    return {
        "object": "balance",
        "available": [_amount(currency, sums[currency][0]) for currency in sums],
        "livemode": False,
        "pending": [_amount(currency, sums[currency][1]) for currency in sums],
    }


def _amount(currency: str, amount: int) -> Object:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def available(world: World, owner: str, currency: str) -> int:
    return sum(
        txn["net"]
        for txn in world.state.all("balance_transaction", owner)
        if txn["currency"] == currency and txn["available_on"] <= world.now()
    )


def transaction(call: Call) -> Object:
    return _now(call, call.take("id", "balance_transaction"))


def transactions(call: Call) -> Object:
    names = {name: call.params[name] for name in ("source", "type", "currency") if name in call.params}
    found = (
        _now(call, one)
        for one in call.state.all("balance_transaction", call.account)
        if all(one[name] == value for name, value in names.items())
    )
    return page(call.state, call.path, call.params, found)


def _now(call: Call, txn: Object) -> Object:
    return {**txn, "status": "pending" if txn["available_on"] > call.world.now() else "available"}
