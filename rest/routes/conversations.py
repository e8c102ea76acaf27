"""Conversations without a socket, for push handlers: the same handlers as the socket's."""

from __future__ import annotations

from domain.wire import conversations as wire
from handlers.messages import commands as messages
from handlers.messages import history, sync
from rest.route import Route

_NAMES = {"id": "conversationId"}

ROWS = (
    Route(
        "POST",
        "/sync",
        sync.sync,
        "What happened past each cursor",
        command=wire.Sync,
        answer=wire.SyncAnswer,
        bulky=True,
    ),
    Route(
        "GET",
        "/conversations/{id}/messages",
        history.list_messages,
        "The messages before a position, or after one",
        command=wire.ListMessages,
        answer=wire.MessageList,
        path_names=_NAMES,
        bulky=True,
    ),
    Route(
        "POST",
        "/conversations/{id}/messages",
        messages.send_message,
        "Send a message",
        command=wire.SendMessage,
        answer=wire.MessageAnswer,
        status=201,
        path_names=_NAMES,
    ),
)
