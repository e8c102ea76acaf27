"""A request to Stripe's API from its first byte to its answer: the key, the version, the parameters, the idempotency
key, the faults that a test asked for, the work, and whether the answer is one of Stripe's."""

from __future__ import annotations

import asyncio
import base64
import binascii
import copy
import hashlib
import json
import logging
import re
from typing import Any

from aiohttp import web

from sandbox import document, forms
from sandbox.errors import StripeError, malformed
from sandbox.faults import Fault, Faults
from sandbox.operations import OPERATIONS, may
from sandbox.reading import expand, rendered
from sandbox.state import PLATFORM, Object
from sandbox.world import Call, Key, World

_VERSION = re.compile(r"^20\d\d-\d\d-\d\d(\.[a-z]+)?$")
_KEY_SECONDS = 24 * 3600
_LONGEST_KEY = 255
# As Stripe's API, which web pages call with the publishable key.
_FROM_ANYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, PUT, PATCH, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Stripe-Version, Stripe-Account",
    "Access-Control-Expose-Headers": "Request-Id, Stripe-Manage-Version, Idempotent-Replayed",
}
# Beside what the document says.
_SENT_BY_PHONES = (
    "key", "payment_user_agent", "referrer", "time_on_page", "guid", "muid", "sid", "expected_payment_method_type",
)  # fmt: skip
_log = logging.getLogger(__name__)


class Api:
    def __init__(self, world: World, faults: Faults, keys: dict[str, Key], deliver: Any) -> None:
        self._world = world
        self._faults = faults
        self._keys = keys
        self._deliver = deliver

    def forget_old_keys(self) -> None:
        state = self._world.state
        for name in [name for name in state.kept if name.startswith("idempotency:")]:
            if state.kept[name]["until"] <= state.now():
                state.forget(name)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "OPTIONS":
            return web.Response(headers=_FROM_ANYWHERE)
        id = self._world.state.new_id("req", 14)
        fault = self._faults.take(request.method, request.path)
        in_query = request.method in ("GET", "DELETE")
        text = request.query_string if in_query else (await request.read()).decode(errors="replace")
        try:
            if fault is not None and not fault.after:
                await _strike(fault)
            status, body, headers = self._answered(request, text, id)
            if fault is not None and fault.after:
                if fault.stored and fault.action == "error":
                    self._keep_error(request, fault.error())
                await _strike(fault)
        except StripeError as error:
            status, body, headers = error.status, error.body(), error.headers
        except _Lost:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        key = request.headers.get("Idempotency-Key")
        if key:
            headers = {**headers, "Idempotency-Key": key}
        headers = {**_FROM_ANYWHERE, "Request-Id": id, "Stripe-Version": _version(request), **headers}
        return web.json_response(body, status=status, headers=headers, dumps=lambda value: json.dumps(value, indent=2))

    def _answered(self, request: web.Request, text: str, id: str) -> tuple[int, Object, dict[str, str]]:
        key, customer = self._authenticate(request)
        if not _VERSION.match(_version(request)):
            raise malformed(f"Invalid Stripe API version: {_version(request)[:60]}")
        account = self._account(request)
        idempotency = request.headers.get("Idempotency-Key") if request.method == "POST" else None
        if idempotency is None:
            return *self._work(request, text, id, key, customer, account, None), {}
        if len(idempotency) > _LONGEST_KEY:
            raise malformed(f"Idempotency keys are at most {_LONGEST_KEY} characters long.")
        return self._once(request, text, id, key, customer, account, idempotency)

    def _keep_error(self, request: web.Request, error: StripeError) -> None:
        key, _ = self._authenticate(request)
        name = f"idempotency:{self._account(request)}:{key}:{request.headers.get('Idempotency-Key')}"
        if known := self._world.state.kept.get(name):
            self._world.state.keep(name, {**known, "status": error.status, "body": error.body()})
            self._world.state.commit()

    def _once(
        self, request: web.Request, text: str, id: str, key: Key, customer: str | None, account: str, idempotency: str
    ) -> tuple[int, Object, dict[str, str]]:
        """The work, or what it answered when the same was asked before."""
        name = f"idempotency:{account}:{key}:{idempotency}"
        digest = hashlib.sha256(f"{request.path}?{text}".encode()).hexdigest()
        state = self._world.state
        known = state.kept.get(name)
        if known is not None and known["until"] > state.now():
            if known["digest"] != digest:
                raise StripeError(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                    f"Try using a key other than '{idempotency}' if you meant to execute a different request.",
                    type="idempotency_error",
                    stored=False,
                )
            replayed = {"Idempotent-Replayed": "true", "Original-Request": known["request"]}
            return known["status"], copy.deepcopy(known["body"]), replayed

        def remember(status: int, body: Object) -> None:
            until = state.now() + _KEY_SECONDS
            state.keep(name, {"digest": digest, "status": status, "body": body, "request": id, "until": until})

        return *self._work(request, text, id, key, customer, account, idempotency, remember), {}

    def _work(
        self, request: web.Request, text: str, id: str, key: Key, customer: str | None, account: str,
        idempotency: str | None, remember: Any = None,
    ) -> tuple[int, Object]:  # fmt: skip
        """In one step of the loop, so that requests never meet within one another; committed before it is answered."""
        world = self._world
        found = document.operation(request.method, request.path)
        if found is None:
            raise StripeError(
                404,
                f"Unrecognized request URL ({request.method}: {request.path}). Either Stripe has no such operation, or "
                "the sandbox has not.",
            )
        operation, variables = found
        if not may(key, (operation.method, operation.path)):
            raise StripeError(
                403,
                "This API call cannot be made with a publishable API key. Please use a secret API key.",
                code="secret_key_required",
            )
        params = forms.read(text, _widened(operation, key))
        call = Call(world, request.path, variables, params, account, key, customer, id)
        world.request = {"id": id, "idempotency_key": idempotency}
        try:
            body = _shown(call, OPERATIONS[operation.method, operation.path](call))
            status = 200
            document.check(body, operation)
        except StripeError as error:
            if not error.stored:
                raise
            status, body = error.status, error.body()
            document.check_object(body, "error")
        except document.Unfaithful as fault:
            _log.error("the sandbox answered what Stripe would not: %s", fault)
            status, body = 500, {"error": {"type": "api_error", "message": f"A fault of the sandbox: {fault}"}}
        finally:
            world.request = None
            emitted, world.emitted = world.emitted, []
            self._deliver(emitted)
        if remember is not None:
            remember(status, body)
        world.state.commit()
        return status, body

    def _authenticate(self, request: web.Request) -> tuple[Key, str | None]:
        """Raises StripeError."""
        given = _given_key(request)
        if given is None:
            raise StripeError(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )
        if kind := self._keys.get(given):
            return kind, None
        ephemeral = self._world.state.kept.get(f"ephemeral:{given}")
        if ephemeral is not None and ephemeral["expires_at"] > self._world.now():
            return "ephemeral", ephemeral["customer"]
        raise StripeError(401, f"Invalid API Key provided: {given[:8]}****")

    def _account(self, request: web.Request) -> str:
        account = request.headers.get("Stripe-Account")
        if account is None or account == PLATFORM:
            return PLATFORM
        if self._world.state.find(account, "account") is None:
            raise StripeError(
                403,
                "The provided key does not have access to account "
                f"'{account[:40]}' (or that account does not exist). Application access may have been revoked.",
                code="account_invalid",
            )
        return account


