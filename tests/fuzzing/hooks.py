"""Loaded by Schemathesis, in its process: who asks, what it starts from, and what a schema cannot say."""

from __future__ import annotations

import atexit
import json
import os
import re
from base64 import b64decode
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

PROMPTER, ROLE = os.environ["PROMPTER"], os.environ["ROLE"]
ANSWERED = Path(os.environ["ANSWERED"])
# No session survives these: each is asked for by somebody new.
LAST_ONES = {
    "POST /v1/me/erase",
    "POST /v1/auth/logout",
    "POST /v1/auth/logout-all",
    "POST /v1/auth/change-password",
}
# What a request was refused for, by its operation and the server's words, that no schema can say of a request.
BEYOND_SCHEMAS: tuple[tuple[str, str], ...] = (
    # Opaque: what a list gave.
    (r"GET .*", r"(cursor|changedAfter): is not one that this (list|search) gave"),
    # A day of the calendar, a second of the day.
    (r"GET .*", r"\w+: has to be (an instant of RFC 3339|a date of the calendar)"),
    # What there is in the database of time zones and of emojis, and what a URL or an address is made of.
    (r".*", r"(quietHours\.)?timeZone: has to be an IANA time zone"),
    (r".*", r"emoji: has to be one emoji"),
    (r".*", r"\w+: has to be an http or https URL"),
    (r".*", r"email: has a character that is easily taken for another"),
    (r"\w+ /v1/admin/webhooks.*", r"url: has to (be without a fragment|be an https URL|lead to a public address)"),
    # How many words a text has, and whether they show.
    (r"GET .*", r"q: has to have at most|query: has to show something"),
    # What two fields of a query say together, and with today.
    (r"GET .*", r"to: has to (be (the same day as|later than|at most)|lie (within|at most) 62 days)"),
    (r"GET /v1/me/earnings", r"from: leaves more than"),
    (r"GET /v1/bookings", r"\w+: does not go with changedAfter"),
    (r"GET /v1/conversations/\{id\}/messages", r"(beforeSeq|afterSeq): take either"),
    # What fields of a body say together.
    (r"POST /v1/conversations/\{id\}/messages", r"\w+: has to leave the message with at most 10 attachments"),
    (r"POST /v1/me/availability/exceptions", r"(startTime|endTime): is needed as well"),
    (r"PUT /v1/me/availability", r"days\[\d+\]: (is shorter than a session|overlaps another window|is one too many)"),
    (r"PUT /v1/me/notifications", r".*: (is named before|has to be (on: sign-ins|another time than startTime))"),
    (r"PUT /v1/me/pricing", r".*: is (required where it is offered|named twice)"),
    (r"PUT /v1/me/pricing", r"weeklyTrialLimit: has to be at least 1 where there is a free trial"),
    # What a strength estimator says.
    (r"POST .*", r"(newPassword|password): is among the passwords that are guessed first"),
    # Whose a file is and what it holds, what there is in the catalogue, and what a kind is sent by.
    (r".*", r".*: has to be the id of a (file of this kind|category|subcategory)"),
    (r"PUT /v1/me/notifications", r".*: is no channel of this kind"),
    (r"POST /v1/conversations/\{id\}/messages", r"text: a message needs text that shows something, or an attachment"),
    # What a file holds.
    (r"POST /v1/files", r"file: has to hold something|Only JPEG|The (image|video|file|PDF) "),
    # Now, who asks, and what was said before.
    (r"POST /v1/reports", r"messageId: is not a message of that user"),
    (r"PATCH /v1/me/profile", r"\w+: is not a known field"),
    (r"POST /v1/conversations/\{id\}/messages", r"replyTo: has to be the id of a message of this conversation"),
    (r"POST /v1/me/availability/exceptions", r"date: has to lie ahead"),
    (r".*", r"userId: has to be somebody else|until: has to be an instant to come"),
    (r"POST /v1/reports|DELETE /v1/me/blocks/\{userId\}|PUT /v1/me/blocks/\{userId\}", r"userId: is yourself"),
    # Only Stripe can sign.
    (r"POST /v1/webhooks/stripe", r"The signature does not verify"),
)
# The codes that are about a request's form; all others are about the state of things.
OF_FORM = ("malformed", "validation_failed", "unsupported_media")
# Of every answer, whatever it answers.
GENERAL_HEADERS = {
    "access-control-allow-origin", "access-control-expose-headers", "cache-control", "connection", "content-length",
    "content-security-policy", "content-type", "cross-origin-resource-policy", "date", "referrer-policy", "server",
    "strict-transport-security", "transfer-encoding", "vary", "x-content-type-options", "x-frame-options",
    "x-request-id", "ratelimit", "ratelimit-policy",
}  # fmt: skip
_PARAMETER = re.compile(r"\{(\w+)\}")
_session = requests.Session()
_answered: Counter[str] = Counter()


