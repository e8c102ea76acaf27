"""All rows of the REST surface, one module a subject.

To add a row: write ``Route(method, path under /v1, handler, summary, command=…, answer=…)`` in its module's ROWS and
name the module below. Path parameters, query (GET, DELETE) or body fill the command's fields by their wire names;
``path_names={"id": "conversationId"}`` where they differ. ``idempotency_key`` is filled from the header.
"""

from __future__ import annotations

from rest.route import Route
from rest.routes import (
    accounts,
    administration,
    availability,
    bookings,
    catalogue,
    conversations,
    files,
    limits,
    moderation,
    notifications,
    payments,
    profiles,
    webhooks,
)

ROWS: tuple[Route, ...] = (
    *accounts.ROWS,
    *profiles.ROWS,
    *catalogue.ROWS,
    *conversations.ROWS,
    *availability.ROWS,
    *bookings.ROWS,
    *payments.ROWS,
    *files.ROWS,
    *administration.ROWS,
    *moderation.ROWS,
    *notifications.ROWS,
    *webhooks.ROWS,
    *limits.ROWS,
)
