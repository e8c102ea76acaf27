"""Ended sessions, known to every node within 2 s from the database alone: their sockets are disconnected."""