def _asked(path: str, **query: str) -> Any:
    answer = _session.get(PROMPTER + path, params={"role": ROLE, **query}, timeout=60)
    answer.raise_for_status()
    return answer.json()


# --- who asks ---


class Tokens:
    kept: str | None = None

    def get(self, case: schemathesis.Case[Any], context: Any) -> str:
        if case.operation.label in LAST_ONES:
            return str(_asked("/token", new="yes")["token"])
        if Tokens.kept is None:
            Tokens.kept = str(_asked("/token")["token"])
        return Tokens.kept

    def set(self, case: schemathesis.Case[Any], data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


if ROLE != "nobody":
    schemathesis.auth(refresh_interval=None)(Tokens)


@schemathesis.hook
def after_call(context: Any, case: schemathesis.Case[Any], response: Any) -> None:
    _answered[f"{case.operation.label} {response.status_code}"] += 1
    sent = response.request.headers.get("Authorization")
    if Tokens.kept is None or sent != f"Bearer {Tokens.kept}":
        return
    if response.status_code == 401:
        Tokens.kept = None
    elif response.status_code == 403 and b"account_blocked" in response.content:
        Tokens.kept = str(_asked("/token", instead="yes")["token"])


@atexit.register
def _tell() -> None:
    ANSWERED.write_text(json.dumps(_answered), encoding="utf-8")


# --- what it starts from ---


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Without the answer for everything else, so that each status has to be documented; and with closed answers."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            operation["responses"].pop("default", None)
    for schema in raw_schema["components"]["schemas"].values():
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)


@cache
def _all_good() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = _asked("/good")
    return found


def _good(label: str) -> list[dict[str, Any]]:
    return _all_good()[label.replace(" /v1", " ")]


@schemathesis.hook
def before_add_examples(context: Any, examples: list[schemathesis.Case[Any]]) -> None:
    operation = context.operation
    for good in _good(operation.label):
        said: dict[str, Any] = {}
        if "file" in good:
            said = {"body": {"file": b64decode(good["file"])}, "media_type": "multipart/form-data"}
        elif "body" in good:
            said = {"body": good["body"], "media_type": "application/json"}
        elif "query" in good:
            said = {"query": good["query"]}
        named = dict.fromkeys(_PARAMETER.findall(operation.path), good["about"])
        examples.append(operation.Case(path_parameters=named, headers=dict(good["headers"]), **said))


@schemathesis.hook
def before_generate_path_parameters(context: Any, strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is there."""
    names = _PARAMETER.findall(context.operation.path)
    known = [dict.fromkeys(names, good["about"]) for good in _good(context.operation.label) if good["about"]]
    return st.one_of(st.sampled_from(known).map(dict), strategy) if known else strategy


# --- what it holds an answer against, besides its own checks ---


@schemathesis.check
def documented_headers(context: Any, response: Any, case: schemathesis.Case[Any]) -> None:
    """Every header of an answer is documented, but for those of all answers."""
    documented = case.operation.responses.find_by_status_code(response.status_code)
    if documented is None:
        return
    told = {name.lower() for name, _ in documented.headers.items()}
    unknown = sorted({name.lower() for name in response.headers} - told - GENERAL_HEADERS)
    assert not unknown, f"undocumented headers: {unknown}"


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: schemathesis.Case[Any], response: Any) -> bool:
    """Whether it is one: good data are refused for the state of things, or for what no schema can say."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    if problem["code"] not in OF_FORM:
        return False
    said = [f"{error['field']}: {error['message']}" for error in problem.get("errors", ())] or [problem["detail"]]
    return not all(_is_beyond_schemas(case.operation.label, one) for one in said)


def _is_beyond_schemas(label: str, said: str) -> bool:
    return any(re.fullmatch(where, label) and re.match(what, said) for where, what in BEYOND_SCHEMAS)
