"""``/conversations``."""

from __future__ import annotations

from domain.commands import conversations as commands
from handlers import conversations, history, messages, receipts, syncing
from server.sockets.rows import Rate, Row

# A person types a few messages a second at most; receipts come in bursts when a device catches up.
_SENDING = Rate(20, 100)
_RECEIPTS = Rate(30, 200)
_SEARCHING = Rate(1, 10)

ROWS: tuple[Row, ...] = (
    Row("conversation:open", commands.OpenConversation, conversations.open_conversation),
    Row("conversation:list", commands.ListConversations, conversations.list_conversations, bulky=True),
    Row("conversation:mute", commands.MuteConversation, conversations.mute_conversation),
    Row("message:send", commands.SendMessage, messages.send_message, _SENDING),
    Row("message:edit", commands.EditMessage, messages.edit_message),
    Row("message:delete", commands.DeleteMessage, messages.delete_message),
    Row("message:react", commands.ReactToMessage, messages.react_to_message),
    Row("message:list", commands.ListMessages, history.list_messages, bulky=True),
    Row("message:search", commands.SearchMessages, history.search_messages, _SEARCHING, bulky=True),
    Row("conversation:seen", commands.MarkSeen, receipts.mark_seen, _RECEIPTS),
    Row("conversation:delivered", commands.MarkDelivered, receipts.mark_delivered, _RECEIPTS),
    Row("typing", commands.SetTyping, receipts.set_typing),
    Row("sync", commands.Sync, syncing.sync, Rate(20, 200), bulky=True),
)
