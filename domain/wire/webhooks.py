"""Outbound webhooks, as administrators set them up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from domain.times import to_wire, to_wire_or_none
from domain.webhooks import EVENT_TYPES, EventType, FailureReason, LastFailure, WebhookEndpoint
from domain.wire.base import Answer, Command
from domain.wire.fields import Id, Url

EventTypes = Annotated[tuple[EventType, ...], Meta(min_length=1, max_length=len(EVENT_TYPES))]


class AddWebhook(Command, frozen=True, kw_only=True):
    """``url``: https, of a public host and without a fragment, unless the deployment allows others."""

    url: Url
    events: EventTypes


class UpdateWebhook(Command, frozen=True, kw_only=True):
    """``isActive``: false drops what waits. ``rotateSecret``: a new secret; the one before signs as well for 24 hours.
    ``replay``: what was given up is sent again."""

    id: Id
    url: Url | UnsetType = UNSET
    events: EventTypes | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    rotate_secret: bool = False
    replay: bool = False


class DeleteWebhook(Command, frozen=True, kw_only=True):
    id: Id


class WebhookFailure(Answer, frozen=True, kw_only=True):
    """``status``: of the answer, where there was one."""

    reason: FailureReason
    status: int | None
    at: str


class WebhookAnswer(Answer, frozen=True, kw_only=True):
    """``failures``: deliveries that failed since the last one that was taken. ``waiting`` and ``dead``: events that are
    still to be sent, and that were given up."""

    id: str
    url: Url
    events: tuple[EventType, ...]
    is_active: bool
    failures: int
    last_failure: WebhookFailure | None
    waiting: int
    dead: int
    former_secret_until: str | None
    created_at: str
    updated_at: str


class WebhookPage(Answer, frozen=True, kw_only=True):
    items: list[WebhookAnswer]
    next_cursor: str | None


class WebhookCreated(WebhookAnswer, frozen=True, kw_only=True):
    """``secret`` is shown this once."""

    secret: str


class WebhookChanged(WebhookAnswer, frozen=True, kw_only=True):
    """``secret`` is there where it was rotated, this once."""

    secret: str | None


def failure_answer(last: LastFailure | None) -> WebhookFailure | None:
    if last is None:
        return None
    return WebhookFailure(reason=last.failure.reason, status=last.failure.status, at=to_wire(last.at))


def webhook_answer(
    endpoint: WebhookEndpoint, former_secret_until: datetime | None, waiting: int, dead: int
) -> WebhookAnswer:
    return WebhookAnswer(
        id=endpoint.id,
        url=endpoint.url,
        events=endpoint.events,
        is_active=endpoint.is_active,
        failures=endpoint.failures,
        last_failure=failure_answer(endpoint.last_failure),
        waiting=waiting,
        dead=dead,
        former_secret_until=to_wire_or_none(former_secret_until),
        created_at=to_wire(endpoint.created_at),
        updated_at=to_wire(endpoint.updated_at),
    )