def _version(request: web.Request) -> str:
    return request.headers.get("Stripe-Version") or document.version()


def _given_key(request: web.Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
        except (binascii.Error, ValueError):
            return None
    return request.query.get("key")


def _widened(operation: document.Operation, key: Key) -> document.Schema:
    """What Stripe's document leaves out because only its own libraries send it."""
    if key != "publishable":
        return operation.request
    known = operation.request["properties"]
    more: document.Schema = {name: {"type": "string"} for name in _SENT_BY_PHONES}
    if "payment_method_data" in known:
        card = document.card_details()
        data = known["payment_method_data"]
        kind = {**data["properties"]["type"], "enum": [*data["properties"]["type"]["enum"], "card"]}
        own = {**data["properties"], "type": kind, "card": card, "payment_user_agent": {"type": "string"}}
        more["payment_method_data"] = {**data, "properties": own}
    return {**operation.request, "properties": {"client_secret": {"type": "string"}, **known, **more}}


def _shown(call: Call, answer: Object) -> Object:
    body = rendered(call.state, answer) if "object" in answer else answer
    expand(call.state, body, call.params.get("expand") or ())
    return body


class _Lost(Exception):
    """The caller gets no answer."""


async def _strike(fault: Fault) -> None:
    """Raises StripeError or _Lost."""
    if fault.action == "error":
        raise fault.error()
    if fault.action == "hang":
        await asyncio.sleep(fault.seconds)
    raise _Lost
