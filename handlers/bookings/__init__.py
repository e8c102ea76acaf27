"""Bookings: each command decides with ``domain``, commits once, and publishes what the outbox holds."""
