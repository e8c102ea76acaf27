"""Bookings: each command decides with ``domain``, commits once, and tells what the outbox holds."""
