"""Endpoints of webhooks, kept by administrators.

A result that is kept under a key has no secret: a repeat is given it anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address

import msgspec
from msgspec import UNSET
from yarl import URL

from domain.accounts import ADMINISTRATORS
from domain.errors import invalid
from domain.networks import is_loopback_host, is_public_address
from domain.stored import StoredFormat
from domain.times import from_wire
from domain.webhooks import WebhookEndpoint, in_order
from domain.wire.fields import web_address_from_wire
from domain.wire.webhooks import (
    AddWebhook,
    DeleteWebhook,
    UpdateWebhook,
    WebhookAnswer,
    WebhookChanged,
    WebhookCreated,
    WebhookPage,
    webhook_answer,
)
from handlers.access import Actor, require_role
from handlers.audit import audit_writer
from handlers.context import WebhookContext
from handlers.idempotency import KeepResult, committed_once, idempotent_commit
from handlers.jobs import WEBHOOKS
from handlers.webhooks.signing import secret_of
from store.idempotency import Claim, Keep, StoredResult, nothing


class Kept(msgspec.Struct, frozen=True):
    """``generation``: of the secret that was shown; nothing where none was."""

    answer: WebhookAnswer
    generation: int | None


RESULT = StoredFormat(Kept, msgspec.json)


async def list_webhooks(context: WebhookContext, actor: Actor, command: None) -> WebhookPage:
    """All of them, the oldest first, with how they fare."""
    require_role(actor, *ADMINISTRATORS)
    items = []
    for endpoint in await context.store.webhook_endpoints.all():
        waiting, dead = await context.store.webhook_deliveries.counts(endpoint)
        items.append(_answer(context, endpoint, waiting, dead))
    return WebhookPage(items=items, next_cursor=None)


async def add_webhook(context: WebhookContext, actor: Actor, command: AddWebhook) -> WebhookCreated:
    """Raises ``conflict`` when there are as many as there may be."""
    require_role(actor, *ADMINISTRATORS)
    kept = await committed_once("webhook:add", context, actor, command, _add, _recalled)
    secret = secret_of(context.secrets, kept.answer.id, kept.generation or 1)
    return WebhookCreated(**msgspec.structs.asdict(kept.answer), secret=secret)


async def update_webhook(context: WebhookContext, actor: Actor, command: UpdateWebhook) -> WebhookChanged:
    """What is left out stays."""
    require_role(actor, *ADMINISTRATORS)
    kept = await committed_once("webhook:update", context, actor, command, _update, _recalled)
    if command.replay:
        # By a repeat too: whoever committed may have been killed before this.
        await _replay(context, kept.answer)
    secret = None if kept.generation is None else secret_of(context.secrets, kept.answer.id, kept.generation)
    return WebhookChanged(**msgspec.structs.asdict(kept.answer), secret=secret)


@idempotent_commit("webhook:delete")
async def delete_webhook(context: WebhookContext, actor: Actor, command: DeleteWebhook, keep: KeepResult) -> None:
    """With all that waits for it."""
    require_role(actor, *ADMINISTRATORS)
    audit = audit_writer(context, actor, "webhook.delete", "webhook", command.id)
    removed = await context.store.webhook_endpoints.remove(command.id, keep(None), audit)
    context.store.webhook_deliveries.look_again()
    await context.store.webhook_deliveries.forget(removed)


async def _add(context: WebhookContext, actor: Actor, command: AddWebhook, claim: Claim | None) -> Kept:
    url = _checked(context, command.url)
    endpoints = context.store.webhook_endpoints
    endpoint_id = endpoints.new_id()

    def kept(endpoint: WebhookEndpoint) -> Kept:
        return Kept(_answer(context, endpoint, 0, 0), endpoint.generation)

    audit = audit_writer(context, actor, "webhook.create", "webhook", endpoint_id)
    keep = partial(_keep, context, claim, kept)
    added = await endpoints.add(endpoint_id, url, in_order(command.events), context.now(), keep, audit)
    context.store.webhook_deliveries.look_again()
    return kept(added)


async def _update(context: WebhookContext, actor: Actor, command: UpdateWebhook, claim: Claim | None) -> Kept:
    url = None if command.url is UNSET else _checked(context, command.url)
    deliveries, now = context.store.webhook_deliveries, context.now()
    before = await context.store.webhook_endpoints.by_id(command.id)
    counts = (0, 0) if before is None else await deliveries.counts(before)

    def kept(endpoint: WebhookEndpoint) -> Kept:
        waiting, dead = counts if endpoint.is_active else (0, 0)
        if command.replay:
            waiting, dead = waiting + dead, 0
        return Kept(_answer(context, endpoint, waiting, dead), endpoint.generation if command.rotate_secret else None)

    changed = await context.store.webhook_endpoints.change(
        command.id,
        now,
        partial(_keep, context, claim, kept),
        audit_writer(context, actor, "webhook.update", "webhook", command.id),
        url=url,
        events=None if command.events is UNSET else in_order(command.events),
        is_active=None if command.is_active is UNSET else command.is_active,
        rotate=command.rotate_secret,
        replays=command.replay,
    )
    deliveries.look_again()
    if not changed.is_active:
        await deliveries.forget(changed)
    return kept(changed)


async def _replay(context: WebhookContext, answered: WebhookAnswer) -> None:
    endpoint = await context.store.webhook_endpoints.by_id(answered.id)
    if endpoint is not None:
        given_up_by = from_wire(answered.updated_at, "updatedAt")
        await context.store.webhook_deliveries.replay(endpoint, given_up_by, context.now())
        context.wake_ups.wake(WEBHOOKS[endpoint.queue_number])


async def _recalled(context: WebhookContext, stored: StoredResult) -> Kept:
    assert stored.result is not None
    return RESULT.decode(stored.result, stored.version)


def _keep(
    context: WebhookContext,
    claim: Claim | None,
    kept: Callable[[WebhookEndpoint], Kept],
    endpoint: WebhookEndpoint,
) -> Keep:
    if claim is None:
        return nothing
    return partial(context.store.idempotency.keep_within, claim, RESULT.encode(kept(endpoint)), RESULT.version)


def _checked(context: WebhookContext, given: str) -> str:
    """With its host in ASCII. Where a name leads to is looked at whenever it is connected to."""
    url = web_address_from_wire(given, "url")
    if "#" in url:
        raise invalid("url", "has to be without a fragment")
    parts = URL(url)
    if context.webhooks.allows_private:
        return url
    if parts.scheme != "https":
        raise invalid("url", "has to be an https URL, like https://example.com")
    if _is_private((parts.raw_host or "").removesuffix(".")):
        raise invalid("url", "has to lead to a public address")
    return url


def _is_private(host: str) -> bool:
    """Of an address written out, and the machine's own names; where others lead may change."""
    try:
        ip_address(host)
    except ValueError:
        return is_loopback_host(host)
    return not is_public_address(host)


def _answer(context: WebhookContext, endpoint: WebhookEndpoint, waiting: int, dead: int) -> WebhookAnswer:
    return webhook_answer(endpoint, endpoint.former_secret_until(context.now()), waiting, dead)
