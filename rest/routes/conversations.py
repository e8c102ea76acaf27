"""Conversations without a socket, for push handlers: the same handlers as the socket's."""

from __future__ import annotations

from domain import answers
from domain.commands import conversations as commands
from handlers import history, messages, syncing
from rest.route import Route

_NAMES = {"id": "conversationId"}

ROWS = (
    Route(
        "POST",
        "/sync",
        syncing.sync,
        "What happened past each cursor",
        command=commands.Sync,
        answer=answers.SyncAnswer,
    ),
    Route(
        "GET",
        "/conversations/{id}/messages",
        history.list_messages,
        "The messages before a position",
        command=commands.ListMessages,
        answer=answers.MessageList,
        path_names=_NAMES,
    ),
    Route(
        "POST",
        "/conversations/{id}/messages",
        messages.send_message,
        "Send a message",
        command=commands.SendMessage,
        answer=answers.MessageAnswer,
        status=201,
        path_names=_NAMES,
    ),
)
