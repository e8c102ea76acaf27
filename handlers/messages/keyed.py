"""Message commands with a key: a repeat is answered with the message's present state."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from domain.stored import StoredFormat
from domain.wire.base import Command
from domain.wire.conversations import MessageAnswer
from handlers import access
from handlers.access import Actor
from handlers.context import ReadContext
from handlers.idempotency import Handler, kept_afterwards
from handlers.messages import views
from store.idempotency import StoredResult

X = TypeVar("X", bound=ReadContext)
C = TypeVar("C", bound=Command)


class _Named(msgspec.Struct, frozen=True):
    """What is kept of an answer that is a message: messages change, and what was deleted must not come back."""

    id: str


_NAMED = StoredFormat(_Named, msgspec.json)


def idempotent_message(name: str) -> Callable[[Handler[X, C, MessageAnswer]], Handler[X, C, MessageAnswer]]:
    """For commands that answer a message: a repeat is answered with that message's present state.

    Their entries in the log carry the key, or the ``clientMessageId``: done again they find what was committed.
    """

    async def recall(context: ReadContext, actor: Actor, stored: StoredResult) -> MessageAnswer:
        assert stored.result is not None
        _, record = await access.message(context, actor, _NAMED.decode(stored.result, stored.version).id)
        (message,) = await views.seen_messages(context, [record])
        return MessageAnswer(message=message)

    def keep(answer: MessageAnswer) -> bytes:
        return _NAMED.encode(_Named(answer.message.id))

    def decorate(handler: Handler[X, C, MessageAnswer]) -> Handler[X, C, MessageAnswer]:
        return kept_afterwards(name, handler, keep, _NAMED.version, recall)

    return decorate
