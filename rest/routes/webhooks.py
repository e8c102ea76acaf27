"""Outbound webhooks, as administrators set them up."""

from __future__ import annotations

from domain.wire import webhooks as wire
from handlers.webhooks import endpoints
from rest.route import Route

_ALL, _ONE = "/admin/webhooks", "/admin/webhooks/{id}"

ROWS = (
    Route(
        "GET",
        _ALL,
        endpoints.list_webhooks,
        "Where events are sent, and how that fares",
        answer=wire.WebhookPage,
    ),
    Route(
        "POST",
        _ALL,
        endpoints.add_webhook,
        "Have events sent to a URL",
        command=wire.AddWebhook,
        answer=wire.WebhookCreated,
        status=201,
    ),
    Route(
        "PATCH",
        _ONE,
        endpoints.update_webhook,
        "Change where and which events are sent, rotate the secret, send again what was given up",
        command=wire.UpdateWebhook,
        answer=wire.WebhookChanged,
    ),
    Route("DELETE", _ONE, endpoints.delete_webhook, "Send no more events there", command=wire.DeleteWebhook),
)
