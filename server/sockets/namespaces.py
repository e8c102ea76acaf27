"""``/bookings``.

``/conversations``.

``/presence``.

The namespaces, each a list of rows. A new event is a row here, a command, a handler, and its test.
"""

from __future__ import annotations

from domain.wire import bookings as bookings_commands
from domain.wire import conversations as conversations_commands
from domain.wire import presence as commands
from domain.wire.events import BOOKINGS, CONVERSATIONS, PRESENCE
from handlers import presence
from handlers.bookings import commands as cancelling
from handlers.bookings import commands as creating
from handlers.bookings import commands as rescheduling
from handlers.bookings import queries
from handlers.messages import commands as messages
from handlers.messages import conversations, sync
from handlers.messages import conversations as receipts
from handlers.slots import free
from server.sockets.rows import Rate, Row

_BOOKING = Rate(2, 20)

BOOKINGS_ROWS: tuple[Row, ...] = (
    Row("booking:create", bookings_commands.CreateBooking, creating.create_booking, _BOOKING),
    Row("booking:cancel", bookings_commands.CancelBooking, cancelling.cancel_booking, _BOOKING),
    Row("booking:reschedule", bookings_commands.RescheduleBooking, rescheduling.reschedule_booking, _BOOKING),
    Row("booking:list", bookings_commands.ListBookings, queries.list_bookings, bulky=True),
    Row("slots:watch", bookings_commands.WatchSlots, free.watch, bulky=True),
    Row("slots:unwatch", bookings_commands.UnwatchSlots, free.unwatch),
)


# A person types a few messages a second at most; receipts come in bursts when a device catches up.
_SENDING = Rate(20, 100)
_RECEIPTS = Rate(30, 200)
_SEARCHING = Rate(1, 10)

CONVERSATIONS_ROWS: tuple[Row, ...] = (
    Row("conversation:open", conversations_commands.OpenConversation, conversations.open_conversation),
    Row("conversation:list", conversations_commands.ListConversations, conversations.list_conversations, bulky=True),
    Row("conversation:mute", conversations_commands.MuteConversation, conversations.mute_conversation),
    Row("message:send", conversations_commands.SendMessage, messages.send_message, _SENDING),
    Row("message:edit", conversations_commands.EditMessage, messages.edit_message),
    Row("message:delete", conversations_commands.DeleteMessage, messages.delete_message),
    Row("message:react", conversations_commands.ReactToMessage, messages.react_to_message),
    Row("message:list", conversations_commands.ListMessages, sync.list_messages, bulky=True),
    Row("message:search", conversations_commands.SearchMessages, sync.search_messages, _SEARCHING, bulky=True),
    Row("conversation:seen", conversations_commands.MarkSeen, receipts.mark_seen, _RECEIPTS),
    Row("conversation:delivered", conversations_commands.MarkDelivered, receipts.mark_delivered, _RECEIPTS),
    Row("typing", conversations_commands.SetTyping, receipts.set_typing),
    Row("sync", conversations_commands.Sync, sync.sync, Rate(20, 200), bulky=True),
)


# A look-up of up to 200 people each; an app asks when it shows a list.
_WATCHING = Rate(5, 40)
_SETTING = Rate(1, 20)

PRESENCE_ROWS: tuple[Row, ...] = (
    Row("presence:watch", commands.WatchPresence, presence.watch, _WATCHING),
    Row("presence:unwatch", commands.UnwatchPresence, presence.unwatch, _WATCHING),
    Row("presence:set", commands.SetPresence, presence.set_status, _SETTING),
)


NAMESPACES: dict[str, tuple[Row, ...]] = {
    CONVERSATIONS: CONVERSATIONS_ROWS,
    PRESENCE: PRESENCE_ROWS,
    BOOKINGS: BOOKINGS_ROWS,
}
