"""Secrets of endpoints and what is signed with them, as Standard Webhooks has it (https://www.standardwebhooks.com).

A secret follows from the server's key, the endpoint and how often it was rotated: it is stored nowhere, so that no copy
of the database, no export, log or kept result has it.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime

from standardwebhooks import Webhook

from domain.webhooks import WebhookEndpoint
from handlers.ports import Secrets

_PURPOSE = "webhook secret"


def secret_of(secrets: Secrets, endpoint_id: str, generation: int) -> str:
    """32 bytes, in the form that the libraries take."""
    key = bytes.fromhex(secrets.keyed_hash(_PURPOSE, f"{endpoint_id} {generation}"))
    return f"whsec_{b64encode(key).decode()}"


def signed_headers(
    secrets: Secrets, endpoint: WebhookEndpoint, event_id: str, body: str, now: datetime
) -> dict[str, str]:
    """With the secret before the present one as well, for as long as it counts."""
    generations = [endpoint.generation]
    if endpoint.former_secret_until(now) is not None:
        generations.append(endpoint.generation - 1)
    signatures = [
        Webhook(secret_of(secrets, endpoint.id, one)).sign(event_id, now, body) for one in generations
    ]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
