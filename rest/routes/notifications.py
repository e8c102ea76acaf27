"""What one is notified of, and the devices that pushes go to."""

from __future__ import annotations

from domain.wire import notifications as wire
from handlers.notifications import devices, preferences
from rest import limits
from rest.route import Route

_MINE = "/me/notifications"
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
        "PUT",
        _DEVICE,
        devices.put_device,
        "Have pushes sent to a device",
        command=wire.PutDevice,
        rate=limits.DEVICES,
    ),
    Route(
        "DELETE",
        _DEVICE,
        devices.remove_device,
        "Send no more pushes to a device",
        command=wire.RemoveDevice,
        rate=limits.DEVICES,
    ),
)
