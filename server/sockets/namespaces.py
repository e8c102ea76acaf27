"""The namespaces, each a list of rows. A new event is a row here, a command, a handler, and its test."""

from __future__ import annotations

from domain.wire import bookings as booking_commands
from domain.wire import conversations as conversation_commands
from domain.wire import presence as presence_commands
from domain.wire.events import BOOKINGS, CONVERSATIONS, PRESENCE
from handlers import presence
from handlers.bookings import commands as bookings
from handlers.bookings import queries
from handlers.messages import commands as messages
from handlers.messages import conversations, history, search, sync
from handlers.payments import holds
from handlers.slots import free
from server.sockets.rows import Rate, Row

_BOOKING = Rate(2, 20)
# By its cost, as over HTTP: the largest schedule takes some 20 ms of CPU and 1.2 MB.
_SLOTS = Rate(2, 20)

BOOKINGS_ROWS: tuple[Row, ...] = (
    Row("booking:create", booking_commands.CreateBooking, holds.book, _BOOKING),
    Row("booking:cancel", booking_commands.CancelBooking, bookings.cancel_booking, _BOOKING),
    Row("booking:reschedule", booking_commands.RescheduleBooking, bookings.reschedule_booking, _BOOKING),
    Row("booking:list", booking_commands.ListBookings, queries.list_bookings, bulky=True),
    Row("slots:watch", booking_commands.WatchSlots, free.watch, _SLOTS, bulky=True),
    Row("slots:unwatch", booking_commands.UnwatchSlots, free.unwatch),
)


# A person types a few messages a second at most; receipts come in bursts when a device catches up.
_SENDING = Rate(20, 100)
_RECEIPTS = Rate(30, 200)
# A call takes a bounded time of the database; ten of them lead through a hundred thousand messages.
_SEARCHING = Rate(2, 20)
# They read something of every conversation.
_OVER_ALL = Rate(1, 20)

CONVERSATIONS_ROWS: tuple[Row, ...] = (
    Row("conversation:open", conversation_commands.OpenConversation, conversations.open_conversation),
    Row("conversation:list", conversation_commands.ListConversations, conversations.list_conversations, bulky=True),
    Row("conversation:mute", conversation_commands.MuteConversation, conversations.mute_conversation),
    Row("conversation:unread", conversation_commands.CountUnread, conversations.count_unread, _OVER_ALL, bulky=True),
    Row("conversation:seen-all", conversation_commands.MarkAllSeen, conversations.mark_all_seen, _OVER_ALL, bulky=True),
    Row("message:send", conversation_commands.SendMessage, messages.send_message, _SENDING),
    Row("message:edit", conversation_commands.EditMessage, messages.edit_message),
    Row("message:delete", conversation_commands.DeleteMessage, messages.delete_message),
    Row("message:react", conversation_commands.ReactToMessage, messages.react_to_message),
    Row("message:list", conversation_commands.ListMessages, history.list_messages, bulky=True),
    Row("message:get", conversation_commands.GetMessage, history.get_message),
    Row("message:search", conversation_commands.SearchMessages, search.search_messages, _SEARCHING, bulky=True),
    Row("conversation:seen", conversation_commands.MarkSeen, conversations.mark_seen, _RECEIPTS),
    Row("conversation:delivered", conversation_commands.MarkDelivered, conversations.mark_delivered, _RECEIPTS),
    Row("typing", conversation_commands.SetTyping, conversations.set_typing),
    Row("sync", conversation_commands.Sync, sync.sync, Rate(20, 200), bulky=True),
)


# A look-up of up to 200 people each; an app asks when it shows a list.
_WATCHING = Rate(5, 40)
_SETTING = Rate(1, 20)

PRESENCE_ROWS: tuple[Row, ...] = (
    Row("presence:watch", presence_commands.WatchPresence, presence.watch, _WATCHING),
    Row("presence:unwatch", presence_commands.UnwatchPresence, presence.unwatch, _WATCHING),
    Row("presence:set", presence_commands.SetPresence, presence.set_status, _SETTING),
)


NAMESPACES: dict[str, tuple[Row, ...]] = {
    CONVERSATIONS: CONVERSATIONS_ROWS,
    PRESENCE: PRESENCE_ROWS,
    BOOKINGS: BOOKINGS_ROWS,
}
