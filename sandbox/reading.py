"""Objects as they are answered: with the lists within them, expanded, and in pages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any

from sandbox import document
from sandbox.errors import malformed, missing
from sandbox.state import Object, State

_DEEPEST = 4
_FIRST, _MOST = 10, 100
# Lists that Stripe always answers with their object: by kind, the field, the kind listed and how it names its parent.
_WITHIN = {
    "transfer": ("reversals", "transfer_reversal", "transfer", "/v1/transfers/{}/reversals"),
    "application_fee": ("refunds", "fee_refund", "fee", "/v1/application_fees/{}/refunds"),
}
# And the one that it answers only when it is expanded.
_REFUNDS = ("refunds", "refund", "charge", "/v1/charges/{}/refunds")


def rendered(state: State, object: Object) -> Object:
    found = copy.deepcopy(object)
    if within := _WITHIN.get(found["object"]):
        found[within[0]] = _within(state, found["id"], *within[1:])
    return found


def _within(state: State, id: str, kind: str, parent: str, url: str) -> Object:
    every = [rendered(state, one) for one in state.all(kind) if one[parent] == id]
    return {
        "object": "list",
        "data": every[:_FIRST],
        "has_more": len(every) > _FIRST,
        "url": url.format(id),
    }


def expand(state: State, object: Object, paths: Iterable[str]) -> None:
    """Raises StripeError for what cannot be expanded."""
    for path in paths:
        parts = path.split(".")
        if len(parts) - (parts[0] == "data") > _DEEPEST:
            raise malformed(f"You cannot expand more than {_DEEPEST} levels of a property", "expand[]")
        _expand(state, object, parts, path)


def _expand(state: State, object: Object, parts: list[str], path: str) -> None:
    name, rest = parts[0], parts[1:]
    kind = object.get("object", "")
    if name == "refunds" and kind == "charge" and name not in object:
        object[name] = _within(state, object["id"], *_REFUNDS[1:])
    value = object.get(name)
    if isinstance(value, str) and (found := state.find(value)) is not None and found["object"] != "event":
        value = object[name] = rendered(state, found)
    elif isinstance(value, str | int) or (name not in object and not _is_known(kind, name)):
        raise malformed(f"This property cannot be expanded ({path}).", "expand[]")
    if rest:
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                _expand(state, one, rest, path)


def _is_known(kind: str, name: str) -> bool:
    return bool(kind) and document.has(kind) and name in document.properties(kind)


def page(state: State, path: str, params: dict[str, Any], found: Iterable[Object]) -> Object:
    """Of ``found``, newest first, what the parameters of every list leave: a time, a place to start, a number."""
    limit = params.get("limit", _FIRST)
    if not 1 <= limit <= _MOST:
        raise malformed(f"This value must be between 1 and {_MOST} (inclusive).", "limit", "parameter_invalid_integer")
    fits = _created(params.get("created"))
    every = [one for one in found if fits(one.get("created", 0))]
    after, before = params.get("starting_after"), params.get("ending_before")
    if after and before:
        raise malformed("You cannot use both starting_after and ending_before.", "starting_after")
    if before:
        place = _place(every, before, "ending_before")
        start = max(0, place - limit)
        chosen, more = every[start:place], start > 0
    else:
        start = _place(every, after, "starting_after") + 1 if after else 0
        chosen, more = every[start : start + limit], len(every) > start + limit
    return {"object": "list", "url": path, "has_more": more, "data": [rendered(state, one) for one in chosen]}


def _place(every: list[Object], id: str, param: str) -> int:
    for place, one in enumerate(every):
        if one["id"] == id:
            return place
    raise missing("object", id, param)


def _created(given: Any) -> Callable[[int], bool]:
    if given is None:
        return lambda created: True
    if isinstance(given, int):
        return lambda created: created == given
    gt, gte = given.get("gt", -1), given.get("gte", -1)
    lt, lte = given.get("lt", float("inf")), given.get("lte", float("inf"))
    return lambda created: created > gt and created >= gte and created < lt and created <= lte
