"""Ended sessions, known to every node within 2 s from the database: their sockets are disconnected, with or without Redis."""
