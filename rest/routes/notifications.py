"""What one is notified of, and the devices that pushes go to."""

from __future__ import annotations

from domain.wire import notifications as wire
from handlers.notifications import preferences, unsubscribing
from rest import limits
from rest.route import Route
from rest.unsubscribing import unsubscribe_handler

_MINE = "/me/notifications"
_UNSUBSCRIBE = "/unsubscribe/{token}"
_DEVICE = "/me/devices/{deviceId}"

ROWS = (
    Route(
        "GET",
        _MINE,
        preferences.get_notifications,
        "What I am notified of, and my quiet hours",
        answer=wire.NotificationsAnswer,
    ),
    Route(
        "PUT",
        _MINE,
        preferences.set_notifications,
        "Choose what to be notified of, and quiet hours",
        command=wire.SetNotifications,
        answer=wire.NotificationsAnswer,
    ),
    Route(
        "GET",
        _UNSUBSCRIBE,
        unsubscribing.ask_unsubscribe,
        "The page that a mail's link leads to",
        command=wire.Unsubscribe,
        answer=bytes,
        public=True,
        adapter=unsubscribe_handler,
        produces="text/html",
    ),
    Route(
        "POST",
        _UNSUBSCRIBE,
        unsubscribing.unsubscribe,
        "No more mails of that kind (RFC 8058)",
        command=wire.Unsubscribe,
        answer=bytes,
        public=True,
        adapter=unsubscribe_handler,
        consumes="application/x-www-form-urlencoded",
        produces="text/html",
    ),
    Route(
        "PUT",
        _DEVICE,
        preferences.put_device,
        "Have pushes sent to a device",
        command=wire.PutDevice,
        rate=limits.DEVICES,
    ),
    Route(
        "DELETE",
        _DEVICE,
        preferences.remove_device,
        "Send no more pushes to a device",
        command=wire.RemoveDevice,
        rate=limits.DEVICES,
    ),
)
