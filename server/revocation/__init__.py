"""Ended sessions, heard from the database by every node: their sockets are cut within 2 s, with or without Redis."""
