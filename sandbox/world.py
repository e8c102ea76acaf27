"""What every operation works with: the state, the events that it makes, and the request that it answers."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox import document
from sandbox.errors import StripeError, malformed, missing
from sandbox.reading import rendered
from sandbox.state import PLATFORM, Object, State

Key = Literal["secret", "publishable", "ephemeral"]


class World:
    """``url``: where the sandbox is reached."""

    def __init__(self, state: State, url: str = "") -> None:
        self.state = state
        self.url = url
        self.emitted: list[str] = []
        """Ids of events that wait to be delivered."""
        self.request: Object | None = None
        """``{id, idempotency_key}`` of the request that is being answered, for its events."""

    def now(self) -> int:
        return self.state.now()

    def emit(self, type: str, object: Object, previous: Object | None = None, owner: str | None = None) -> Object:
        """An event with the object as it is now. ``owner``: whose it is, where that is not whose the object is."""
        account = owner or self.state.owner(object["id"])
        snapshot = copy.deepcopy(rendered(self.state, object))
        data: Object = {"object": snapshot}
        if previous is not None:
            data["previous_attributes"] = previous
        event: Object = {
            "id": self.state.new_id("evt"),
            "object": "event",
            "api_version": document.version(),
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 0,
            "request": dict(self.request) if self.request else {"id": None, "idempotency_key": None},
            "type": type,
        }
        if account != PLATFORM:
            event["account"] = account
        document.check_object(event, "event")
        if document.has(snapshot["object"]):
            document.check_object(snapshot, snapshot["object"])
        self.emitted.append(event["id"])
        return self.state.put(event, account)

    def take(self, id: str, kind: str, param: str | None = "id", owner: str | None = PLATFORM) -> Object:
        """Raises StripeError: there is none, or none of this account."""
        found = self.state.find(id, kind, owner)
        if found is None:
            raise missing(kind, id, param)
        return found


@dataclass
class Call:
    """A request to an operation; ``params`` are typed and fit its schema."""

    world: World
    path: str
    variables: dict[str, str]
    params: dict[str, Any]
    account: str = PLATFORM
    """Who asks: the platform, or the connected account that Stripe-Account names."""
    key: Key = "secret"
    customer: str | None = None
    """Of an ephemeral key: the only one that it may see."""
    id: str = field(default="")

    @property
    def state(self) -> State:
        return self.world.state

    def take(self, variable: str, kind: str) -> Object:
        """The object that the path names."""
        return self.world.take(self.variables[variable], kind, owner=self.account)

    def changed(self, object: Object, *names: str) -> Object:
        """Set those of the parameters that were given; ``metadata`` is merged, an empty value takes away.

        Answers what was there before, for an event's ``previous_attributes``.
        """
        before: Object = {}
        for name in names:
            if name not in self.params:
                continue
            given = self.params[name]
            value = merged(object.get(name) or {}, given) if name == "metadata" else (None if given == "" else given)
            if value != object.get(name):
                before[name] = object.get(name)
                object[name] = value
        return before


def merged(metadata: dict[str, str], given: dict[str, str] | str) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    return {name: value for name, value in {**metadata, **given}.items() if value != ""}


def forbidden(message: str) -> StripeError:
    return StripeError(403, message, stored=False)


def require(call: Call, *names: str) -> None:
    """Raises StripeError for one that is missing though the schema lets it be."""
    for name in names:
        if call.params.get(name) in (None, ""):
            raise malformed(f"Missing required param: {name}.", name, "parameter_missing")
