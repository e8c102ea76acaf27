"""What a handler is given: the store, and the ports that the composition root fills."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from handlers.single_flight import SingleFlight

if TYPE_CHECKING:
    from handlers.ports import (
        FileUrls,
        Mailer,
        Passwords,
        PictureMaker,
        Presence,
        Publisher,
        Secrets,
        SlotWatches,
        Sockets,
        Tokens,
        Typing,
    )
    from store.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    store: Store
    publisher: Publisher
    passwords: Passwords
    tokens: Tokens
    secrets: Secrets
    mailer: Mailer
    sockets: Sockets
    typing: Typing
    presence: Presence
    slot_watches: SlotWatches
    files: FileUrls
    pictures: PictureMaker
    clock: Callable[[], datetime]
    introducing: SingleFlight = field(default_factory=SingleFlight)
